"""What is yielded, or returned, and can be no trap: the kernel faults a service for it."""

import ast
from collections.abc import Iterator

from bulkhead_host.system.reading.called import called, with_kept_frames
from bulkhead_host.system.reading.source import (
    Finding,
    Function,
    Source,
    inside,
    is_generator,
    trap_of,
)

_FAULT = "yield takes a trap of the frame, and faults the service for anything else"
# What is a value of its own, whatever its parts are.
_VALUES = (
    *(ast.Constant, ast.Tuple, ast.List, ast.Dict, ast.Set, ast.JoinedStr, ast.Lambda),
    *(ast.Compare, ast.ListComp, ast.DictComp, ast.SetComp, ast.GeneratorExp),
)
_COMPUTED = (ast.Constant, ast.Compare, ast.BinOp, ast.JoinedStr, ast.Tuple)
# Modules whose functions give no trap, with what stands for their sleep.
_OTHERS = ("time", "utime", "machine")


def wrong_yields(source: Source) -> Iterator[Finding]:
    """Find yields of what is no trap, those that no kernel serves, and what is no generator."""
    for function, frame in with_kept_frames(source):
        nodes = inside(function)
        is_main = source.is_main and function.name == "main"
        # One with the frame that yields only values is the caller's own iterator.
        makes_traps = is_main or any(
            trap_of(node, frame) or isinstance(node, ast.YieldFrom) for node in nodes
        )
        for node in nodes:
            match node:
                case ast.Await(value=ast.Constant() as value):
                    yield Finding(
                        line=node.lineno,
                        text=f"await {ast.unparse(value)}: there is nothing to wait for",
                        next_step=f"await {frame}.sleep(milliseconds)",
                    )
                case ast.YieldFrom(value=value) if isinstance(function, ast.AsyncFunctionDef):
                    yield Finding(
                        line=node.lineno,
                        text=f"yield from in async def {function.name}: Python refuses that",
                        next_step=f"await {ast.unparse(value)}",
                    )
                case ast.Yield(value=value) if makes_traps and _is_value(source, value):
                    text = "nothing" if value is None else ast.unparse(value)
                    yield Finding(
                        line=node.lineno,
                        text=f"{text} is no trap: who yields it has a fault",
                        next_step=f"yield {frame}.sleep(0) gives way to equals",
                    )
                case ast.Yield(value=ast.Call(func=ast.Attribute(value=owner, attr=name))) if (
                    isinstance(owner, ast.Name) and owner.id in _OTHERS
                ):
                    yield Finding(
                        line=node.lineno,
                        text=f"{owner.id}.{name} gives no trap: {_FAULT}",
                        next_step=f"yield {frame}.sleep(milliseconds)",
                    )
                case ast.Await(value=ast.Call(func=ast.Attribute(value=owner, attr=name))) if (
                    is_main and isinstance(owner, ast.Name) and owner.id == "asyncio"
                ):
                    yield Finding(
                        line=node.lineno,
                        text=f"asyncio.{name} waits in a loop, and main runs outside of it",
                        next_step=f"await run({frame}, program({frame})) of bulkhead.loop",
                    )
                case ast.YieldFrom(value=ast.Call() as call):
                    yield from _no_generator(source, call, function)
                case ast.Try(finalbody=[*last]) if last:
                    yield from _at_the_end(last, frame)


def _is_value(source: Source, node: ast.expr | None) -> bool:
    return node is None or isinstance(node, _VALUES) or source.value(node)[0]


def _no_generator(source: Source, call: ast.Call, within: Function) -> Iterator[Finding]:
    """Find a function that `yield from` is to run, and that gives nothing to be run."""
    found = called(source, call, within)
    if found is None or is_generator(found.function) or found.function.decorator_list:
        return
    returned = [node.value for node in inside(found.function) if isinstance(node, ast.Return)]
    if all(value is None or isinstance(value, _COMPUTED) for value in returned):
        yield Finding(
            line=call.lineno,
            text=f"{ast.unparse(call.func)} has no yield: there is nothing to yield from",
            next_step=ast.unparse(call),
        )


def _at_the_end(last: list[ast.stmt], frame: str) -> Iterator[Finding]:
    """Find traps of a `finally`, which runs in the last step of a service that is stopped."""
    for node in (each for one in last for each in (one, *inside(one))):
        if isinstance(node, ast.Yield | ast.Await | ast.YieldFrom):
            yield Finding(
                line=node.lineno,
                text="a trap in finally: a service that is stopped runs it, and may make none",
                next_step=f"after the try, or in except Exception: {frame}'s traps are made there",
            )
