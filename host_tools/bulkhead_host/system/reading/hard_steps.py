"""What a hard driver's loop may not do: it runs in the hardware interrupt itself."""

import ast
from collections.abc import Iterator

from bulkhead_host.system.reading.source import Finding, Function, Source, inside, trap_of
from bulkhead_host.system.tree import walk

_ALLOWED = ("recv", "attend", "notify", "acknowledge")
_ALLOCATE = (
    *(ast.JoinedStr, ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp),
    *(ast.GeneratorExp, ast.Lambda),
)
_MAKERS = ("bytearray", "bytes", "dict", "float", "list", "print", "range", "set", "str", "tuple")
_ACKNOWLEDGE = ("acknowledge", "hand_over")


def wrong_hard_steps(source: Source) -> Iterator[Finding]:
    """Find what allocates, waits or loops in a hard driver, and a line that fires but once."""
    for function, frame in source.with_frames():
        for loop in inside(function):
            if isinstance(loop, ast.While) and _receives(loop, frame):
                if source.service.hard:
                    yield from _wrong_steps(loop, frame)
                yield from _unacknowledged(source, loop, frame)


def _receives(loop: ast.While, frame: str) -> bool:
    return any(trap_of(node, frame) in ("recv", "attend") for node in inside(loop))


def _wrong_steps(loop: ast.While, frame: str) -> Iterator[Finding]:
    for node in inside(loop):
        trap = trap_of(node, frame)
        line = getattr(node, "lineno", loop.lineno)
        if trap and trap not in _ALLOWED:
            yield Finding(
                line=line,
                text=f"a hard step cannot {trap}: it runs in the hardware interrupt",
                next_step="notify a service that does it",
            )
        elif isinstance(node, ast.While | ast.For):
            yield Finding(
                line=line,
                text="a loop in a hard step: everything stands still until it ends",
                next_step="do one thing at each interrupt",
                is_warning=isinstance(node, ast.For),
            )
        elif isinstance(node, _ALLOCATE) or any(
            makes(node) for makes in (_makes_text, _makes_float, _makes)
        ):
            yield Finding(
                line=line,
                text=f"{ast.unparse(node)} allocates, which a hard step must not",
                next_step="make it before the loop, and use it there",
            )


def _makes_text(node: ast.AST) -> bool:
    match node:
        case ast.BinOp(left=ast.Constant(value=str() | bytes()), op=ast.Mod() | ast.Add()):
            return True
    return False


def _makes_float(node: ast.AST) -> bool:
    """Tell whether an operation gives a float, which is an object on the heap."""
    match node:
        case ast.BinOp(op=ast.Div()):
            return True
        case ast.BinOp(left=left, right=right):
            return any(
                isinstance(one, ast.Constant) and isinstance(one.value, float)
                for one in (left, right)
            )
    return False


def _makes(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Name(id=name)):
            return name in _MAKERS
        case ast.Call(func=ast.Attribute(attr="format")):
            return True
    return False


def _unacknowledged(source: Source, loop: ast.While, frame: str) -> Iterator[Finding]:
    """Find a loop that serves the interrupts of lines, and lets each fire but once."""
    if not source.service.lines or source.service.folder.name == "console":
        return
    acknowledges = _functions_that_acknowledge(source)
    for node in inside(loop):
        if trap_of(node, frame) in _ACKNOWLEDGE:
            return
        match node:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
                if name in acknowledges or (name not in source.functions and _takes(node, frame)):
                    return
    yield Finding(
        line=loop.lineno,
        text="no line is acknowledged in this loop: each interrupts once, and never again",
        next_step=f"yield {frame}.acknowledge(line) when it has been served",
    )


def _takes(call: ast.AST, frame: str) -> bool:
    arguments = call.args if isinstance(call, ast.Call) else []
    return any(isinstance(each, ast.Name) and each.id == frame for each in arguments)


def _functions_that_acknowledge(source: Source) -> set[str]:
    found = set()
    for node in walk(source.tree):
        if isinstance(node, Function):
            frame = source.frame_of(node)
            if any(
                isinstance(each, ast.Attribute) and each.attr in _ACKNOWLEDGE
                for each in inside(node)
            ) and (frame or node.name != "main"):
                found.add(node.name)
    return found - {"main"}
