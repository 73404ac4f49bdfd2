"""A trap that is not yielded does nothing, and nobody says so."""

import ast
from collections.abc import Iterator

from bulkhead_host.system.reading.called import called, with_kept_frames
from bulkhead_host.system.reading.source import (
    Finding,
    Function,
    Source,
    frame_methods,
    inside,
    is_frame,
    is_generator,
    parameters,
    trap_of,
)

# What an expression may stand in and still reach a yield, or be handed on.
_HANDED_ON = (ast.Await, ast.Call, ast.Lambda, ast.Return, ast.Yield, ast.YieldFrom, ast.keyword)
# What only chooses, `yield (a if b else c)`, or takes what a generator gives.
_CHOOSING = (ast.IfExp, ast.For, ast.comprehension, ast.Starred)
# Functions of the language that make something else of what they are given.
_CONSUMING = (
    *("abs", "bool", "bytes", "float", "int", "len", "list", "max", "min", "print", "range"),
    *("repr", "round", "set", "sorted", "str", "sum", "tuple"),
)


def wrong_waits(source: Source) -> Iterator[Finding]:
    """Find traps and helpers that are called and not waited for, and the wrong word for it."""
    for function, frame in with_kept_frames(source):
        is_async = isinstance(function, ast.AsyncFunctionDef)
        yield from _dropped(source, function, frame, "await" if is_async else "yield")
        for node in inside(function):
            match node:
                case ast.Yield(value=ast.Call() as call) if is_async:
                    yield Finding(
                        line=node.lineno,
                        text=f"yield in async def {function.name}: it makes no coroutine then",
                        next_step=f"await {ast.unparse(call)}, or def without async",
                    )
                case ast.Await(value=value) if not is_async:
                    yield Finding(
                        line=node.lineno,
                        text=f"await in def {function.name}, which is no coroutine",
                        next_step=f"yield {ast.unparse(value)}, or async def",
                    )
                case ast.Yield(value=ast.Call() as call) if _is_helper(source, call, function):
                    yield Finding(
                        line=node.lineno,
                        text=f"{ast.unparse(call.func)} is a generator, and yield gives it away "
                        "unrun",
                        next_step=f"yield from {ast.unparse(call)}",
                    )
                case (
                    ast.Yield(value=ast.Name(id=name))
                    | ast.Await(value=ast.Name(id=name))
                    | ast.YieldFrom(value=ast.Name(id=name))
                ) if name in source.functions and not _is_bound(name, function):
                    yield Finding(
                        line=node.lineno,
                        text=f"{name} is not called: the parentheses are missing",
                        next_step=f"{ast.unparse(node).strip('()')}({frame}, ...)",
                    )
                case (
                    ast.Yield(value=ast.Attribute() as named)
                    | ast.Await(value=ast.Attribute() as named)
                ) if _is_uncalled(named, frame):
                    yield Finding(
                        line=node.lineno,
                        text=f"{ast.unparse(named)} is not called: the parentheses are missing",
                        next_step=f"{ast.unparse(node)}()",
                    )
                case ast.YieldFrom(value=call) if trap_of(call, frame):
                    yield Finding(
                        line=node.lineno,
                        text="a trap is a number, and yield from wants a generator",
                        next_step=f"yield {ast.unparse(call)}",
                    )


def _is_uncalled(named: ast.Attribute, frame: str) -> bool:
    """Tell whether an attribute is a method of the frame that was to be called."""
    return is_frame(named.value, frame) and named.attr in frame_methods()


def _is_bound(name: str, function: Function) -> bool:
    """Tell whether a function has a variable, or a parameter, of a name."""
    return name in parameters(function) or any(
        isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store)
        for node in inside(function)
    )


def _dropped(source: Source, function: Function, frame: str, word: str) -> Iterator[Finding]:
    for call in (*_unhanded(function), *_consumed(function, frame)):
        if trap := trap_of(call, frame):
            yield Finding(
                line=call.lineno,
                text=f"{frame}.{trap}(...) does nothing by itself: the {word} is missing",
                next_step=f"{word} {ast.unparse(call)}",
            )
        elif _is_helper(source, call, function):
            whole = "await" if word == "await" else "yield from"
            yield Finding(
                line=call.lineno,
                text=f"{ast.unparse(call.func)}(...) runs nothing by itself: the {whole} is "
                "missing",
                next_step=f"{whole} {ast.unparse(call)}",
            )


def _unhanded(node: ast.AST) -> Iterator[ast.Call]:
    """Yield the calls whose value is dropped, kept or compared: neither yielded nor handed on."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function | ast.Lambda | ast.ClassDef):
            continue
        if isinstance(child, ast.Call) and not isinstance(node, (*_HANDED_ON, *_CHOOSING)):
            yield child
        if not isinstance(child, ast.Yield | ast.Await | ast.Return):
            yield from _unhanded(child)
        else:
            yield from (call for value in ast.iter_child_nodes(child) for call in _unhanded(value))


def _consumed(function: Function, frame: str) -> Iterator[ast.Call]:
    """Yield the calls whose value is an operand, or is given back by what is run itself."""
    is_run = is_generator(function)
    for node in inside(function):
        given: list[ast.expr | None] = []
        match node:
            case ast.Call(func=ast.Name(id=name)) if name in _CONSUMING:
                given = [*node.args]
            case ast.Call(func=ast.Attribute(attr="append" | "format" | "write")):
                given = [*node.args]
            case ast.Call() if trap_of(node, frame):
                given = [*node.args, *(each.value for each in node.keywords)]
            case ast.Return(value=value) if is_run:
                given = [value]
            case ast.For(iter=value) if trap_of(value, frame):
                given = [value]
        yield from (each for each in given if isinstance(each, ast.Call))


def _is_helper(source: Source, call: ast.Call, within: Function) -> bool:
    """Tell whether a call makes a generator that does traps: it, or its object, has the frame."""
    found = called(source, call, within)
    return found is not None and found.makes_traps
