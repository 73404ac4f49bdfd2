"""What ends a service that is not to end, and what keeps one from being ended."""

import ast
from collections.abc import Iterator

from bulkhead_host.system.reading.source import Finding, Source, inside
from bulkhead_host.system.tree import walk

_EVERYTHING = ("BaseException", "KeyboardInterrupt", "GeneratorExit")
"""What a kill arrives as, among other things."""


def wrong_ends(source: Source) -> Iterator[Finding]:
    """Find a `return` of a main that is to go on, and handlers that catch a kill."""
    yield from _returns(source)
    for node in walk(source.tree):
        if isinstance(node, ast.ExceptHandler) and _catches_kill(node):
            caught = "except" if node.type is None else f"except {ast.unparse(node.type)}"
            yield Finding(
                line=node.lineno,
                text=f"{caught} catches the kill of a service that ran too long: the board is "
                "reset for that",
                next_step="except Exception, or raise at the end of it",
            )


def _returns(source: Source) -> Iterator[Finding]:
    service = source.service
    main = source.functions.get("main")
    if not source.is_main or main is None or service.restart != "permanent":
        return
    for node in inside(main):
        if isinstance(node, ast.Return):
            yield Finding(
                line=node.lineno,
                text=f"{service.name} ends here, which is a fault where restart is permanent",
                next_step='go on with the loop, or restart = "transient" in service.toml',
            )


def _catches_kill(handler: ast.ExceptHandler) -> bool:
    """Tell whether a handler takes what a kill is, and does not raise it again."""
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    is_all = handler.type is None or any(
        isinstance(kind, ast.Name) and kind.id in _EVERYTHING for kind in kinds
    )
    return is_all and not any(
        isinstance(node, ast.Raise) for one in handler.body for node in (one, *inside(one))
    )
