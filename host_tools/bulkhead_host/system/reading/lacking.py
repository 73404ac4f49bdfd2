"""Names that the board's MicroPython does not have: of modules, classes, texts and the language.

`image_names.json` is what a board has told; `qualify/image_names.py` asks it anew.
"""

import ast
import builtins
import json
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache, lru_cache
from pathlib import Path

from bulkhead_host.files import read_text
from bulkhead_host.system.imports import names_of_modules
from bulkhead_host.system.reading.called import locals_of, values_once
from bulkhead_host.system.reading.source import Finding, Function, Source, attributes_read
from bulkhead_host.system.tree import walk

Names = Mapping[str, Mapping[str, list[str]]]
"""Names by module, each with the names of the class that it is; with none where it is no class."""

NAMES_FILE = Path(__file__).with_name("image_names.json")

_TYPE_NAMES = ("str", "bytes", "bytearray", "list", "dict", "set", "tuple")
_DEEP_MAX = 4  # names that stand for one another
_OWNERS_KEPT = 128
_TYPES = {str: "str", bytes: "bytes", int: "int", float: "float"}
_LITERALS = {
    **{ast.List: "list", ast.ListComp: "list", ast.Dict: "dict", ast.DictComp: "dict"},
    **{ast.Set: "set", ast.SetComp: "set", ast.Tuple: "tuple", ast.JoinedStr: "str"},
}
# What a method of a text gives, where that is one kind whatever it is called on.
_GIVES = {"decode": "str", "format": "str", "encode": "bytes"}
# Names of texts in CPython that objects of others have as well.
_OF_OTHERS = frozenset({"title", "translate", "format_map"})
# Decorators that the compiler knows, and no module has.
_EMITTERS = frozenset(
    f"micropython.{name}"
    for name in ("asm_rv32", "asm_thumb", "asm_xtensa", "bytecode", "native", "viper")
)
_GUARDS = ("ImportError", "AttributeError", "NameError", "Exception")
# What is raised in the place of what CPython has a class of its own for.
_ERRORS = (
    *("BlockingIOError", "BrokenPipeError", "ChildProcessError", "ConnectionError"),
    *("ConnectionAbortedError", "ConnectionRefusedError", "ConnectionResetError"),
    *("EnvironmentError", "FileExistsError", "FileNotFoundError", "IOError", "InterruptedError"),
    *("IsADirectoryError", "NotADirectoryError", "PermissionError", "ProcessLookupError"),
    "TimeoutError",
)


@cache
def names() -> Names:
    """Return what the modules of an image have."""
    found: Names = json.loads(read_text(NAMES_FILE))
    return found


def wrong_lacking(source: Source) -> Iterator[Finding]:
    """Find names that CPython or a person has, and the board has not."""
    if source.board is None or source.board.port != "rp2":
        return  # other ports have other modules, and nobody has asked them
    excused = _excused(source.tree)
    classes = _classes(source)
    found = (*_of_modules(source, classes), *_of_objects(source), *_of_language(source))
    for node, text, has in found:
        if node.lineno not in excused:
            close = get_close_matches(text.rpartition(" ")[2], has, n=1)
            told = next((one for one in has if one.startswith("OSError")), "")
            yield Finding(
                line=node.lineno,
                text=f"{text}: MicroPython on {source.board.name} lacks it",
                next_step=told or (close[0] if close else ""),
            )


_Lack = tuple[ast.stmt | ast.expr, str, list[str]]
"""Where, `OWNER has no NAME`, and what the owner has."""


def _of_modules(source: Source, classes: Mapping[str, str]) -> Iterator[_Lack]:
    """Yield names that are imported, or asked of a module, or of one of its classes."""
    for node in walk(source.tree):
        match node:
            case ast.ImportFrom(module=str(module)) if module in names():
                has = names()[module]
                lacking = (one.name for one in node.names if one.name not in (*has, "*"))
                for name in lacking:
                    yield node, f"{module} has no {name}", sorted(has)
            case ast.Attribute(value=owner, attr=name, ctx=ast.Load()):
                kind = classes.get(_dotted(owner), "")
                if kind and not _has(kind, name):
                    yield node, f"{kind} has no {name}", _names_of(kind)
    for attribute, dotted in names_of_modules(source.tree):
        module, _, name = dotted.rpartition(".")
        is_known = dotted in _EMITTERS or name.startswith("__")
        if module in names() and name not in names()[module] and not is_known:
            yield attribute, f"{module} has no {name}", sorted(names()[module])


def _of_objects(source: Source) -> Iterator[_Lack]:
    """Yield methods of objects, where the text says of what class they are."""
    lacking = _of_texts() - {node.name for node in walk(source.tree) if isinstance(node, Function)}
    kinds = Kinds(source)
    for scope, node in attributes_read(source):
        kind = kinds.of(node.value, scope)
        if kind and not _has(kind, node.attr):
            yield node, f"{kind} has no {node.attr}", _names_of(kind)
        elif not kind and node.attr in lacking and not _is_own(node.value, source):
            yield node, f"str has no {node.attr}", _names_of("str")


def _of_language(source: Source) -> Iterator[_Lack]:
    """Yield builtin names that CPython has."""
    bound = {
        node.id
        for node in walk(source.tree)
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)
    }
    for node in walk(source.tree):
        if isinstance(node, ast.Name) and node.id in _of_cpython() and node.id not in bound:
            instead = ["OSError, whose errno tells which"] if node.id in _ERRORS else []
            yield node, f"the language has no {node.id}", instead or sorted(names()["builtins"])


@cache
def _of_cpython() -> frozenset[str]:
    mine = frozenset(name for name in dir(builtins) if not name.startswith("_"))
    return mine - frozenset(names()["builtins"]) - {"copyright", "credits"}


@cache
def _of_texts() -> frozenset[str]:
    """Return methods of CPython's texts which no class of MicroPython has."""
    had = {name for module in names().values() for has in module.values() for name in has}
    return frozenset(name for name in dir(str) if not name.startswith("_")) - had - _OF_OTHERS


def _classes(source: Source) -> dict[str, str]:
    """Return the classes of modules by what the file calls them: `Pin`, `machine.Pin`."""
    found = {}
    for node in walk(source.tree):
        if isinstance(node, ast.ImportFrom) and node.module in names():
            for alias in node.names:
                if _names_of(f"{node.module}.{alias.name}"):
                    found[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    for attribute, dotted in names_of_modules(source.tree):
        if _names_of(dotted):
            found[_dotted(attribute)] = dotted
    return found


class Kinds:
    """The classes of what the expressions of a file give."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._classes = _classes(source)
        self._deep = 0

    def of(self, node: ast.expr | None, scope: ast.AST) -> str:
        """Return the class of what an expression gives, the empty string where none is evident."""
        match node:
            case ast.IfExp(body=body, orelse=orelse):
                kinds = {self.of(one, scope) for one in (body, orelse)}
                return kinds.pop() if len(kinds) == 1 else ""
            case ast.Name() | ast.Attribute():
                return self._of_bound(node, scope)
            case ast.Call(func=function):
                return self._classes.get(_dotted(function), _given_by(node))
        return _literal(node)

    def _of_bound(self, node: ast.expr, scope: ast.AST) -> str:
        """Return the class of what a name, or an attribute of `self`, is bound to once."""
        made: ast.expr | None = None
        match node:
            case ast.Name(id=name):
                made = values_once(scope).get(name)
                if made is None and name not in locals_of(scope):
                    scope, made = self._source.tree, values_once(self._source.tree).get(name)
            case ast.Attribute(value=ast.Name(id="self"), attr=name):
                owner = self._source.owners.get(scope) if isinstance(scope, Function) else None
                made = _kept(owner).get(name) if owner is not None else None
        if made is None or self._deep >= _DEEP_MAX:
            return ""
        self._deep += 1
        kind = self.of(made, scope)
        self._deep -= 1
        return kind


def _literal(node: ast.expr | None) -> str:
    match node:
        case ast.Constant(value=value):
            return _TYPES.get(type(value), "")
        case ast.BinOp(left=ast.Constant(value=str()), op=ast.Mod()):
            return "str"
    return _LITERALS.get(type(node), "")


def _given_by(call: ast.Call) -> str:
    """Return the class that a call of the language, or of a text in the file itself, gives."""
    match call.func:
        case ast.Name(id=name) if name in _TYPE_NAMES:
            return name
        case ast.Attribute(value=value, attr=method) if _literal(value) in ("str", "bytes"):
            return _GIVES.get(method, "")
    return ""


@lru_cache(maxsize=_OWNERS_KEPT)
def _kept(owner: ast.ClassDef) -> Mapping[str, ast.expr]:
    """Return the attributes that a class binds once, with the value."""
    found: dict[str, ast.expr] = {}
    stored: list[str] = []
    for node in walk(owner):
        match node:
            case ast.Assign(targets=[ast.Attribute(attr=name)], value=value):
                found[name] = value
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            stored.append(node.attr)
    return {name: value for name, value in found.items() if stored.count(name) == 1}


def _names_of(kind: str) -> list[str]:
    module, _, name = kind.rpartition(".")
    return names().get(module or "builtins", {}).get(name, [])


def _has(kind: str, name: str) -> bool:
    return _is_kept(name) or name in _names_of(kind)


def _is_kept(name: str) -> bool:
    """Tell whether a name is of the interpreter: nobody asked the board for those."""
    return name.startswith("__")


def _dotted(node: ast.expr | None) -> str:
    """Return a name, or an attribute of one, as it is written; the empty string for others."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=ast.Name(id=name), attr=attribute):
            return f"{name}.{attribute}"
    return ""


def _is_own(node: ast.expr, source: Source) -> bool:
    """Tell whether a name is what the file imports from others."""
    return isinstance(node, ast.Name) and (
        node.id in source.classes or node.id in source.imported or node.id in source.library
    )


def _excused(tree: ast.Module) -> set[int]:
    """Return the lines that expect a name to be lacking, and those of other languages."""
    found: set[int] = set()
    for node in walk(tree):
        if isinstance(node, ast.Try | ast.FunctionDef | ast.If) and _excuses(node):
            found |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return found


def _excuses(node: ast.Try | ast.FunctionDef | ast.If) -> bool:
    if isinstance(node, ast.Try):
        return any(_guards(one) for one in node.handlers)
    if isinstance(node, ast.If):
        return "hasattr" in ast.unparse(node.test)
    return any("asm_" in ast.unparse(one) for one in node.decorator_list)


def _guards(handler: ast.ExceptHandler) -> bool:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(
        kind is None or (isinstance(kind, ast.Name) and kind.id in _GUARDS) for kind in kinds
    )
