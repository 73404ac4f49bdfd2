"""Sleeps in a step of the service: they hold the processor, and count for its budget."""

import ast
from collections.abc import Iterator

from bulkhead_host.files import read_text
from bulkhead_host.system.imports import names_of_modules
from bulkhead_host.system.reading.called import called
from bulkhead_host.system.reading.source import Finding, Function, Source, inside
from bulkhead_host.system.tree import walk

_SLEEPS = {"sleep": 1000.0, "sleep_ms": 1.0, "sleep_us": 0.001}
_MODULES = ("time", "utime")
_WAITS = (ast.Yield, ast.YieldFrom, ast.Await)
_DEEP_MAX = 4  # functions that call one another


def wrong_sleeps(source: Source) -> Iterator[Finding]:
    """Find sleeps that the budget of a step does not hold, one by one and together."""
    lengths = dict(_lengths(source))
    if not lengths or (source.file.name != "service.py" and _keeps_time(source)):
        return
    budget_ms = source.service.budget_ms
    is_told = False
    for call, (name, ms) in lengths.items():
        if ms >= budget_ms:
            is_told = True
            yield _finding(source, call.lineno, f"time.{name} holds", ms)
    if is_told:
        return
    steps = _Steps(source, {call: ms for call, (_, ms) in lengths.items()})
    for function in (node for node in walk(source.tree) if isinstance(node, Function)):
        steps.held_ms(function.body, function, deep=0)
    for line, ms in sorted(steps.too_long.items()):
        yield _finding(source, line, "what it sleeps without a yield in between holds", ms)


def _finding(source: Source, line: int, what: str, ms: float) -> Finding:
    return Finding(
        line=line,
        text=f"{what} the processor for {ms:g} ms, and a step of "
        f"{source.service.name} may take {source.service.budget_ms}: it would be killed",
        next_step=f"yield task.sleep({ms:g})",
    )


def _lengths(source: Source) -> Iterator[tuple[ast.Call, tuple[str, float]]]:
    """Yield the calls that sleep, by whatever name, with the milliseconds that they take."""
    named = {
        alias.asname or alias.name: alias.name
        for node in walk(source.tree)
        if isinstance(node, ast.ImportFrom) and node.module in _MODULES
        for alias in node.names
        if alias.name in _SLEEPS
    }
    dotted = {
        attribute: name.rpartition(".")[2]
        for attribute, name in names_of_modules(source.tree)
        if name.partition(".")[0] in _MODULES and attribute.attr in _SLEEPS
    }
    if not named and not dotted:
        return
    for node in walk(source.tree):
        match node:
            case ast.Call(func=ast.Name(id=name), args=[length]) if name in named:
                name = named[name]
            case ast.Call(func=ast.Attribute() as function, args=[length]) if function in dotted:
                name = dotted[function]
            case _:
                continue
        is_known, value = source.value(length)
        if is_known and isinstance(value, int | float):
            yield node, (name, value * _SLEEPS[name])


class _Steps:
    """What a step of a service sleeps, from one yield to the next. `lengths` are in ms."""

    def __init__(self, source: Source, lengths: dict[ast.Call, float]) -> None:
        self._source = source
        self._lengths = lengths
        self.too_long: dict[int, float] = {}

    def held_ms(self, block: list[ast.stmt], within: Function, *, deep: int) -> float:
        """Return what a block sleeps at most behind its last yield; note what is too long."""
        total = 0.0
        for statement in block:
            waits = any(isinstance(node, _WAITS) for node in (statement, *inside(statement)))
            own = self._of_statement(statement, within, deep)
            total = 0.0 if waits else total + own
            if total >= self._source.service.budget_ms:
                self.too_long[statement.lineno] = total
                total = 0.0
        return total

    def _of_statement(self, statement: ast.stmt, within: Function, deep: int) -> float:
        match statement:
            case ast.If(body=body, orelse=orelse):
                return max(self.held_ms(each, within, deep=deep) for each in (body, orelse))
            case ast.For(iter=row, body=body):
                return self.held_ms(body, within, deep=deep) * self._rounds(row)
            case ast.While(body=body) | ast.With(body=body) | ast.Try(body=body):
                return self.held_ms(body, within, deep=deep)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                return 0.0
        calls = (node for node in inside(statement) if isinstance(node, ast.Call))
        return sum(self._of_call(node, within, deep) for node in calls)

    def _of_call(self, call: ast.Call, within: Function, deep: int) -> float:
        if call in self._lengths:
            return self._lengths[call]
        found = called(self._source, call, within) if deep < _DEEP_MAX else None
        if found is None or found.function not in walk(self._source.tree):
            return 0.0
        inner = _Steps(self._source, self._lengths)
        held = inner.held_ms(found.function.body, found.function, deep=deep + 1)
        return 0.0 if inner.too_long else held

    def _rounds(self, row: ast.expr) -> int:
        match row:
            case ast.Call(func=ast.Name(id="range"), args=[*ends]):
                values = [self._source.value(end)[1] for end in ends]
                numbers = [value for value in values if isinstance(value, int)]
                return len(range(*numbers)) if len(numbers) == len(values) > 0 else 1
            case ast.Tuple(elts=elements) | ast.List(elts=elements):
                return len(elements)
        return 1


def _keeps_time(source: Source) -> bool:
    """Tell whether the service has a file's `time` kept: `bus.keep_time(module)`."""
    main = source.service.folder / "service.py"
    if not main.is_file():
        return False
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "keep_time"
        and isinstance(node.args[0] if node.args else None, ast.Name)
        and ast.unparse(node.args[0]) == source.file.stem
        for node in ast.walk(ast.parse(read_text(main)))
    )
