"""Python's scopes, as far as firmware uses them: which names are global, and giving others."""

import ast
from collections.abc import Collection, Iterable, Mapping
from itertools import chain, count
from string import ascii_lowercase

from bulkhead_host.errors import BulkheadError

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_SCOPES = (*_FUNCTIONS, *_COMPREHENSIONS, ast.ClassDef)


def keywords_of(tree: ast.AST) -> frozenset[str]:
    """Return the names by which calls in a tree give arguments."""
    return frozenset(
        node.arg for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg
    )


def free_names(node: ast.AST) -> set[str]:
    """Return all names that stand anywhere in a tree: more than the free ones."""
    return {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}


def loaded_names(node: ast.AST) -> set[str]:
    """Return all names whose value is read anywhere in a tree."""
    return {
        inner.id
        for inner in ast.walk(node)
        if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Load)
    }


class Renamer(ast.NodeTransformer):
    """Gives global names their new ones, and arguments letters.

    `scope` tells the new name of each global, or the names below it where it is a module that is
    there no more. No argument named in `keywords` changes, and no local variable is called as one
    of `reserved`. What is used of `scope` is added to `used`.
    """

    def __init__(
        self,
        scope: Mapping[str, str | dict[str, str]],
        keywords: Collection[str],
        reserved: Collection[str],
        used: dict[str, None] | None = None,
    ) -> None:
        self._scope = scope
        self._keywords = keywords
        self._reserved = reserved
        self._used = {} if used is None else used
        self._locals: list[dict[str, str]] = []

    def _new(self, name: str) -> str:
        for names in reversed(self._locals):
            if name in names:
                return names[name]
        new = self._scope.get(name, name)
        if isinstance(new, dict):
            raise BulkheadError(
                f"the module {name} is used otherwise than for its names", "use only these"
            )
        if name in self._scope:
            self._used[new] = None
        return new

    def visit_Name(self, node: ast.Name) -> ast.Name:
        """Rename a variable."""
        node.id = self._new(node.id)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        """Make a name of a module's attribute where the module is there no more."""
        if isinstance(node.value, ast.Name):
            names = self._scope.get(node.value.id)
            is_local = any(node.value.id in names for names in self._locals)
            if isinstance(names, dict) and not is_local:
                self._used[names[node.attr]] = None
                return ast.Name(names[node.attr], node.ctx)
        self.generic_visit(node)
        return node

    def visit_Global(self, node: ast.Global) -> ast.Global:
        """Rename what a function declares to be global."""
        node.names = [self._new(name) for name in node.names]
        return node

    def visit_Nonlocal(self, node: ast.Nonlocal) -> ast.Nonlocal:
        """Rename what a function declares to be an outer one's."""
        node.names = [self._new(name) for name in node.names]
        return node

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.ExceptHandler:
        """Rename a caught exception."""
        if node.name:
            node.name = self._new(node.name)
        self.generic_visit(node)
        return node

    def visit_alias(self, node: ast.alias) -> ast.alias:
        """Have a function's own import give the variable its new name."""
        name = node.asname or node.name
        new = self._new(name) if self._locals else name
        node.asname = new if new != node.name else None
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        """Rename a class; its attributes are not variables of its methods."""
        own = {name: name for name in bound_names(node.body)}
        node.name = self._new(node.name)
        node.bases = [self.visit(base) for base in node.bases]
        body: list[ast.stmt] = []
        for inner in node.body:
            if isinstance(inner, ast.FunctionDef):
                body.append(self._function(inner, inner.name))
            else:
                self._locals.append(own)
                body.append(self.visit(inner))
                self._locals.pop()
        node.body = body
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        """Rename a function and its variables."""
        return self._function(node, self._new(node.name))

    def visit_Lambda(self, node: ast.Lambda) -> ast.Lambda:
        """Rename a lambda's variables."""
        node.args.defaults = [self.visit(default) for default in node.args.defaults]
        self._enter(node, [])
        node.body = self.visit(node.body)
        self._locals.pop()
        return node

    def _function(self, node: ast.FunctionDef, name: str) -> ast.FunctionDef:
        node.name = name
        node.decorator_list = [self.visit(each) for each in node.decorator_list]
        node.args.defaults = [self.visit(default) for default in node.args.defaults]
        if isinstance(node.body[0], ast.Expr) and isinstance(node.body[0].value, ast.Constant):
            node.body = node.body[1:] or [ast.Pass()]
        self._enter(node, node.body)
        node.body = [self.visit(inner) for inner in node.body]
        self._locals.pop()
        return node

    def _enter(self, node: ast.FunctionDef | ast.Lambda, body: list[ast.stmt]) -> None:
        """Give a function's variables their names."""
        declared = {
            name
            for inner in body
            for each in _inside(inner)
            if isinstance(each, ast.Global | ast.Nonlocal)
            for name in each.names
        }
        arguments = all_arguments(node.args)
        names = {argument.arg for argument in arguments} | (bound_names(body) - declared)
        outer = {new for scope in self._locals for new in scope.values()}
        taken = names | outer | set(self._reserved) | free_names(node)
        letters = (c for c in chain(ascii_lowercase, map("v{}".format, count())) if c not in taken)
        new = {
            name: next(letters) if name in self._reserved and name not in self._keywords else name
            for name in sorted(names)
        }
        for argument in arguments:
            if argument.arg not in self._keywords and len(argument.arg) > 1:
                new[argument.arg] = next(letters)
            argument.arg = new[argument.arg]
        self._locals.append(new)

    def _comprehension(self, node: ast.AST) -> ast.AST:
        names = {
            inner.id
            for generator in node.generators  # type: ignore[attr-defined]
            for inner in ast.walk(generator.target)
            if isinstance(inner, ast.Name)
        }
        self._locals.append({name: name for name in names})
        self.generic_visit(node)
        self._locals.pop()
        return node

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension


def source_of(body: Iterable[ast.AST]) -> str:
    """Return the source of statements, for MicroPython to compile as what it was made of.

    `a, b = c, d` makes no tuple there, but `a, b = (c, d)`, as `ast.unparse` has it, does.
    """
    lines = [line for node in body for line in ast.unparse(node).split("\n")]
    for node in ast.walk(ast.parse("\n".join(lines))):
        match node:
            case ast.Assign(targets=[ast.Tuple()], value=ast.Tuple() as value):
                row = value.lineno - 1
                line = lines[row].encode()
                start, end = value.col_offset, value.end_col_offset or 0
                lines[row] = (line[:start] + line[start + 1 : end - 1] + line[end:]).decode()
    return "\n".join(lines) + "\n"


def all_arguments(arguments: ast.arguments) -> list[ast.arg]:
    """Return a function's parameters of every kind."""
    given = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return given + [each for each in (arguments.vararg, arguments.kwarg) if each]


def bound_names(body: list[ast.stmt]) -> set[str]:
    """Return the names that statements bind, those of functions and classes in them aside."""
    names: set[str] = set()
    for statement in body:
        for node in _inside(statement):
            match node:
                case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                    names.add(name)
                case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                    names.add(name)
                case ast.ExceptHandler(name=str(name)):
                    names.add(name)
                case ast.alias(name=name, asname=other):
                    names.add(other or name)
    return names


def _inside(node: ast.AST) -> list[ast.AST]:
    """Return a node and those below it that are of the same scope."""
    found = [node]
    if not isinstance(node, _SCOPES):
        for inner in ast.iter_child_nodes(node):
            found += _inside(inner)
    return found
