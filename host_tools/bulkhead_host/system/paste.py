"""Pasting of functions into a hot path: a call costs compiled code 6 us on the Pico.

So that a hot path reads as functions and costs no calls. What is pasted means what the call
means, or is refused: its arguments are names or numbers, and it assigns to none of them; its own
variables have no other use in the caller.
"""

import ast
import copy
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bulkhead_host.errors import BulkheadError

_VIPER = frozenset(("ptr", "ptr8", "ptr16", "ptr32", "uint", "int", "micropython", "const"))


_NONE: Mapping[str, Sequence[str]] = {}


@dataclass(frozen=True)
class Pasted:
    """A module, and those of its functions that are pasted where they are called.

    Each is pasted into the functions that it is given with, or into all with none.
    """

    source: str
    names: Mapping[str, Sequence[str]]


def paste(
    source: str,
    pasted: Mapping[str, Pasted],
    without: Collection[str] = (),
    *,
    module: str = "",
    own: Mapping[str, Sequence[str]] = _NONE,
) -> str:
    """Return `source` with `x = f(a, b)` and `f(a, b)` of `pasted` replaced by the body of `f`.

    `pasted` are modules by their names. What `source`, the text of `module`, imports from them or
    has of its `own`, each behind those that it calls, and what its compiled functions call in that
    form, is pasted. The value of the pasted function's one `return`, at the end and if it has one,
    is assigned to `x`. What the body looks up in its module is imported. A call of one in
    `without` is left out. Raises BulkheadError for what would mean something else. Lines are not
    where they were.
    """
    tree = ast.parse(source)
    homes = dict.fromkeys(own, module)
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (home := node.module or "") in pasted:
            names = [alias.name for alias in node.names if alias.asname is None]
            homes |= {name: home for name in names if name in pasted[home].names}
    if not homes:
        return source
    trees = {home: ast.parse(pasted[home].source) for home in homes.values() if home != module}
    only = {name: own[name] for name in own}
    only |= {name: pasted[homes[name]].names[name] for name in homes if homes[name] != module}
    paster = _Paster(homes, {**trees, module: tree}, only, without)
    functions = _functions(tree)
    for name in (*own, *(name for name in functions if name not in own)):
        paster.paste_into(functions[name])
    if not paster.called:
        return source
    along = paster.along(module)
    kept = [node for node in tree.body if not paster.is_for_called_only(node)]
    at = sum(not isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Assign) for node in kept)
    tree.body = kept[:at] + along + kept[at:]
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n"


class _Paster:
    """Pastes into one module; `homes` are the modules of the names that can be."""

    def __init__(
        self,
        homes: Mapping[str, str],
        trees: Mapping[str, ast.Module],
        only: Mapping[str, Sequence[str]],
        without: Collection[str],
    ) -> None:
        self.homes = homes
        self.trees = trees
        self.functions = {name: _functions(trees[home])[name] for name, home in homes.items()}
        self.only = only
        self.without = without
        self.caller = ""
        self.called: set[str] = set()

    def paste_into(self, caller: ast.FunctionDef) -> None:
        """Paste what a compiled function calls."""
        self.caller = caller.name
        calls = {name for node in ast.walk(caller) if (name := self._called(node))}
        used = {node.id for node in ast.walk(caller) if isinstance(node, ast.Name)}
        used |= {argument.arg for argument in caller.args.args}
        for name in calls:
            clash = used & _variables(self.functions[name])
            if clash:
                raise BulkheadError(
                    f"{name} cannot be pasted into {caller.name}: both have {min(clash)}",
                    "give the variable of one of them another name",
                )
        for node in [*ast.walk(caller)] if calls else ():
            for field in ("body", "orelse"):
                statements = getattr(node, field, None)
                if isinstance(statements, list):
                    setattr(node, field, [new for old in statements for new in self._pasted(old)])

    def _called(self, node: ast.AST) -> str:
        match node:
            case (
                ast.Assign(value=ast.Call(func=ast.Name(id=name)))
                | ast.Expr(value=ast.Call(func=ast.Name(id=name)))
            ) if name in self.functions:
                only = self.only[name]
                return name if not only or self.caller in only else ""
        return ""

    def _pasted(self, statement: ast.stmt) -> list[ast.stmt]:
        """Return what stands for a statement."""
        name = self._called(statement)
        if not name or not isinstance(statement, ast.Assign | ast.Expr):
            return [statement]
        self.called.add(name)
        if name in self.without:
            return [ast.Pass()]
        function = self.functions[name]
        call = statement.value
        assert isinstance(call, ast.Call)
        names = [argument.arg for argument in function.args.args]
        returns = [node for node in ast.walk(function) if isinstance(node, ast.Return)]
        last = function.body[-1:] if isinstance(statement, ast.Assign) else []
        simple = all(isinstance(each, ast.Name | ast.Constant) for each in call.args)
        if returns != last or not simple or len(names) != len(call.args):
            raise BulkheadError(
                f"{name} (line {function.lineno}) cannot be pasted (line {statement.lineno})",
                "end it with its one return, and call it with as many names or numbers",
            )
        if set(names) & _variables(function):
            raise BulkheadError(
                f"{name} (line {function.lineno}) cannot be pasted: it assigns to an argument",
                "have it assign to a variable of its own",
            )
        body = copy.deepcopy(function.body[1:])  # the first is the docstring
        if isinstance(statement, ast.Assign):
            body[-1] = ast.Assign(statement.targets, function.body[-1].value)  # type: ignore[attr-defined]
        given = _Given(dict(zip(names, call.args, strict=True)))
        return [new for node in body if not _is_nothing(new := given.visit(node))]

    def is_for_called_only(self, node: ast.stmt) -> bool:
        """Leave out of an import what was pasted; tell whether nothing is left of it."""
        if isinstance(node, ast.ImportFrom) and node.module in self.trees:
            node.names = [alias for alias in node.names if alias.name not in self.called]
            return not node.names
        return False

    def along(self, module: str) -> list[ast.stmt]:
        """Return what the pasted bodies look up in their modules: imports and constants."""
        there = {name: source for name, _, source in _globals(self.trees[module], module)}
        found: dict[str, ast.stmt] = {}
        for name in sorted(self.called - set(self.without)):
            home = self.homes[name]
            looked_up = {n.id for n in ast.walk(self.functions[name]) if isinstance(n, ast.Name)}
            for each, node, origin in _globals(self.trees[home], home):
                if each not in looked_up - _VIPER or each in self.called:
                    continue
                if there.get(each, origin) != origin:
                    raise BulkheadError(
                        f"{each} is something else in {home} than where {name} is pasted",
                        "give one of them another name",
                    )
                if each not in there:
                    found[each] = node
        return sorted(found.values(), key=lambda node: isinstance(node, ast.Assign))


class _Given(ast.NodeTransformer):
    """Puts what a call gives in the place of a function's arguments."""

    def __init__(self, given: Mapping[str, ast.expr]) -> None:
        self.given = given

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return copy.deepcopy(self.given.get(node.id, node))


def _is_nothing(node: ast.AST) -> bool:
    """Tell whether a statement assigns a variable to itself."""
    match node:
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.Name(id=value)):
            return name == value
    return False


def _functions(tree: ast.Module) -> dict[str, ast.FunctionDef]:
    """Return a module's compiled functions by name."""
    nodes = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return {node.name: node for node in nodes if node.decorator_list}


def _variables(function: ast.FunctionDef) -> set[str]:
    """Return the names that a function assigns to."""
    names = [node for node in ast.walk(function) if isinstance(node, ast.Name)]
    return {node.id for node in names if isinstance(node.ctx, ast.Store)}


def _globals(tree: ast.Module, module: str) -> Iterator[tuple[str, ast.stmt, tuple[str, str]]]:
    """Yield the global names of a module, each with a statement that brings it, and its origin."""
    for node in tree.body:
        match node:
            case ast.ImportFrom(module=home, names=names):
                for alias in names:
                    name = alias.asname or alias.name
                    statement = ast.ImportFrom(home, [alias], 0)
                    yield name, statement, (home or "", alias.name)
            case ast.Assign(targets=[ast.Name(id=name)]):
                yield name, node, ("", ast.unparse(node.value))
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                yield name, ast.ImportFrom(module, [ast.alias(name)], 0), (module, name)
