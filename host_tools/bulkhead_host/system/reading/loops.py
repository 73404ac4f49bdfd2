"""Loops that hold the processor: nothing in them waits, and nothing ends them."""

import ast
from collections.abc import Iterator

from bulkhead_host.system.reading.source import Finding, Source, inside
from bulkhead_host.system.tree import walk

_STOPS = (ast.Yield, ast.YieldFrom, ast.Await, ast.Return, ast.Raise)
_ROUND_US = 1  # 125 cycles of a Pico: no round of bytecode is shorter
_SLEEPS = ("sleep", "sleep_ms", "sleep_us")
# What gives the same each time while no statement runs in between.
_SAME = (
    *(ast.Name, ast.Constant, ast.Compare, ast.BoolOp, ast.UnaryOp, ast.expr_context),
    *(ast.cmpop, ast.boolop, ast.unaryop),
)


def wrong_loops(source: Source) -> Iterator[Finding]:
    """Find loops without an end, and those that only wait for something to change."""
    for node in walk(source.tree):
        if isinstance(node, ast.For):
            yield from _counted(source, node)
        if isinstance(node, ast.While) and (line := _spins_at(node)):
            yield Finding(
                line=line,
                text="this loop holds the processor until the service is killed",
                next_step="wait in it: yield task.sleep(1), or let an interrupt tell it",
            )


def _counted(source: Source, loop: ast.For) -> Iterator[Finding]:
    """Find a loop of so many rounds that no budget of the service holds them."""
    match loop.iter:
        case ast.Call(func=ast.Name(id="range"), args=[end]):
            _, rounds = source.value(end)
        case _:
            return
    if any(isinstance(node, (*_STOPS, ast.Break)) for node in inside(loop)):
        return
    ms = rounds * _ROUND_US // 1000 if isinstance(rounds, int) else 0
    if ms >= source.service.budget_ms:
        yield Finding(
            line=loop.lineno,
            text=f"{rounds!r} rounds without a yield take {ms} ms or more, and a step of "
            f"{source.service.name} may take {source.service.budget_ms}: it would be killed",
            next_step="yield task.sleep(0) now and then",
        )


def _spins_at(loop: ast.While) -> int:
    """Return the line at which a loop goes round without a wait for ever, 0 if it may not."""
    is_for_ever = isinstance(loop.test, ast.Constant) and bool(loop.test.value)
    if is_for_ever and not _Ways(loop.body).may_stop:
        return loop.lineno
    if is_for_ever:
        return _goes_round(loop.body)
    if any(isinstance(node, (*_STOPS, ast.Break)) for node in inside(loop)):
        return 0
    return loop.lineno if all(_does_nothing(one) for one in loop.body) else 0


def _does_nothing(statement: ast.stmt) -> bool:
    """Tell whether a statement only lets time go by."""
    match statement:
        case ast.Pass() | ast.Continue():
            return True
        case ast.Expr(
            value=ast.Call(func=ast.Attribute(attr=name)) | ast.Call(func=ast.Name(id=name))
        ):
            return name in _SLEEPS
    return False


class _Ways:
    """The ways through a loop's body. What stands behind a `continue` is none of them."""

    def __init__(self, body: list[ast.stmt]) -> None:
        self.may_stop = False
        self._goes_on(body, is_inner=False)

    def _goes_on(self, block: list[ast.stmt], *, is_inner: bool) -> bool:
        """Tell whether a block can be left at its end; note what stops the loop before."""
        return all(self._passes(statement, is_inner=is_inner) for statement in block)

    def _passes(self, statement: ast.stmt, *, is_inner: bool) -> bool:
        match statement:
            case ast.If():
                self._note(statement.test)
                ways = [
                    self._goes_on(block, is_inner=is_inner)
                    for block in (statement.body, statement.orelse)
                ]
                return any(ways)
            case ast.Continue():
                return False
            case ast.Break():
                self.may_stop |= not is_inner
                return False
            case ast.Return() | ast.Raise():
                self.may_stop = True
                return False
        self._note(statement)
        if not isinstance(statement, ast.While | ast.For):
            self.may_stop |= any(isinstance(node, ast.Break) for node in inside(statement))
        return True

    def _note(self, node: ast.AST) -> None:
        self.may_stop |= any(isinstance(each, _STOPS) for each in (node, *inside(node)))


def _goes_round(body: list[ast.stmt]) -> int:
    """Return the line of a `continue` that comes first, and whose condition nothing changes.

    Once it is met it is met for ever.
    """
    for statement in body:
        match statement:
            case ast.Pass() | ast.Expr(value=ast.Constant()):
                continue
            case ast.Continue():
                return statement.lineno
            case ast.If(test=test) if all(isinstance(node, _SAME) for node in walk(test)):
                return _goes_round(statement.body) or _goes_round(statement.orelse)
        return 0
    return 0
