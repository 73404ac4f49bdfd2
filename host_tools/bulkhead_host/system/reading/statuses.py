"""Calls whose status nobody looks at, through a handle that the same function asks anew for."""

import ast
from collections.abc import Iterator

from bulkhead_host.system.reading.called import with_kept_frames
from bulkhead_host.system.reading.source import Finding, Function, Source, inside, trap_of

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


def wrong_truths(source: Source) -> Iterator[Finding]:
    """Find statuses that are taken for a bool: OK is 0, and no status is `True`."""
    for function, frame in with_kept_frames(source):
        named = _statuses(function, frame)
        for node in inside(function):
            match node:
                case ast.Compare(left=left, ops=[op], comparators=[ast.Constant(value=bool(to))]):
                    is_status = _gives_status(left, frame)
                    is_status = is_status or (isinstance(left, ast.Name) and left.id in named)
                    if is_status and isinstance(op, ast.Is | ast.IsNot | ast.Eq | ast.NotEq):
                        yield Finding(
                            line=node.lineno,
                            text=f"a status is a number, OK is 0, and none is {to}",
                            next_step=f"{ast.unparse(left)} == OK",
                        )


def _statuses(function: Function, frame: str) -> set[str]:
    """Return the variables of a function that are bound to nothing but what a trap gives."""
    found: set[str] = set()
    others: set[str] = set()
    bound = set()
    for node in inside(function):
        match node:
            case ast.Assign(targets=[ast.Name() as name], value=value):
                (found if _gives_status(value, frame) else others).add(name.id)
                bound.add(name)
            case ast.Name(ctx=ast.Store(), id=other) if node not in bound:
                others.add(other)
    return found - others


def _gives_status(value: ast.expr, frame: str) -> bool:
    match value:
        case ast.Yield(value=call) | ast.Await(value=call):
            return trap_of(call, frame) != ""
        case ast.YieldFrom(value=ast.Call(func=ast.Name(id="ask"))):
            return True
    return False


def _bare(text: str) -> str:
    return text[1:-1] if text.startswith("(") else text


def _handle(node: ast.AST | None, frame: str, *traps: str) -> str:
    """Return the first argument of one of the traps, the empty string for anything else."""
    match node:
        case ast.Call(args=[handle, *_]) if trap_of(node, frame) in traps:
            return ast.unparse(handle)
    return ""
