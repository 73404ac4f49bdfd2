"""Pins that a package drives which a service names: by a number of its own, or handed a number.

Looked at is what the service reaches, by the names that its code speaks of and that what they lead
to speaks of: what else a package can do is not done. A default counts where a call leaves the
argument to it; of what is called in other ways nothing is told.
"""

import ast
import copy
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from bulkhead_host.files import NotText, python_files, read_text
from bulkhead_host.system.boards import Board
from bulkhead_host.system.driven import Driven, driven_pins
from bulkhead_host.system.manifest import Application, Service
from bulkhead_host.system.possible import Module
from bulkhead_host.system.tree import tree_of

Trees = Mapping[Path, ast.Module]

_Function = ast.FunctionDef | ast.AsyncFunctionDef
_Inside = TypeVar("_Inside", ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def packages_of(application: Application, service: Service) -> dict[str, Path]:
    """Return the packages of an application that a service names, each a file or a folder."""
    named = {module.partition(".")[0] for module in service.modules}
    return {name: path for name, path in application.packages if name in named}


def driven_by_package(path: Path, service: Service, board: Board) -> Iterator[tuple[Path, Driven]]:
    """Yield what a package drives as the service uses it, with the file that does it."""
    own = _trees(python_files(service.folder))
    files = [path] if path.is_file() else python_files(path)
    reached = _reached(_trees(files), own.values())
    trees = (*own.values(), *reached.values())
    defaults = _Defaults(_calls(trees))
    for tree in reached.values():
        defaults.visit(tree)
    callers = [Module(tree) for tree in trees]
    folder = None if path.is_file() else path
    for file, tree in reached.items():
        others = [one for one in callers if one.tree is not tree]
        for found in driven_pins(tree, board, folder, others):
            yield file, found


def _trees(files: Iterable[Path]) -> dict[Path, ast.Module]:
    """Return the trees of files, without those that others report as no Python."""
    found = {}
    for file in files:
        try:
            found[file] = tree_of(read_text(file), file.name)
        except (NotText, SyntaxError, ValueError):
            continue
    return found


def _reached(package: Trees, users: Iterable[ast.Module]) -> dict[Path, ast.Module]:
    """Return what is reached of a package's files, each with nothing in what is not."""
    names = {name for tree in users for name in _names(tree)}
    before = -1
    found: dict[Path, ast.Module] = {}
    while len(names) > before:
        before = len(names)
        for file, tree in package.items():
            stem = file.parent.name if file.stem == "__init__" else file.stem
            if stem in names:
                found[file] = _Reached(names).visit(copy.deepcopy(tree))
                names |= set(_names(found[file]))
    return found


def _names(tree: ast.Module) -> Iterator[str]:
    """Yield each name that a module speaks of, and each part of what it imports."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name):
                yield name
            case ast.Import(names=aliases):
                for alias in aliases:
                    yield from alias.name.split(".")
            case ast.ImportFrom(module=module, names=aliases):
                yield from (module or "").split(".")
                yield from (alias.name for alias in aliases)


class _Functions(ast.NodeTransformer, ABC):
    """Goes through the functions of a module; `of` is the class that one is a method of."""

    of = ""

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        """Go through the methods."""
        return self._inside(node, node.name)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        """Look at a function, and at those in it."""
        self.look(node)
        return self._inside(node, "")

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AsyncFunctionDef:
        """Look at a function, and at those in it."""
        self.look(node)
        return self._inside(node, "")

    @abstractmethod
    def look(self, node: _Function) -> None:
        """Change one function."""

    def _inside(self, node: _Inside, name: str) -> _Inside:
        outer, self.of = self.of, name
        self.generic_visit(node)
        self.of = outer
        return node


class _Reached(_Functions):
    """Takes away the bodies of functions that no name leads to."""

    def __init__(self, names: set[str]) -> None:
        self._names = names

    def look(self, node: _Function) -> None:
        """Take the body away, unless it is reached."""
        is_called = node.name in self._names or (self.of and node.name.startswith("__"))
        if not is_called or (self.of and self.of not in self._names):
            node.body = [ast.Pass()]


def _calls(trees: Iterable[ast.Module]) -> dict[str, list[ast.Call]]:
    """Return the calls there are by what is called, the last part of its name."""
    found: dict[str, list[ast.Call]] = {}
    for tree in trees:
        for node in ast.walk(tree):
            match node:
                case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
                    found.setdefault(name, []).append(node)
    return found


class _Defaults(_Functions):
    """Takes away the defaults of parameters that no call leaves to them."""

    def __init__(self, calls: Mapping[str, list[ast.Call]]) -> None:
        self._calls = calls

    def look(self, node: _Function) -> None:
        """Put what nobody can tell in the place of each default that is not used."""
        calls = self._calls.get(self.of if node.name == "__init__" else node.name, ())
        names = [one.arg for one in (*node.args.posonlyargs, *node.args.args)]
        first = len(names) - len(node.args.defaults)
        is_bound = bool(self.of)
        for index in range(first, len(names)):
            if not any(_leaves(call, index - is_bound, names[index]) for call in calls):
                node.args.defaults[index - first] = ast.Name(id="")
        for index, one in enumerate(node.args.kwonlyargs):
            if not any(_leaves(call, len(call.args), one.arg) for call in calls):
                node.args.kw_defaults[index] = None


def _leaves(call: ast.Call, index: int, name: str) -> bool:
    """Tell whether a call leaves a parameter to its default, as far as its text tells."""
    is_open = any(isinstance(one, ast.Starred) for one in call.args)
    is_open |= any(one.arg is None for one in call.keywords)
    given = any(one.arg == name for one in call.keywords)
    return not is_open and not given and len(call.args) <= index
