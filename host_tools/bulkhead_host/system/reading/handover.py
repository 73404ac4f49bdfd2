"""What a service hands to its next version, and takes from the last."""

import ast
from collections.abc import Iterator

from bulkhead_host.system.reading.source import Finding, Function, Source, inside
from bulkhead_host.system.tree import walk

_EXPORT, _IMPORT = "export_state", "import_state"
_UNFIT = (
    *(ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp),
    *(ast.GeneratorExp, ast.Lambda),
)
_GIVEN = {_EXPORT: ("(self)", 0), _IMPORT: ("(self, version, state)", 2)}


def wrong_handovers(source: Source) -> Iterator[Finding]:
    """Find states that no update carries over."""
    for node in walk(source.tree):
        if not isinstance(node, ast.ClassDef | ast.Module):
            continue
        functions = {one.name: one for one in node.body if isinstance(one, Function)}
        own = {name: one for name, one in functions.items() if name in _GIVEN}
        if own and not (isinstance(node, ast.ClassDef) and node.bases):
            yield from _alone(own)
        for name, function in own.items():
            yield from _unfit(name, function, is_method=isinstance(node, ast.ClassDef))
        yield from _of_other_length(own)


def _alone(own: dict[str, Function]) -> Iterator[Finding]:
    """Find one of the two without the other: an update would fail, or begin anew."""
    for name, other in ((_EXPORT, _IMPORT), (_IMPORT, _EXPORT)):
        if name in own and other not in own:
            yield Finding(
                line=own[name].lineno,
                text=f"{name} without {other}: an update carries a state over by both",
                next_step=f"def {other}{_GIVEN[other][0]}",
            )


def _unfit(name: str, function: Function, *, is_method: bool) -> Iterator[Finding]:
    shape, count = _GIVEN[name]
    taken = [*function.args.posonlyargs, *function.args.args]
    least = len(taken) - len(function.args.defaults) - is_method
    most = len(taken) - is_method
    if function.decorator_list:
        return
    if not function.args.vararg and not least <= count <= most:
        yield Finding(
            line=function.lineno,
            text=f"{name} is called with {count or 'no'} values, and takes {most}",
            next_step=f"def {name}{shape}",
        )
    for node in inside(function):
        match node:
            case ast.Yield() | ast.YieldFrom() | ast.Await():
                yield Finding(
                    line=node.lineno,
                    text=f"{name} makes a trap: it is called in a step, and cannot wait",
                )
            case ast.Return(value=value) if name == _EXPORT:
                for one in value.elts if isinstance(value, ast.Tuple) else [value]:
                    if isinstance(one, _UNFIT):
                        yield Finding(
                            line=one.lineno,
                            text=f"no state holds {ast.unparse(one)}: what it is goes with the "
                            "old code",
                            next_step="a message's value, or bytes: json.dumps(...).encode()",
                        )


def _of_other_length(own: dict[str, Function]) -> Iterator[Finding]:
    """Find an `import_state` that takes another number of values than `export_state` gives."""
    if len(own) < len(_GIVEN):
        return
    given = {
        len(each.value.elts)
        for each in inside(own[_EXPORT])
        if isinstance(each, ast.Return) and isinstance(each.value, ast.Tuple)
    }
    taken = own[_IMPORT].args.args
    state = taken[-1].arg if taken else ""
    for each in inside(own[_IMPORT]):
        match each:
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Name(id=name)):
                is_plain = not any(isinstance(one, ast.Starred) for one in names)
                if name == state and is_plain and given and len(names) not in given:
                    yield Finding(
                        line=each.lineno,
                        text=f"import_state takes {len(names)} values, and export_state "
                        f"gives {', '.join(map(str, sorted(given)))}",
                    )
