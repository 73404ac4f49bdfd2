"""Calls whose status nobody looks at, through a handle that the same function asks anew for."""

import ast
from collections.abc import Iterator

from bulkhead_host.system.reading.source import Finding, Source, inside, trap_of

_CALLS = ("call", "call_lending", "call_granting")


def wrong_statuses(source: Source) -> Iterator[Finding]:
    """Find calls that drop the DEAD for which `reopen` of that handle stands beside them."""
    for function, frame in source.with_frames():
        nodes = list(inside(function))
        reopened = {_handle(node, frame, "reopen") for node in nodes} - {""}
        for node in nodes:
            match node:
                case ast.Expr(value=ast.Yield(value=call) | ast.Await(value=call)):
                    handle = _handle(call, frame, *_CALLS)
                    if handle in reopened:
                        yield Finding(
                            line=node.lineno,
                            text="nobody looks at the status of this call: when it is DEAD, "
                            f"{handle} is not reopened",
                            next_step=f"status = {_bare(ast.unparse(node.value))}",
                        )


def _bare(text: str) -> str:
    return text[1:-1] if text.startswith("(") else text


def _handle(node: ast.AST | None, frame: str, *traps: str) -> str:
    """Return the first argument of one of the traps, the empty string for anything else."""
    match node:
        case ast.Call(args=[handle, *_]) if trap_of(node, frame) in traps:
            return ast.unparse(handle)
    return ""
