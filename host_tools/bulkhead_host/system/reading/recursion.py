"""Functions that call themselves each time they are called: the stack ends that."""

import ast
from collections.abc import Iterator, Set

from bulkhead_host.system.reading.source import (
    Finding,
    Function,
    Source,
    inside,
    is_generator,
    parameters,
)
from bulkhead_host.system.tree import walk

_BRANCHES = (
    *(ast.If, ast.While, ast.For, ast.AsyncFor, ast.Try, ast.With, ast.AsyncWith, ast.Match),
    *(ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef),
)
_MAY_BE_LEFT_OUT = (
    *(ast.BoolOp, ast.IfExp, ast.Lambda),
    *(ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp),
)
_LEAVING = (ast.Return, ast.Raise, ast.Break, ast.Continue)


def wrong_recursion(source: Source) -> Iterator[Finding]:
    """Find calls of the function they stand in that no condition guards."""
    classes = (node for node in walk(source.tree) if isinstance(node, ast.ClassDef))
    methods = {node for owner in classes for node in owner.body}
    for function in walk(source.tree):
        if isinstance(function, Function):
            call = _first_call(function, methods)
            if call is not None:
                yield Finding(
                    line=call.lineno,
                    text=f"{function.name} calls itself each time, until the stack is used up",
                    next_step="a loop: while True",
                )


def _first_call(function: Function, methods: Set[ast.stmt]) -> ast.Call | None:
    """Return the call of a function by itself that each call of it reaches."""
    for statement in function.body:
        if isinstance(statement, _BRANCHES):
            if any(isinstance(node, _LEAVING) for node in inside(statement)) or _is_endless(
                statement
            ):
                return None
            continue
        for call in _run(statement, function):
            if _is_own(call, function, methods):
                return call
        if isinstance(statement, _LEAVING):
            return None
    return None


def _is_endless(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.While)


def _run(statement: ast.stmt, function: Function) -> Iterator[ast.Call]:
    """Yield the calls in a simple statement that run what a function like this one has.

    The call of a generator runs nothing of it: who waits for it does.
    """
    is_waited_for = is_generator(function)
    for node in _always(statement):
        match node:
            case ast.Call() if not is_waited_for:
                yield node
            case ast.YieldFrom(value=ast.Call() as call) | ast.Await(value=ast.Call() as call):
                if is_waited_for:
                    yield call


def _always(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what is evaluated whenever a simple statement is."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, _MAY_BE_LEFT_OUT):
            yield from _always(child)


def _is_own(call: ast.Call, function: Function, methods: Set[ast.stmt]) -> bool:
    """Tell whether a call is of the function that it stands in, by its name or its object's."""
    given = parameters(function)
    match call.func:
        case ast.Name(id=name):
            return name == function.name and name not in given and function not in methods
        case ast.Attribute(value=ast.Name(id=one), attr=name):
            return name == function.name and given[:1] == [one] and function in methods
    return False
