"""What an expression of a module may stand for, as far as the text tells: read, and not run.

A name stands for all that its scope binds it to, in whatever order: an assignment, a loop over a
row of values, what a call by the function's name passes. None stands for what cannot be read.
"""

import ast
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice

Value = int | str
Bound = tuple[ast.expr | None, "Scope"]
"""An expression with the scope it stands in."""

_FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef
_SCOPES = (
    *(ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef),
    *(ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp),
)
_SAME_ELEMENTS = ("tuple", "list", "set", "sorted", "reversed", "iter")
_ANY, _ANY_VALUE = "any element", "any value"
_UNKNOWN = ast.Name(id="")
_VALUES_MAX = 64
_DEPTH_MAX = 12


class Scope:
    """A module, function, class or comprehension, with what its names are bound to."""

    def __init__(self, above: "Scope | None" = None, *, class_name: str = "") -> None:
        self.above = above
        self.class_name = class_name
        self.bound: dict[str, list[Bound]] = defaultdict(list)
        self.outer: set[str] = set()

    def find(self, name: str) -> list[Bound]:
        """Return what a name may be bound to, as code in this scope finds it."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.bound and (scope is self or not scope.class_name):
                return scope.bound[name]
            scope = scope.above
        return []

    def assign(self, target: ast.expr, value: ast.expr | None, place: "Scope") -> None:
        """Bind the names of a target to what it is given of a value, which stands in `place`."""
        match target:
            case ast.Name(id=name):
                home = self
                while name in home.outer and home.above is not None:
                    home = home.above
                home.bound[name].append((value, place))
            case ast.Tuple(elts=elements) | ast.List(elts=elements):
                for index, element in enumerate(elements):
                    self.assign(element, value and _component(value, index), place)
            case ast.Starred(value=inner):
                self.assign(inner, None, place)


class Module:
    """A module's scopes. `known` are values that names imported from elsewhere have."""

    def __init__(self, tree: ast.Module) -> None:
        self.tree = tree
        self.known: dict[str, Value] = {}
        self.imported: dict[str, str] = {}  # dotted names, by what the module calls them
        self.nodes: list[tuple[ast.AST, Scope]] = []
        self._attributes: dict[str, list[Bound]] = defaultdict(list)  # of any object
        self._called: dict[str, list[tuple[list[str], Scope]]] = defaultdict(list)
        self._inside: dict[ast.AST, Scope] = {}
        self._visit(tree, Scope())
        for node, scope in self.nodes:
            if isinstance(node, ast.Call):
                self._pass(node, scope)

    def take_calls(self, caller: "Module") -> None:
        """Take what another module's calls pass to the functions of this one."""
        self._inside |= caller._inside
        for node, scope in caller.nodes:
            if isinstance(node, ast.Call):
                self._pass(node, scope)

    def _visit(self, node: ast.AST, scope: Scope) -> None:
        self.nodes.append((node, scope))
        self._bind(node, scope)
        inner = scope
        if isinstance(node, _SCOPES):
            inner = Scope(scope, class_name=node.name if isinstance(node, ast.ClassDef) else "")
            self._inside[node] = inner
        if isinstance(node, _FUNCTIONS | ast.Lambda):
            self._take(node, scope, inner)
        for child in ast.iter_child_nodes(node):
            self._visit(child, inner)

    def _bind(self, node: ast.AST, scope: Scope) -> None:
        match node:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    self._assign(target, value, scope)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                self._assign(target, value, scope)
            case ast.NamedExpr(target=target, value=value):
                self._assign(target, value, scope)
            case ast.AugAssign(target=target) | ast.withitem(optional_vars=ast.expr() as target):
                self._assign(target, None, scope)
            case (
                ast.For(target=target, iter=row)
                | ast.AsyncFor(target=target, iter=row)
                | ast.comprehension(target=target, iter=row)
            ):
                self._assign(target, _any_of(row), scope)
            case ast.Global(names=names) | ast.Nonlocal(names=names):
                scope.outer.update(names)
            case _:
                self._import(node)

    def _import(self, node: ast.AST) -> None:
        match node:
            case ast.Import(names=aliases):
                for alias in aliases:
                    first = alias.name.partition(".")[0]
                    self.imported[alias.asname or first] = alias.name if alias.asname else first
            case ast.ImportFrom(module=str(module), names=aliases):
                for alias in aliases:
                    self.imported[alias.asname or alias.name] = f"{module}.{alias.name}"

    def _assign(self, target: ast.expr, value: ast.expr | None, scope: Scope) -> None:
        if isinstance(target, ast.Attribute):
            self._attributes[target.attr].append((value, scope))
        else:
            scope.assign(target, value, scope)

    def _take(self, node: ast.AST, scope: Scope, inner: Scope) -> None:
        """Take note of a function's parameters, with their defaults, and of its name."""
        arguments: ast.arguments = node.args  # type: ignore[attr-defined]
        names = [one.arg for one in (*arguments.posonlyargs, *arguments.args)]
        for one in (*names, *(one.arg for one in arguments.kwonlyargs)):
            inner.bound[one] = []
        defaults = zip(reversed(names), reversed(arguments.defaults), strict=False)
        keywords = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        for name, value in (*defaults, *((one.arg, value) for one, value in keywords)):
            if value is not None:
                inner.bound[name].append((value, scope))
        for rest in (arguments.vararg, arguments.kwarg):
            if rest is not None:
                inner.bound[rest.arg].append((None, scope))
        if isinstance(node, _FUNCTIONS):
            name = scope.class_name if node.name == "__init__" else node.name
            self._called[name].append((names[bool(scope.class_name) :], inner))

    def _pass(self, call: ast.Call, scope: Scope) -> None:
        """Bind what a call passes to the parameters of all that is called so."""
        match call.func:
            case ast.Name(id=name) | ast.Attribute(attr=name):
                functions = self._called.get(name, ())
            case _:
                return
        for names, inner in functions:
            is_known = not any(isinstance(one, ast.Starred) for one in call.args)
            given = call.args if is_known else [None] * len(names)
            for parameter, value in zip(names, given, strict=False):
                inner.bound[parameter].append((value, scope))
            for keyword in call.keywords:
                if keyword.arg in inner.bound:
                    inner.bound[keyword.arg].append((keyword.value, scope))

    def meanings(self, node: ast.expr | None, scope: Scope, depth: int = 0) -> Iterator[Bound]:
        """Yield the expressions that `node` may stand for, instead of names that are bound."""
        found = self._bound_to(node, scope, depth)
        if depth > _DEPTH_MAX:
            yield None, scope
        elif not found:
            yield node, scope
        for one, place in found if depth <= _DEPTH_MAX else ():
            yield from self.meanings(one, place, depth + 1)

    def _bound_to(self, node: ast.expr | None, scope: Scope, depth: int) -> list[Bound]:
        """Return what stands behind a name or another way to say something, nothing if `node`."""
        found: list[Bound] = []
        match node:
            case ast.Name(id=name):
                found = scope.find(name)
            case ast.Attribute(attr=name):
                found = self._attributes.get(name, [])
            case ast.IfExp(body=first, orelse=second):
                found = [(first, scope), (second, scope)]
            case ast.BoolOp(values=values):
                found = [(value, scope) for value in values]
            case ast.NamedExpr(value=inner) | ast.Call(func=ast.Name(id="const"), args=[inner]):
                found = [(inner, scope)]
            case ast.Subscript(value=row, slice=index) if depth <= _DEPTH_MAX:
                for one, place in self.meanings(row, scope, depth + 1):
                    found += self._elements(one, index, place, depth)
        return found

    def _elements(
        self, row: ast.expr | None, index: ast.expr, scope: Scope, depth: int
    ) -> Iterator[Bound]:
        """Yield what an element of a row may be: that of a constant index, or any."""
        wanted = index.value if isinstance(index, ast.Constant) else None
        match row:
            case ast.Tuple(elts=elements) | ast.List(elts=elements) | ast.Set(elts=elements):
                if isinstance(wanted, int) and -len(elements) <= wanted < len(elements):
                    elements = [elements[wanted]]
                yield from ((element, scope) for element in elements)
            case ast.Dict(keys=keys, values=values):
                yield from ((one, scope) for one in (keys if wanted == _ANY else values))
            case ast.ListComp(elt=element) | ast.SetComp(elt=element):
                yield element, self._inside[row]
            case ast.GeneratorExp(elt=element):
                yield element, self._inside[row]
            case ast.Call(func=ast.Name(id="range"), args=bounds):
                yield from ((one, scope) for one in self._range(bounds, scope, depth))
            case ast.Call():
                yield _element_of_call(row, index), scope
            case _:
                yield None, scope

    def _range(self, bounds: list[ast.expr], scope: Scope, depth: int) -> Iterator[ast.expr]:
        known = [self.values(bound, scope, depth + 1) for bound in bounds]
        numbers = [one for values in known for one in values if isinstance(one, int)]
        if len(numbers) != len(bounds) or any(len(values) != 1 for values in known):
            yield _UNKNOWN
        else:
            for number in islice(range(*numbers), _VALUES_MAX):
                yield ast.Constant(value=number)

    def values(self, node: ast.expr | None, scope: Scope, depth: int = 0) -> set[Value | None]:
        """Return the numbers and texts that an expression may be, with None for any other."""
        found: set[Value | None] = set()
        for one, place in self.meanings(node, scope, depth):
            match one:
                case ast.Constant(value=int() | str() as value):
                    found.add(value)
                case ast.Name(id=name) if name in self.known:
                    found.add(self.known[name])
                case ast.BinOp(left=left, op=op, right=right) if depth < _DEPTH_MAX:
                    for first in self.values(left, place, depth + 2):
                        for second in self.values(right, place, depth + 2):
                            found.add(_worked_out(first, op, second))
                case _:
                    found.add(None)
            if len(found) > _VALUES_MAX:
                return {None}
        return found

    def dotted(self, node: ast.expr | None, scope: Scope) -> set[str]:
        """Return the dotted names that an expression may stand for, as they are imported."""
        found = set()
        for one, place in self.meanings(node, scope):
            match one:
                case ast.Name(id=name):
                    found.add(self.imported.get(name, name))
                case ast.Attribute(value=inner, attr=name):
                    found |= {f"{outer}.{name}" for outer in self.dotted(inner, place)}
        return found


def _any_of(row: ast.expr, which: str = _ANY) -> ast.expr:
    """Return what stands for any element of a row, or any key or value of a dictionary."""
    return ast.Subscript(value=row, slice=ast.Constant(value=which))


def _element_of_call(row: ast.Call, index: ast.expr) -> ast.expr | None:
    """Return what stands for an element of what a builtin or a dictionary's method returns."""
    match row:
        case ast.Call(func=ast.Name(id="enumerate"), args=[inner, *_]):
            return ast.Tuple(elts=[_UNKNOWN, _any_of(inner)])
        case ast.Call(func=ast.Name(id="zip"), args=inners):
            return ast.Tuple(elts=[_any_of(inner) for inner in inners])
        case ast.Call(func=ast.Name(id=name), args=[inner, *_]) if name in _SAME_ELEMENTS:
            return ast.Subscript(value=inner, slice=index)
        case ast.Call(func=ast.Attribute(value=inner, attr=name), args=[]):
            key, value = _any_of(inner), _any_of(inner, _ANY_VALUE)
            pair = ast.Tuple(elts=[key, value])
            return {"keys": key, "values": value, "items": pair}.get(name)
    return None


def _component(value: ast.expr, index: int) -> ast.expr:
    """Return what stands for one element of a value that is taken apart."""
    return ast.Subscript(value=value, slice=ast.Constant(value=index))


def _worked_out(first: Value | None, op: ast.operator, second: Value | None) -> Value | None:
    match first, op, second:
        case int(), ast.Add(), int():
            return first + second
        case int(), ast.Sub(), int():
            return first - second
        case int(), ast.Mult(), int():
            return first * second
        case str(), ast.Add(), str():
            return first + second
        case str(), ast.Mod(), int():
            with suppress(TypeError, ValueError):
                return first % second
    return None
