"""What a hard driver's loop may not do: it runs in the hardware interrupt itself."""

import ast
from collections.abc import Iterator

from bulkhead_host.system.reading.allocating import allocations
from bulkhead_host.system.reading.called import called
from bulkhead_host.system.reading.source import (
    Finding,
    Function,
    Source,
    inside,
    is_generator,
    trap_of,
)
from bulkhead_host.system.tree import walk

_ALLOWED = ("recv", "attend", "notify", "acknowledge")
_SLEEPS_US = {"sleep": 1_000_000, "sleep_ms": 1000, "sleep_us": 1}
_PULSE_US = 100
_ACKNOWLEDGE = ("acknowledge", "hand_over")
Found = Iterator[Finding]


def wrong_hard_steps(source: Source) -> Iterator[Finding]:
    """Find what allocates, waits or loops in a hard driver, and a line that fires but once."""
    for function, frame in source.with_frames():
        for loop in inside(function):
            if isinstance(loop, ast.While) and _receives(loop, frame):
                if source.service.hard:
                    yield from _wrong_steps(source, loop, function, frame)
                yield from _unacknowledged(source, loop, frame)


def _receives(loop: ast.While, frame: str) -> bool:
    return any(trap_of(node, frame) in ("recv", "attend") for node in inside(loop))


def _wrong_steps(source: Source, loop: ast.While, within: Function, frame: str) -> Found:
    yield from _wrong_in(source, loop.body, frame)
    seen: set[Function] = set()
    calls = [(node, within) for node in inside(loop)]
    for node, scope in calls:  # which grows
        found = called(source, node, scope)
        if found is None or found.function in seen:
            continue
        seen.add(found.function)
        if is_generator(found.function):
            line = getattr(node, "lineno", loop.lineno)
            yield _allocating(node, line)
        elif found.function in source.tree.body or found.function in source.owners:
            yield from _wrong_in(source, found.function.body, frame)
            calls += [(each, found.function) for each in inside(found.function)]


def _wrong_in(source: Source, block: list[ast.stmt], frame: str) -> Found:
    """Find what no statement of a hard step, or of what it calls, may do."""
    for statement in block:
        for node in (statement, *inside(statement)):
            trap = trap_of(node, frame)
            line = getattr(node, "lineno", statement.lineno)
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
            elif us := _sleeps_us(source, node):
                yield Finding(
                    line=line,
                    text=f"a hard step sleeps {us:g} us: everything stands still until it ends",
                    next_step="notify a service that waits",
                )
        for node in allocations(source, statement):
            yield _allocating(node, getattr(node, "lineno", statement.lineno))


def _allocating(node: ast.AST, line: int) -> Finding:
    return Finding(
        line=line,
        text=f"{ast.unparse(node).splitlines()[0]} allocates, which a hard step must not",
        next_step="make it before the loop, and use it there",
    )


def _sleeps_us(source: Source, node: ast.AST) -> float:
    """Return how long a call sleeps, 0 where it is no sleep or as short as a pulse."""
    match node:
        case (
            ast.Call(func=ast.Attribute(value=ast.Name(id="time"), attr=name), args=[length])
            | ast.Call(func=ast.Name(id=name), args=[length])
        ) if name in _SLEEPS_US:
            is_known, value = source.value(length)
            us = value * _SLEEPS_US[name] if isinstance(value, int | float) else 0
            return us if is_known and us > _PULSE_US else 0
    return 0


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
