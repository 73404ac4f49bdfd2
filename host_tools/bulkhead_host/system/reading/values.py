"""Values that no message, timeout or handle can be, and numbers that an `api.py` gives twice."""

import ast
import re
from collections.abc import Iterator, Mapping
from typing import TypeGuard

from bulkhead_host import abi
from bulkhead_host.system.operations import parse_interface
from bulkhead_host.system.reading.called import (
    arguments,
    class_of,
    locals_of,
    objects,
    values_once,
    with_kept_frames,
)
from bulkhead_host.system.reading.lacking import Kinds
from bulkhead_host.system.reading.source import (
    Finding,
    Function,
    Source,
    frame_methods,
    inside,
    trap_of,
)
from bulkhead_host.system.tree import walk

_MUTABLE = (
    *(ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp),
    *(ast.GeneratorExp, ast.Lambda),
)
_VALUES = {"call": "arg", "send": "arg", "reply": "arg", "reply_recv": "arg", "reply_to": "arg"}
_VALUES |= {"stash": "value"}
_BYTES_MAX = dict.fromkeys(_VALUES, abi.MESSAGE_BYTES_MAX) | {"stash": abi.MESSAGE_BYTES_MAX}
_STATUS_MAX = 191
_BITS_MAX = (1 << 26) - 1
_WORD = re.compile(r"\b[A-Z][A-Z0-9_]+\b")
_UNIT = re.compile(r"_(MS|US|S|HZ|KB|BYTES|MAX|MIN)$")


def wrong_values(source: Source) -> Iterator[Finding]:
    """Find values that the kernel will refuse, where they stand in the file."""
    kinds = Kinds(source)
    for function, frame in with_kept_frames(source):
        for node in inside(function):
            if isinstance(node, ast.Expr):
                yield from _wrong_bits(source, node, frame)
            if isinstance(node, ast.Call):
                yield from _wrong_order(source, *arguments(source, node, frame))
            trap = trap_of(node, frame)
            if trap and isinstance(node, ast.Call):
                given = _given(node, trap)
                message = given.get(_VALUES.get(trap, ""))
                yield from _wrong_message(source, message, trap)
                yield from _wrong_object(source, message, function, kinds)
                yield from _wrong_handle(given.get("handle"), frame, trap)
                yield from _wrong_times(source, given, trap)
    if source.file.name == "api.py":
        yield from _wrong_numbers(source)
    yield from _wrong_keys(source)


def _given(call: ast.Call, trap: str) -> dict[str, ast.expr]:
    """Return the arguments of a trap by the names of its parameters."""
    names = [each.arg for each in frame_methods()[trap].args[1:]]
    given = dict(zip(names, call.args, strict=False))
    return given | {each.arg: each.value for each in call.keywords if each.arg}


def _wrong_message(source: Source, value: ast.expr | None, trap: str) -> Iterator[Finding]:
    if value is None:
        return
    values = value.elts if isinstance(value, ast.Tuple) else [value]
    for one in values:
        if isinstance(one, _MUTABLE):
            yield Finding(
                line=one.lineno,
                text=f"no message holds {ast.unparse(one)}: two services would share it",
                next_step="None, a bool, int, float, str or bytes, or a tuple of these",
            )
    is_known, known = source.value(value)
    size = (
        len(known.encode() if isinstance(known, str) else known)
        if is_known and isinstance(known, str | bytes)
        else 0
    )
    most = _BYTES_MAX.get(trap, abi.MESSAGE_BYTES_MAX)
    if size > most:
        yield Finding(
            line=value.lineno,
            text=f"{size} bytes, and {trap} takes {most} at most",
            next_step="send it in pieces, or lend a buffer: call_lending",
        )


def _wrong_object(
    source: Source, value: ast.expr | None, function: Function, kinds: Kinds
) -> Iterator[Finding]:
    for one in value.elts if isinstance(value, ast.Tuple) else [value]:
        what = _unfit(source, one, function) if one is not None else ""
        kind = kinds.of(one, function) if isinstance(one, ast.Name) and not what else ""
        what = f"an object of {kind}" if "." in kind else what
        if one is not None and what:
            yield Finding(
                line=one.lineno,
                text=f"no message holds {ast.unparse(one)}, {what}",
                next_step="send what it knows: a tuple of None, bool, int, float, str and bytes",
            )


def _unfit(source: Source, one: ast.expr, function: Function) -> str:
    """Say what an expression is where no message holds that, the empty string for others."""
    match one:
        case ast.Name(id=name):
            return _unfit_name(source, name, function)
        case ast.Attribute(value=owner, attr=name):
            made = class_of(source, owner, function)
            methods = [each.name for each in made.body if _is_plain(each)] if made else []
            return "a method that is not called" if name in methods else ""
    return ""


def _unfit_name(source: Source, name: str, function: Function) -> str:
    known = objects(source, function)
    if name in known:
        return f"an object of {known[name]}"
    handlers = (node for node in inside(function) if isinstance(node, ast.ExceptHandler))
    if any(one.name == name for one in handlers):
        return "an exception"
    if isinstance(values_once(function).get(name), _MUTABLE):
        return "a value that may change"
    is_local = name in locals_of(function)
    if name in source.functions and not is_local:
        return "a function"
    return "a class" if name in source.classes and not is_local else ""


def _is_plain(node: ast.stmt) -> TypeGuard[Function]:
    return isinstance(node, Function) and not node.decorator_list


def _wrong_handle(handle: ast.expr | None, frame: str, trap: str) -> Iterator[Finding]:
    match handle:
        case ast.Constant(value=str(name)):
            yield Finding(
                line=handle.lineno,
                text=f"{trap} takes a handle, not the name '{name}'",
                next_step=f'{frame}.cap("{name}")',
            )


def _wrong_times(source: Source, given: Mapping[str, ast.expr], trap: str) -> Iterator[Finding]:
    """Find waits that are over at once, since they are negative."""
    for name in ("milliseconds", "timeout_ms"):
        _, value = source.value(given.get(name))
        if isinstance(value, int | float) and value < 0:
            yield Finding(
                line=given[name].lineno,
                text=f"{trap} waits {value} ms: a negative time is over at once, as 0 is",
                next_step="leave it out: it waits for as long as it takes"
                if trap in ("recv", "reply_recv")
                else "milliseconds above 0",
            )


def _wrong_bits(source: Source, statement: ast.Expr, frame: str) -> Iterator[Finding]:
    """Find a notification that says nothing. One whose status is looked at asks who is there."""
    match statement.value:
        case (
            ast.Yield(value=ast.Call(args=[_, bits]) as call)
            | ast.Await(value=ast.Call(args=[_, bits]) as call)
        ) if trap_of(call, frame) == "notify" and source.value(bits) == (True, 0):
            yield Finding(
                line=bits.lineno,
                text="notify of no bit wakes the other, and bits() cannot say why",
                next_step="bits are 1, 2, 4, 8, up to 1 << 25",
            )


def _wrong_order(source: Source, given: list[ast.expr], reach: str) -> Iterator[Finding]:
    """Find an operation that stands where the handle belongs."""
    trap = frame_methods().get("call" if reach == "ask" else reach)
    takes_handle = trap is not None and [each.arg for each in trap.args[1:2]] == ["handle"]
    match given:
        case [ast.Name(id=name), *_] if takes_handle:
            module, original = source.imported.get(name, ("", ""))
            if module.endswith(".api") and original.isupper():
                yield Finding(
                    line=given[0].lineno,
                    text=f"{reach} takes a handle first, and {name} is an operation",
                    next_step=f"{reach}({'task, ' if reach == 'ask' else ''}handle, {name}, ...)",
                )


def _wrong_numbers(source: Source) -> Iterator[Finding]:
    """Find operations of one number, and statuses and bits that are the kernel's."""
    text = source.file.read_text(encoding="utf-8")
    lines = {name: number for number, name in _lines(source.tree)}
    interface = parse_interface(source.service.name, text)
    first: dict[int, str] = {}
    for one in interface.operations:
        if "->" not in one.words:  # sent, or another number
            continue
        other = first.setdefault(one.number, one.name)
        if other != one.name:
            yield Finding(
                line=lines.get(one.name, 0),
                text=f"{one.name} and {other} have one number, {one.number}",
                next_step="number the operations from 1",
            )
    named = {
        word
        for one in interface.operations
        for word in _WORD.findall(one.words.partition("->")[2])
    }
    for name, number in interface.numbers:
        if name in named and number > _STATUS_MAX and not _UNIT.search(name):
            yield Finding(
                line=lines.get(name, 0),
                text=f"{name} is {number}: statuses above {_STATUS_MAX} are the kernel's",
            )
    for number, line in enumerate(text.splitlines(), 1):
        match = re.match(r"(\w+) = .*#.*\bnotif", line)
        is_known, value = source.value(ast.Name(id=match[1])) if match else (False, None)
        if is_known and isinstance(value, int) and value > _BITS_MAX and "->" not in line:
            yield Finding(
                line=number,
                text=f"{match[1] if match else ''} is beyond the bits 0 to 25 of a notification",
            )


def _lines(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)]):
                yield node.lineno, name


def _wrong_keys(source: Source) -> Iterator[Finding]:
    """Find keys that the store does not keep."""
    helpers = [
        name
        for name, (module, original) in source.imported.items()
        if module == "services.store.api" and original in ("get", "put")
    ]
    for node in walk(source.tree):
        match node:
            case ast.Call(func=ast.Name(id=name), args=[_, ast.Constant(value=str(key)), *_]):
                if name in helpers and len(key.encode()) > _KEY_BYTES_MAX:
                    yield Finding(
                        line=node.lineno,
                        text=f"a key of {len(key.encode())} bytes, and the store keeps keys of "
                        f"{_KEY_BYTES_MAX} at most",
                    )


_KEY_BYTES_MAX = 32
