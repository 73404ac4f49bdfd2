"""What a call in a service's code runs: a function, or a method of an object that it knows."""

import ast
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from bulkhead_host.system.reading.source import (
    Function,
    Source,
    inside,
    is_frame,
    is_generator,
    parameters,
)
from bulkhead_host.system.tree import walk

_ASK = ("bulkhead.asking", "ask")
_FUNCTIONS_KEPT = 512


@dataclass(frozen=True, kw_only=True)
class Called:
    """A function that a call runs. The first `bound` of its parameters are given already."""

    function: Function
    bound: int
    makes_traps: bool


def called(source: Source, call: ast.AST | None, within: ast.AST) -> Called | None:
    """Return what a call in the function `within` runs, None where that cannot be read."""
    match call:
        case ast.Call(func=ast.Name(id=name)) if name in source.functions:
            return _of_function(source, source.functions[name])
        case ast.Call(func=ast.Name(id=name)) if name in source.classes:
            return _of_class(source.classes[name])
        case ast.Call(func=ast.Attribute(value=ast.Name(id=alias), attr=name)) if (
            alias in source.modules and alias not in locals_of(within)
        ):
            return _of_function(source, source.function_of(source.modules[alias], name))
        case ast.Call(func=ast.Attribute(value=owner, attr=name)):
            made = class_of(source, owner, within)
            method = _method(made, name) if made is not None else None
            if made is not None and method is not None:
                has_frame = bool(source.frame_of(method) or source.kept_frame(made))
                return Called(
                    function=method, bound=1, makes_traps=has_frame and is_generator(method)
                )
    return None


def _of_function(source: Source, function: Function | None) -> Called | None:
    if function is None:
        return None
    makes_traps = bool(source.frame_of(function)) and is_generator(function)
    return Called(function=function, bound=0, makes_traps=makes_traps)


def _of_class(made: ast.ClassDef) -> Called | None:
    method = None if made.bases or made.decorator_list else _method(made, "__init__")
    return None if method is None else Called(function=method, bound=1, makes_traps=False)


def objects(source: Source, function: ast.AST) -> dict[str, str]:
    """Return the names that a function binds once, to an object of a class, with the class."""
    once = bound_once(function)
    return {
        name: kind.id
        for name, kind in once.items()
        if isinstance(kind, ast.Name) and kind.id in source.classes
    }


@lru_cache(maxsize=_FUNCTIONS_KEPT)
def values_once(function: ast.AST) -> Mapping[str, ast.expr]:
    """Return the names that a function binds once, by an assignment of their own, with the value.

    A parameter has another value before: it is none of them.
    """
    found: dict[str, ast.expr] = {}
    stores: Counter[str] = Counter(parameters(function) if isinstance(function, Function) else ())
    for node in inside(function):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                found[name] = value
            case ast.Name(id=name, ctx=ast.Store()):
                stores[name] += 1
            case ast.Global(names=names) | ast.Nonlocal(names=names):
                stores.update(names)
    return {name: value for name, value in found.items() if stores[name] == 1}


def bound_once(function: ast.AST) -> Mapping[str, ast.expr]:
    """Return the names that a function binds once, to what a call gives, with what is called."""
    once = values_once(function)
    return {name: one.func for name, one in once.items() if isinstance(one, ast.Call)}


@lru_cache(maxsize=_FUNCTIONS_KEPT)
def locals_of(function: ast.AST) -> frozenset[str]:
    """Return the names that a function binds itself: its parameters, and what it stores."""
    if not isinstance(function, Function):
        return frozenset()
    taken = function.args
    given = (*taken.posonlyargs, *taken.args, *taken.kwonlyargs, taken.vararg, taken.kwarg)
    stores = (node for node in inside(function) if isinstance(node, ast.Name))
    stored = {node.id for node in stores if isinstance(node.ctx, ast.Store)}
    return frozenset(stored | {each.arg for each in given if each is not None})


def class_of(source: Source, owner: ast.expr, within: ast.AST) -> ast.ClassDef | None:
    """Return the class of the object that a method is called on, None where it is not known."""
    own = source.owners.get(within) if isinstance(within, Function) else None
    receiver = ""
    if isinstance(within, Function) and own is not None and within.args.args:
        receiver = "" if _is_static(within) else within.args.args[0].arg
    match owner:
        case ast.Name(id=name) if receiver and name == receiver:
            return own
        case ast.Name(id=name):
            kinds = objects(source, within)
            if name not in locals_of(within):
                kinds = objects(source, source.tree)
            return source.classes.get(kinds.get(name, ""))
        case ast.Attribute(value=ast.Name(id=name), attr=attribute) if own is not None:
            if name == receiver:
                return source.classes.get(_kept(own).get(attribute, ""))
    return None


def _is_static(function: Function) -> bool:
    return any(
        isinstance(each, ast.Name) and each.id == "staticmethod"
        for each in function.decorator_list
    )


@lru_cache(maxsize=_FUNCTIONS_KEPT)
def _kept(owner: ast.ClassDef) -> Mapping[str, str]:
    """Return the attributes that a class binds once, to a new object, with that one's class."""
    found: dict[str, str] = {}
    stores: Counter[str] = Counter()
    for node in walk(owner):
        match node:
            case ast.Attribute(attr=attribute, ctx=ast.Store()):
                stores[attribute] += 1
        match node:
            case ast.Assign(
                targets=[ast.Attribute(value=ast.Name(), attr=attribute)],
                value=ast.Call(func=ast.Name(id=kind)),
            ):
                found[attribute] = kind
    return {attribute: kind for attribute, kind in found.items() if stores[attribute] == 1}


def _method(owner: ast.ClassDef, name: str) -> Function | None:
    """Return a method of a class's own that takes its object first, and is no property."""
    for node in owner.body:
        if isinstance(node, Function) and node.name == name:
            return None if node.decorator_list else node
    return None


def arguments(source: Source, call: ast.Call, frame: str) -> tuple[list[ast.expr], str]:
    """Return handle, operation and value of a call of another service, and what reaches it.

    That is a trap of the frame, or `ask` of the library, which is given the frame first.
    """
    match call.func:
        case ast.Name(id=name) if source.library.get(name) == _ASK:
            is_framed = bool(call.args) and is_frame(call.args[0], frame)
            return (call.args[1:], "ask") if is_framed else ([], "")
        case ast.Attribute(value=owner, attr=trap) if is_frame(owner, frame):
            return call.args, trap
    return [], ""


def with_kept_frames(source: Source) -> Iterator[tuple[Function, str]]:
    """Yield the functions that have a frame or whose object keeps one, and its name in them."""
    yield from source.with_frames()
    for function, owner in source.owners.items():
        frame = source.kept_frame(owner)
        if frame and not source.frame_of(function) and function.args.args:
            yield function, f"{function.args.args[0].arg}.{frame}"
