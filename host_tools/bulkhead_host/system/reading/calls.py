"""Calls with the wrong arguments, and of operations that the other service does not have."""

import ast
from collections.abc import Iterator

from bulkhead_host.system.manifest import RIGHTS, Service
from bulkhead_host.system.operations import Interface, Operation, parse_interface
from bulkhead_host.system.reading.called import arguments, called, with_kept_frames
from bulkhead_host.system.reading.source import (
    Finding,
    Function,
    Source,
    frame_attributes,
    frame_methods,
    inside,
    is_frame,
    trap_of,
)
from bulkhead_host.system.tree import walk

_OF_LINES = ("acknowledge", "hand_over", "write")
_REACHING = ("ask", "call", "call_lending", "call_granting", "send")


def wrong_calls(source: Source) -> Iterator[Finding]:
    """Find calls that cannot be made as they are written."""
    yield from _unfitting(source)
    for function, frame in with_kept_frames(source):
        handles = _kept_handles(source, function) | _handles(source, function, frame)
        for node in inside(function):
            given, reach = (
                arguments(source, node, frame) if isinstance(node, ast.Call) else ([], "")
            )
            if reach in _REACHING and isinstance(node, ast.Call):
                target = _target(source, given, handles, frame)
                if target is not None:
                    yield from _wrong_operation(source, node, given, target)
            if isinstance(node, ast.Call) and "." in frame:
                yield from _beyond_manifest(source, node, handles, frame)
            if isinstance(node, ast.Call) and trap_of(node, frame) in _OF_LINES and node.args:
                yield from _no_line(source, node, handles, frame)
    yield from _unnamed(source)
    yield from _unnotified(source)


def _unfitting(source: Source) -> Iterator[Finding]:
    """Find calls whose arguments the function, or the method of the frame, does not take."""
    for function, frame in with_kept_frames(source):
        for node in inside(function):
            match node:
                case ast.Call(func=ast.Attribute(value=owner, attr=method)) if (
                    is_frame(owner, frame) and method in frame_methods()
                ):
                    if text := misfit(node, frame_methods()[method], bound=1):
                        yield Finding(line=node.lineno, text=f"{frame}.{method} {text}")
                case ast.Call(func=ast.Attribute(value=owner, attr=value)) if (
                    is_frame(owner, frame) and value in frame_attributes()
                ):
                    yield Finding(
                        line=node.lineno,
                        text=f"{frame}.{value} is a value, and no function",
                        next_step=f"{frame}.{value}",
                    )
    yield from _unfitting_own(source)


def _unfitting_own(source: Source) -> Iterator[Finding]:
    """Find calls that a function or class of the service does not take as they are."""
    scopes = (node for node in walk(source.tree) if isinstance(node, ast.Module | Function))
    for scope in scopes:
        for node in inside(scope):
            if not isinstance(node, ast.Call):
                continue
            found = called(source, node, scope)
            if found is None:
                yield from _nothing_taken(source, node)
            elif text := misfit(node, found.function.args, bound=found.bound):
                yield Finding(line=node.lineno, text=f"{ast.unparse(node.func)} {text}")


def _nothing_taken(source: Source, call: ast.Call) -> Iterator[Finding]:
    """Find arguments for an object whose class takes none: it has no `__init__`."""
    made = source.classes.get(call.func.id) if isinstance(call.func, ast.Name) else None
    if made is None or made.bases or made.decorator_list or not (call.args or call.keywords):
        return
    names = [node.name for node in made.body if isinstance(node, Function)]
    if not {"__init__", "__new__"} & set(names):
        yield Finding(
            line=call.lineno,
            text=f"{made.name} takes 0 arguments, and is given {len(call.args or call.keywords)}",
            next_step="def __init__(self, ...) in it",
        )


def misfit(call: ast.Call, taken: ast.arguments, *, bound: int) -> str:
    """Say how arguments differ from what is taken, the empty string if they may fit.

    The first `bound` parameters are given already.
    """
    if any(isinstance(each, ast.Starred) for each in call.args):
        return ""
    if any(each.arg is None for each in call.keywords):
        return ""
    names = [each.arg for each in (*taken.posonlyargs, *taken.args)][bound:]
    keywords = [each.arg for each in call.keywords if each.arg]
    known = [*names, *(each.arg for each in taken.kwonlyargs)]
    if len(call.args) > len(names) and taken.vararg is None:
        return f"takes {len(names)} arguments, and is given {len(call.args)}"
    for keyword in keywords:
        if keyword not in known and taken.kwarg is None:
            return f"has no argument {keyword}: it has {', '.join(known)}"
    needed = names[: len(names) - len(taken.defaults)]
    lacking = [name for name in needed[len(call.args) :] if name not in keywords]
    return f"is not given {', '.join(lacking)}" if lacking else ""


def _handles(source: Source, function: Function, frame: str) -> dict[str, str]:
    """Return the variables of a function that hold a handle, with the capability's name."""
    found: dict[str, str] = {}
    for node in inside(function):
        match node:
            case ast.Assign(targets=[ast.Name(id=variable)], value=value):
                found[variable] = capability(value, frame)
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)):
                for name, value in zip(names, values, strict=False):
                    if isinstance(name, ast.Name):
                        found[name.id] = capability(value, frame)
    return found


def _kept_handles(source: Source, method: Function) -> dict[str, str]:
    """Return the attributes of a method's object that hold a handle, with its name."""
    owner = source.owners.get(method)
    if owner is None or not method.args.args:
        return {}
    found: dict[str, str] = {}
    for other in owner.body:
        if not isinstance(other, Function) or not other.args.args:
            continue
        frames = [source.frame_of(other), f"{other.args.args[0].arg}.{source.kept_frame(owner)}"]
        for node in inside(other):
            match node:
                case ast.Assign(targets=[ast.Attribute(attr=attribute)], value=value):
                    names = [capability(value, frame) for frame in frames if frame]
                    key = f"{method.args.args[0].arg}.{attribute}"
                    found[key] = next((name for name in names if name), "")
    return found


def _named(handle: ast.expr, handles: dict[str, str], frame: str) -> str:
    """Return the name of the capability that an expression is the handle of, "" if unknown."""
    match handle:
        case ast.Name(id=name):
            return handles.get(name, "")
        case ast.Attribute(value=ast.Name(id=owner), attr=attribute):
            return handles.get(f"{owner}.{attribute}", "")
    return capability(handle, frame)


def _beyond_manifest(
    source: Source, call: ast.Call, handles: dict[str, str], frame: str
) -> Iterator[Finding]:
    """Find what an object that keeps the frame asks for, and its manifest does not grant.

    Of a frame that is a variable every build says it: see `code.py`.
    """
    uses = {use.handle: use for use in source.service.uses}
    granted = {*uses, *(line.name for line in source.service.lines)}
    name = capability(call, frame)
    if name and name not in granted:
        yield Finding(
            line=call.lineno,
            text=f"no capability '{name}': name it under [uses] in service.toml",
        )
    trap = trap_of(call, frame)
    if trap in ("call", "send", "notify") and call.args:
        name = _named(call.args[0], handles, frame)
        if name in uses and not uses[name].rights & RIGHTS[trap]:
            yield Finding(
                line=call.lineno,
                text=f"no right to {trap} {name}: the manifest does not give it",
                next_step=f'{name} = ["{trap}"] under [uses]',
            )


def capability(node: ast.AST, frame: str) -> str:
    """Return the name in `task.cap("name")`, the empty string for anything else."""
    match node:
        case ast.Call(
            func=ast.Attribute(value=owner, attr="cap"),
            args=[ast.Constant(value=str(name))],
        ) if is_frame(owner, frame):
            return name
    return ""


def _target(
    source: Source, given: list[ast.expr], handles: dict[str, str], frame: str
) -> Service | None:
    if not given:
        return None
    name = _named(given[0], handles, frame)
    uses = {use.handle: use.target for use in source.service.uses}
    return source.services.get(uses.get(name, ""))


def _no_line(
    source: Source, call: ast.Call, handles: dict[str, str], frame: str
) -> Iterator[Finding]:
    """Find a capability of another service where that of an interrupt line belongs."""
    name = _named(call.args[0], handles, frame)
    lines = [line.name for line in source.service.lines]
    if name in {use.handle for use in source.service.uses} - set(lines):
        yield Finding(
            line=call.lineno,
            text=f"{name} is a service, and {trap_of(call, frame)} takes an interrupt line",
            next_step=f'{frame}.cap("{lines[0]}")' if lines else "a [[line]] in service.toml",
        )


def interface_of(service: Service) -> Interface | None:
    """Return what a service's `api.py` offers, None where it says of no operation what it does."""
    try:
        text = (service.folder / "api.py").read_text(encoding="utf-8")
    except OSError:
        return None
    interface = parse_interface(service.name, text)
    return interface if interface.operations else None


def _wrong_operation(
    source: Source, call: ast.Call, given: list[ast.expr], target: Service
) -> Iterator[Finding]:
    interface = interface_of(target)
    if interface is None or len(given) <= 1:
        return
    is_known, number = source.value(given[1])
    if not is_known or not isinstance(number, int):
        return
    fitting = [one for one in interface.operations if one.number == number]
    if not fitting:
        names = ", ".join(one.name for one in interface.operations)
        yield Finding(
            line=call.lineno,
            text=f"{target.name} has no operation {ast.unparse(given[1])}",
            next_step=f"it has {names}",
        )
        return
    yield from _wrong_shape(call, given, target, fitting[0])


def _wrong_shape(
    call: ast.Call, given: list[ast.expr], target: Service, operation: Operation
) -> Iterator[Finding]:
    if not operation.is_tuple or operation.takes_more or operation.parameters is None:
        return
    if operation.words.partition("->")[0].count("(") > 1:  # there is another way to call it
        return
    value = given[2] if len(given) > 2 else None  # noqa: PLR2004  (handle, operation, value)
    is_lending = isinstance(call.func, ast.Attribute) and call.func.attr != "call"
    if is_lending or not isinstance(value, ast.Tuple):
        return
    if any(isinstance(each, ast.Starred) for each in value.elts):
        return
    if len(value.elts) != len(operation.parameters):
        names = ", ".join(operation.parameters)
        yield Finding(
            line=call.lineno,
            text=f"{target.name}.{operation.name} takes ({names}), not {ast.unparse(value)}",
        )


def _unnotified(source: Source) -> Iterator[Finding]:
    """Find operations that ask a service to notify its caller, and it has no right to."""
    name = source.service.name
    packages = {one.package: one for one in source.services.values()}
    for node in walk(source.tree):
        given = node.args if isinstance(node, ast.Call) else []
        for at, each in enumerate(given):
            if not isinstance(each, ast.Name) or each.id not in source.imported:
                continue
            module, original = source.imported[each.id]
            target = packages.get(module.split(".")[1])
            interface = interface_of(target) if target else None
            asked = [
                one
                for one in (interface.operations if interface else ())
                if one.name == original and "notifies the caller" in one.words
            ]
            if target is None or not asked:
                continue
            yield from _no_bits(source, given[at + 1 :], asked[0])
            rights = [use.rights for use in target.uses if use.target == name]
            if not any(right & RIGHTS["notify"] for right in rights):
                yield Finding(
                    line=each.lineno,
                    text=f"{target.name} has no right to notify {name}, as {original} asks it to",
                    next_step=f'{name} = ["notify"] under [uses] of {target.name}',
                )


def _no_bits(source: Source, given: list[ast.expr], operation: Operation) -> Iterator[Finding]:
    """Find a service that is asked to notify its caller by no bit at all."""
    names = operation.parameters or ()
    match given:
        case [ast.Tuple(elts=values), *_] if len(values) == len(names):
            for name, value in zip(names, values, strict=True):
                if name == "bits" and source.value(value) == (True, 0):
                    yield Finding(
                        line=value.lineno,
                        text=f"{operation.name} by no bit: bits() cannot say why it notifies",
                        next_step="bits are 1, 2, 4, 8, up to 1 << 25",
                    )


def _unnamed(source: Source) -> Iterator[Finding]:
    """Find helpers that are given the name of a capability that the manifest does not grant."""
    granted = {use.handle for use in source.service.uses}
    granted |= {line.name for line in source.service.lines}
    for node in walk(source.tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        function = source.functions.get(node.func.id)
        if function is None:
            continue
        names = [each.arg for each in function.args.args]
        asked = _asked_for(function, source.frame_of(function))
        for parameter, given in zip(names, node.args, strict=False):
            match given:
                case ast.Constant(value=str(name)) if parameter in asked and name not in granted:
                    yield Finding(
                        line=node.lineno,
                        text=f"no capability '{name}': name it under [uses] in service.toml",
                    )


def _asked_for(function: Function, frame: str) -> set[str]:
    """Return the parameters of a function that it asks the frame for as capabilities."""
    found = set()
    for node in inside(function):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id=owner), attr="cap"), args=[ast.Name(id=name)]
            ) if owner == frame:
                found.add(name)
    return found
