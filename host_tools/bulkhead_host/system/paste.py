"""Pasting of functions into a hot path: a call costs compiled code 6 us on the Pico."""

import ast
from collections.abc import Collection, Mapping

from bulkhead_host.errors import BulkheadError


def paste(source: str, pasted: Mapping[str, str], without: Collection[str] = ()) -> str:
    """Return `source` with `x = f(a, b)` and `f(a, b)` of `pasted` replaced by the body of `f`.

    So that a hot path reads as functions and costs no calls. `pasted` are the sources of modules
    by name; what `source` imports from them and calls in that form is pasted, if it is compiled.
    A function's parameters are variables of the caller of the same name, and the value of its one
    `return`, at the end and if it has one, is assigned to `x`. What its module imports comes
    along. Lines behind the first of those are not where they were. A call of one in `without`
    is left out.
    """
    lines = source.split("\n")
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.stmt)]
    bodies: dict[str, tuple[ast.FunctionDef, list[str]]] = {}
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and (node.module or "") in pasted:
            functions = _functions(pasted[node.module or ""])
            bodies |= {a.name: functions[a.name] for a in node.names if a.name in functions}
    called = set()
    along: set[str] = {"from micropython import const"} & set(lines)
    for node in sorted(nodes, key=lambda node: node.lineno, reverse=True):
        match node:
            case (
                ast.Assign(value=ast.Call(func=ast.Name(id=name), args=given))
                | ast.Expr(value=ast.Call(func=ast.Name(id=name), args=given))
            ) if name in bodies:
                called.add(name)
                target = ast.unparse(node.targets[0]) if isinstance(node, ast.Assign) else ""
                body = _body(*bodies[name], target, [ast.unparse(argument) for argument in given])
                body = ["pass"] if name in without else body
                indent = " " * node.col_offset
                lines[node.lineno - 1 : node.end_lineno] = [indent + line for line in body]
            case ast.ImportFrom(module=str(module), names=names) if module in pasted:
                kept = [ast.unparse(name) for name in names if name.name not in called]
                kept = [name for name in kept if not name.isupper()]
                gone = len(kept) < len(names)
                statements = [f"from {module} import {', '.join(kept)}"] if kept else []
                if gone:
                    statements += [line for line in _imports(pasted[module]) if line not in along]
                    along.update(statements)
                lines[node.lineno - 1 : node.end_lineno] = ["; ".join(statements)]
    return "\n".join(lines)


def _functions(source: str) -> dict[str, tuple[ast.FunctionDef, list[str]]]:
    """Return a module's compiled functions with the lines of the module."""
    text = source.split("\n")
    return {
        node.name: (node, text)
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef) and node.decorator_list
    }


def _imports(source: str) -> list[str]:
    """Return a module's imports and constants, a statement each."""
    wanted = ast.ImportFrom | ast.Assign
    return [ast.unparse(node) for node in ast.parse(source).body if isinstance(node, wanted)]


def _body(function: ast.FunctionDef, text: list[str], target: str, given: list[str]) -> list[str]:
    """Return the lines of a pasted function's body, without indent, its value in `target`."""
    statements = function.body[1:]  # the first is the docstring
    returns = [node for node in ast.walk(function) if isinstance(node, ast.Return)]
    if target:
        last = statements.pop()
    if returns != ([last] if target else []) or given != [
        argument.arg for argument in function.args.args
    ]:
        raise BulkheadError(
            f"{function.name} (line {function.lineno}) cannot be pasted",
            "end it with its one return, and call it with variables named as its parameters",
        )
    body = text[statements[0].lineno - 1 : statements[-1].end_lineno]
    returned = ast.unparse(returns[0].value or ast.Constant(None)) if target else ""
    ending = [] if returned == target else [f"{target} = {returned}"]
    return [line.removeprefix(" " * statements[0].col_offset) for line in body] + ending
