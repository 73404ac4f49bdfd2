"""Callbacks and threads: code that would run outside of the service's steps."""

import ast
from collections.abc import Iterator

from bulkhead_host.system.imports import callback_of, imports, names_of_modules
from bulkhead_host.system.reading.source import Finding, Source

_OUTSIDE = "runs outside every service, budget and priority"
_THREAD = "make a service of what it does"
_TIMER = (
    'name a [[line]] with source = "timer" in service.toml: recv() gives NOTIFIED; '
    "or wait by recv(timeout_ms)"
)
_LINE = "name a [[line]] of that source in service.toml: recv() gives NOTIFIED when it fires"
_POLL = "ask for it in a step of its own, as by recv(timeout_ms)"
_SET_CALLBACK = 20  # of setsockopt


def wrong_callbacks(source: Source) -> Iterator[Finding]:
    """Find what the board refuses a service, whatever its manifest names."""
    for found in imports(source.tree):
        name = callback_of(found.name)
        if name:
            yield _refused(found.line, name)
    for attribute, name in names_of_modules(source.tree):
        if callback_of(name) and not callback_of(name.rpartition(".")[0]):  # said of the import
            yield _refused(attribute.lineno, callback_of(name))
    own = {node.name for node in ast.walk(source.tree) if isinstance(node, ast.FunctionDef)}
    for node in ast.walk(source.tree):
        match node:
            case (
                ast.Call(func=ast.Attribute(attr="irq"), args=[_, *_])
                | ast.Call(func=ast.Attribute(attr="irq"), keywords=[_, *_])
            ):
                if "irq" not in own:
                    text = f"irq: a callback {_OUTSIDE}"
                    yield Finding(line=node.lineno, text=text, next_step=_LINE)
            case ast.Call(func=ast.Attribute(attr="setsockopt"), args=[_, option, _]):
                if source.value(option) == (True, _SET_CALLBACK):
                    yield Finding(
                        line=node.lineno,
                        text=f"option {_SET_CALLBACK}: a socket's callback {_OUTSIDE}",
                        next_step=_POLL,
                    )


def _refused(line: int, name: str) -> Finding:
    if name == "_thread":
        return Finding(line=line, text=f"{name}: a thread {_OUTSIDE}", next_step=_THREAD)
    next_step = _TIMER if name == "machine.Timer" else _POLL
    return Finding(line=line, text=f"{name}: its callback {_OUTSIDE}", next_step=next_step)
