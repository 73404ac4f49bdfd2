"""A file of a service as the readers see it: its tree, whose it is, what its names mean."""

import ast
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Any, TypeVar

from bulkhead_host import abi
from bulkhead_host.paths import source_root
from bulkhead_host.system.boards import Board
from bulkhead_host.system.frames import FRAME_NAMES
from bulkhead_host.system.manifest import Service
from bulkhead_host.system.tree import tree_of, walk

NO_TRAPS = frozenset(
    {"accept", "badge", "bits", "caller", "cap", "carry_over", "count", "granted", "name"}
)
"""Methods of the frame that give a value at once: all others give a trap, to be yielded."""

Function = ast.FunctionDef | ast.AsyncFunctionDef
_T = TypeVar("_T", ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
Constant = int | float | str | bytes | None
_OWN_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_INSIDES_KEPT = 4096
_STATUSES = ("OK", "TIMEOUT", "DEAD", "REFUSED")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a reader found: a line, what is wrong there, and what to do."""

    line: int
    text: str
    next_step: str = ""
    is_warning: bool = False


@dataclass(frozen=True, kw_only=True)
class Source:
    """One file of a service. `services` are those of the application, by name."""

    file: Path
    tree: ast.Module
    service: Service
    services: Mapping[str, Service]
    board: Board | None

    @property
    def is_main(self) -> bool:
        """True for the file with `main`."""
        return self.file == self.service.folder / "service.py"

    @cached_property
    def functions(self) -> dict[str, Function]:
        """Functions by the names they have in this file, those that it imports too."""
        return self._defined(ast.FunctionDef) | self._defined(ast.AsyncFunctionDef)

    @cached_property
    def classes(self) -> dict[str, ast.ClassDef]:
        """Classes by the names they have in this file, those that it imports too."""
        return self._defined(ast.ClassDef)

    @cached_property
    def owners(self) -> dict[Function, ast.ClassDef]:
        """The methods of the classes in this file, each with its class."""
        return {
            node: owner
            for owner in self.tree.body
            if isinstance(owner, ast.ClassDef)
            for node in owner.body
            if isinstance(node, Function)
        }

    @cached_property
    def imported(self) -> dict[str, tuple[str, str]]:
        """Names that are imported from services: the module, and the name there."""
        return self._imported_from("services.")

    @cached_property
    def library(self) -> dict[str, tuple[str, str]]:
        """Names that are imported from `bulkhead` or a module of it: that, and the name there."""
        return self._imported_from("bulkhead")

    @cached_property
    def shared(self) -> dict[str, tuple[str, str]]:
        """Names that are imported from the application's `lib`: the module, and the name there."""
        return {
            name: found
            for name, found in self._imported_from("").items()
            if not found[0].startswith(("services.", "bulkhead")) and self._module(found[0])
        }

    @cached_property
    def modules(self) -> dict[str, str]:
        """Names that stand for modules of services, or of `lib`, with the modules."""
        found = {
            alias.asname: alias.name
            for node in walk(self.tree)
            if isinstance(node, ast.Import)
            for alias in node.names
            if alias.asname
        }
        found |= {
            name: f"{module}.{original}"
            for name, (module, original) in self.imported.items()
            if self._module(module) is None
        }
        return {name: module for name, module in found.items() if self._module(module)}

    def function_of(self, module: str, name: str) -> Function | None:
        """Return a function of a module, None where it has none of that name."""
        tree = self._module(module)
        body = tree.body if tree is not None else []
        return next((n for n in body if isinstance(n, Function) and n.name == name), None)

    @property
    def application(self) -> Path:
        """The folder of the application whose manifest the service has."""
        return self.service.manifest.parent.parent

    @cached_property
    def constants(self) -> dict[str, Constant]:
        """The values of names that are bound once, to a constant, in this file or an api."""
        found = dict(_constants_of(self.tree))
        for name, (module, original) in self.library.items():
            if module == "bulkhead" and original in _STATUSES:
                found[name] = getattr(abi, original)
        for name, (module, original) in self.imported.items():
            other = self._module(module)
            if other is not None and original in _constants_of(other):
                found[name] = _constants_of(other)[original]
        return found

    def module_names(self, module: str) -> set[str] | None:
        """Return the names that a module binds, None where it cannot be read.

        The module is one of a service, or of the library.
        """
        tree = self._module(module)
        return None if tree is None else _bound(tree)

    def imported_trees(self) -> list[ast.Module]:
        """Return the modules of services that this file imports from, its own folder's too."""
        modules = {
            node.module or ""
            for node in walk(self.tree)
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("services.")
        }
        trees = [self._module(module) for module in sorted(modules)]
        return [tree for tree in trees if tree is not None]

    def kept_frame(self, owner: ast.ClassDef) -> str:
        """Return the attribute in which objects of a class keep the frame, "" where none does."""
        for node in owner.body:
            frame = self.frame_of(node) if isinstance(node, Function) else ""
            for each in inside(node) if frame else ():
                match each:
                    case ast.Assign(
                        targets=[ast.Attribute(value=ast.Name(), attr=attribute)],
                        value=ast.Name(id=name),
                    ) if name == frame:
                        return attribute
        return ""

    def value(self, node: ast.AST | None) -> tuple[bool, Constant]:
        """Return whether an expression has a value that can be read, and that value."""
        return _value(node, self.constants)

    def frame_of(self, function: Function) -> str:
        """Return what a function calls its frame, the empty string where it has none."""
        return self._named_frame(function) or self._handed_frames.get(function, "")

    def with_frames(self) -> Iterator[tuple[Function, str]]:
        """Yield the functions that have a frame, and what they call it."""
        for node in walk(self.tree):
            if isinstance(node, Function) and self.frame_of(node):
                yield node, self.frame_of(node)

    def _named_frame(self, function: Function) -> str:
        names = parameters(function)
        if function.name == "main" and self.is_main and names:
            return names[0]  # whatever it is called
        return next((name for name in names if name in FRAME_NAMES), "")

    @cached_property
    def _handed_frames(self) -> dict[Function, str]:
        """Functions with a frame of another name, which a call or a function around gives them."""
        found: dict[Function, str] = {}
        functions = (node for node in walk(self.tree) if isinstance(node, Function))
        known = [(one, self._named_frame(one)) for one in functions]
        known = [(one, frame) for one, frame in known if frame]
        for function, frame in known:  # which grows
            for other, name in self._given_by(function, frame):
                if other not in found and not self._named_frame(other):
                    found[other] = name
                    known.append((other, name))
        return found

    def _given_by(self, function: Function, frame: str) -> Iterator[tuple[Function, str]]:
        """Yield the functions that get the frame from one, and what they call it."""
        for node in inside(function):
            match node:
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    if frame not in parameters(node):
                        yield node, frame
                case ast.Call(func=ast.Name(id=name), args=given) if given:
                    other = self.functions.get(name)
                    names = parameters(other) if other else []
                    for parameter, one in zip(names, given, strict=False):
                        if other and isinstance(one, ast.Name) and one.id == frame:
                            yield other, parameter

    def _imported_from(self, start: str) -> dict[str, tuple[str, str]]:
        return {
            alias.asname or alias.name: (node.module or "", alias.name)
            for node in walk(self.tree)
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(start)
            for alias in node.names
        }

    def _defined(self, kind: type[_T]) -> dict[str, _T]:
        """Return what is defined by statements of a kind, here or where it is imported from."""
        found = {node.name: node for node in self.tree.body if isinstance(node, kind)}
        for name, (module, original) in (self.imported | self.library | self.shared).items():
            other = self._module(module)
            for node in other.body if other is not None else ():
                if isinstance(node, kind) and node.name == original:
                    found[name] = node
        return found

    def _module(self, name: str) -> ast.Module | None:
        if name.partition(".")[0] == "bulkhead":
            return _of_library(name)
        if not name.startswith("services."):
            return parsed(self.application.joinpath("lib", *name.split(".")).with_suffix(".py"))
        parts = name.split(".")[1:]
        folders = {one.package: one.folder for one in self.services.values()}
        folder = folders.get(parts[0], source_root() / "services" / parts[0])
        return parsed(folder.joinpath(*parts[1:]).with_suffix(".py"))


def read_sources(
    service: Service, services: Mapping[str, Service], board: Board | None
) -> Iterator[Source]:
    """Yield the files of a service that are Python; an api's too."""
    for file in sorted(service.folder.rglob("*.py")):
        tree = parsed(file)
        if tree is not None and "tests" not in file.relative_to(service.folder).parts:
            yield Source(file=file, tree=tree, service=service, services=services, board=board)


def parsed(file: Path) -> ast.Module | None:
    """Return the tree of a file, None where it is not there or no Python."""
    try:
        return tree_of(file.read_bytes(), file.name)
    except (OSError, SyntaxError, ValueError):
        return None


def parameters(function: Function) -> list[str]:
    """Return the names of the parameters that a call gives by place."""
    return [each.arg for each in (*function.args.posonlyargs, *function.args.args)]


def attributes_read(source: Source) -> Iterator[tuple[ast.Module | Function, ast.Attribute]]:
    """Yield each attribute that is not stored to, with the function or module it stands in."""
    for scope in walk(source.tree):
        if isinstance(scope, ast.Module | Function):
            for node in inside(scope):
                if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Store):
                    yield scope, node


@lru_cache(maxsize=_INSIDES_KEPT)
def inside(node: ast.AST) -> tuple[ast.AST, ...]:
    """Return what is below a node and not in a function or class of its own there."""
    return tuple(_inside(node))


def _inside(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, _OWN_SCOPES):
            yield from _inside(child)


def is_frame(node: ast.AST, frame: str) -> bool:
    """Tell whether an expression is the frame: `task`, or `self.task` where an object keeps it."""
    match node:
        case ast.Name(id=name):
            return name == frame
        case ast.Attribute(value=ast.Name(id=owner), attr=attribute):
            return f"{owner}.{attribute}" == frame
    return False


def trap_of(node: ast.AST | None, frame: str) -> str:
    """Return the name of the trap that a call on the frame makes, the empty string for others."""
    match node:
        case ast.Call(func=ast.Attribute(value=owner, attr=attribute)):
            is_trap = attribute in frame_methods() and attribute not in NO_TRAPS
            return attribute if is_trap and is_frame(owner, frame) else ""
    return ""


def is_generator(function: Function) -> bool:
    """Tell whether a function's call makes a generator or a coroutine."""
    return isinstance(function, ast.AsyncFunctionDef) or any(
        isinstance(node, ast.Yield | ast.YieldFrom) for node in inside(function)
    )


@cache
def _of_library(name: str) -> ast.Module | None:
    """Return a module of the board's library, `bulkhead.asking`, None where there is none."""
    file = source_root().joinpath("firmware", *name.split("."))
    return parsed(file / "__init__.py" if file.is_dir() else file.with_suffix(".py"))


@cache
def frame_methods() -> Mapping[str, ast.arguments]:
    """Return the frame's methods by name, with their parameters."""
    tree = ast.parse((source_root() / "firmware/bulkhead/frame.py").read_bytes())
    frame = next(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "Frame")
    return {
        node.name: node.args
        for node in frame.body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    }


@cache
def frame_attributes() -> frozenset[str]:
    """Return all that a frame has: methods, and what a service may read and set."""
    text = (source_root() / "firmware/bulkhead/frame.py").read_text(encoding="utf-8")
    return frozenset(re.findall(r"self\.([a-z]\w*) =", text)) | frozenset(frame_methods())


def _bound(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.ClassDef(name=name):
                names.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                names.add(name)
            case ast.alias(name=name, asname=other):
                names.add(other or name)
    return names


@cache
def _constants_of(tree: ast.Module) -> Mapping[str, Constant]:
    found: dict[str, Constant] = {}
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                is_known, known = _value(value, found)
                if is_known:
                    found[name] = known
    return found


def _value(node: ast.AST | None, names: Mapping[str, Constant]) -> tuple[bool, Constant]:
    """Return whether a node is a constant, `const(...)` or a name of one, with its value.

    Of sums, products and shifts the value is worked out; of large texts too.
    """
    match node:
        case ast.Constant(value=int() | float() | str() | bytes() | None as value):
            return True, value
        case ast.Name(id=name) if name in names:
            return True, names[name]
        case ast.Call(func=ast.Name(id="const"), args=[inner]):
            return _value(inner, names)
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            is_known, value = _value(inner, names)
            if is_known and isinstance(value, int | float):
                return True, -value
        case ast.BinOp(left=left, op=op, right=right):
            return _worked_out(op, _value(left, names), _value(right, names))
    return False, None


def _worked_out(
    op: ast.operator, left: tuple[bool, Constant], right: tuple[bool, Constant]
) -> tuple[bool, Constant]:
    if not (left[0] and right[0]):
        return False, None
    made = _OPERATORS.get(type(op))
    small = [value for value in (left[1], right[1]) if isinstance(value, int)]
    if made is None or any(abs(value) > _OPERAND_MAX for value in small):
        return False, None
    try:
        return True, made(left[1], right[1])
    except (ArithmeticError, TypeError, ValueError):  # said where it is run
        return False, None


_OPERATORS: Mapping[type[ast.operator], Callable[[Any, Any], Constant]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
    ast.BitOr: operator.or_,
    ast.BitAnd: operator.and_,
}
_OPERAND_MAX = 1 << 20
