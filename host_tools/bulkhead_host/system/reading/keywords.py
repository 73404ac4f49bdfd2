"""Arguments by name, where MicroPython's functions take them by place alone."""

import ast
from collections.abc import Iterator, Mapping

from bulkhead_host.system.reading.lacking import Kinds
from bulkhead_host.system.reading.source import Finding, Function, Source, inside
from bulkhead_host.system.tree import walk

# What is written in C takes names only where its source has them (`objstr.c`, `modbuiltins.c`).
_TAKEN: Mapping[str, tuple[str, ...]] = {
    "print": ("sep", "end", "file"),
    "int": (),
    "len": (),
    "round": (),
    "sum": (),
    "json.dumps": ("separators",),
    "json.loads": (),
    "time.sleep_ms": (),
    "struct.pack": (),
}
_KINDS = ("str", "bytes", "bytearray", "int", "float", "list", "dict", "set", "tuple")
_METHODS_WITH_NAMES = ("format", "sort", "update")


def wrong_keywords(source: Source) -> Iterator[Finding]:
    """Find names of arguments that a function of the language, or of a text, does not take."""
    kinds = Kinds(source)
    for scope in walk(source.tree):
        if not isinstance(scope, ast.Module | Function):
            continue
        for node in inside(scope):
            if isinstance(node, ast.Call) and node.keywords:
                yield from _untaken(source, node, kinds, scope)


def _untaken(source: Source, call: ast.Call, kinds: Kinds, scope: ast.AST) -> Iterator[Finding]:
    name = ast.unparse(call.func)
    taken = _TAKEN.get(name) if name not in source.functions else None
    match call.func:
        case ast.Attribute(value=owner, attr=method) if method not in _METHODS_WITH_NAMES:
            if kinds.of(owner, scope) in _KINDS:
                taken = ()
    names = [str(one.arg) for one in call.keywords if one.arg]
    wrong = [one for one in names if taken is not None and one not in taken]
    if wrong:
        by_place = f"it has {', '.join(taken)}" if taken else "give it by place"
        yield Finding(
            line=call.lineno,
            text=f"MicroPython's {name} takes no argument by the name {wrong[0]}",
            next_step=by_place,
        )
