"""Constant folding across modules.

MicroPython folds a `const` only inside the module that defines it; imported, it is a global
object looked up at run time, it takes a word pair of RAM in every module that imports it, and
viper code cannot even add it to a machine word. So before firmware modules are compiled, each
name that a `from kernel.abi import CALL, OK` brings in is replaced by its value wherever it is
used, a number, a `struct` format or a tuple of words, and the import goes; so it does with all
names of a module where `from kernel.layout import *` says which words a file of the kernel speaks
of. Lines stay where they are: line numbers in tracebacks are true.

A package's `__init__.py` keeps the names, as `NAME = value`: importing them is what it is for.

An `import micropython` that only decorators need goes too: the compiler knows them without, and
whoever reads the globals of a function finds no module there. So do names of the user library
that only annotations need, as `Frame`: MicroPython evaluates none, editors do.
"""

import ast
import io
import re
import tokenize
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeGuard

from bulkhead_host.errors import BulkheadError, UsageError
from bulkhead_host.files import read_text
from bulkhead_host.system.paste import Pasted, paste
from bulkhead_host.system.quicken import quicken

# The modules whose constants are folded, by import name.
CONSTANT_MODULES = (
    *("kernel.abi", "kernel.layout", "kernel.limits", "kernel.window"),
    *("bulkhead.terms", "port.rp2_chip", "port.rp2_crash"),
)
# Re-exports constants of `kernel.abi` for services.
USER_LIBRARY = "bulkhead"

_CONSTANT_NAME = re.compile(r"[A-Z][A-Z0-9_]*$")
_SCALED = ("ptr16", "ptr32")
# Functions that are pasted into compiled functions that call them, into all or into these alone;
# each is behind what it calls. What is not on the commonest way of anything costs less as a call.
PASTED: dict[str, dict[str, tuple[str, ...]]] = {
    "kernel.trace": {"note": ()},
    "kernel.ready": {"push_back": ("post",)},
    "kernel.capabilities": {"find": ()},
    "kernel.message": {"arg_at": (), "carry": ()},
    "kernel.timeouts": {"arm": (), "let_go": (), "wait_for": ("call",)},
    "kernel.notifications": {"take_bits": ("post",), "post": ("deliver",)},
    "kernel.mailbox": {"put": ("send",), "advance": (), "take_mail": (), "send": ()},
    "kernel.carried": {"caller_of": (), "copy_known": (), "lease": ()},
    "kernel.ipc": {"take": (), "receive": (), "call": (), "reply_recv": ()},
}
_KERNEL_SIDE = ("kernel/", "port/", "guard/", "bulkhead/")

Constant = int | str | tuple[str, ...]
Constants = Mapping[str, Mapping[str, Constant]]


def constants_of(source: str) -> dict[str, int]:
    """Return the integer constants `NAME = const(expression)` of a module's source."""
    found: dict[str, int] = {}
    for node in ast.parse(source).body:
        match node:
            case ast.Assign(
                targets=[ast.Name(id=name)],
                value=ast.Call(func=ast.Name(id="const"), args=[argument]),
            ):
                expression = compile(ast.Expression(argument), name, "eval")
                value = eval(expression, {"__builtins__": {}}, dict(found))
                if isinstance(value, int):
                    found[name] = value
    return found


def texts_of(source: str) -> dict[str, str | tuple[str, ...]]:
    """Return the constants `NAME = "text"` and `NAME = ("text", ...)` of a module's source."""
    found: dict[str, str | tuple[str, ...]] = {}
    for node in ast.parse(source).body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str(text))):
                found[name] = text
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Tuple(elts=items)):
                found[name] = tuple(str(ast.literal_eval(item)) for item in items)
    return found


def load_constants(firmware: Path) -> dict[str, dict[str, int]]:
    """Return the integer constants of every constant module below the `firmware` folder."""
    tables = {module: constants_of(_source(firmware, module)) for module in CONSTANT_MODULES}
    return tables | {USER_LIBRARY: tables["kernel.abi"]}


def _source(firmware: Path, module: str) -> str:
    return read_text(firmware / (module.replace(".", "/") + ".py"))


def fold(source: str, constants: Constants, *, keep_names: bool = False) -> str:
    """Return `source` with imported constants replaced by their values.

    `keep_names` assigns them instead, so that others can import them from here. Raises
    BulkheadError if an import names what its constant module does not define, or a file that
    imports all constants of a module has another use for the name of one.
    """
    lines = source.split("\n")
    values: dict[str, Constant] = {}
    tree = ast.parse(source)
    for node in tree.body:
        if isinstance(node, ast.Import) and _is_for_decorators(node, tree):
            lines[node.lineno - 1] = ""
    for node in [n for n in tree.body if isinstance(n, ast.ImportFrom)]:
        table = constants.get(node.module or "")
        if table is None:
            continue
        folded, kept = _all(node, table, tree) if _is_star(node) else _split(node, table)
        if node.module == USER_LIBRARY and not keep_names:
            kept = _without_annotating(kept, tree)
        statement = [f"from {node.module} import {', '.join(kept)}"] if kept else []
        if keep_names:
            statement += [f"{name} = {value!r}" for name, value in folded.items()]
        else:
            values |= folded
        _replace(lines, node, "; ".join(statement))
    return _substitute("\n".join(lines), values)


def check_viper(source: str) -> None:
    """Refuse `pointer[name]` in viper code: MicroPython 1.26 compiles it wrong for Thumb.

    With a bare local as the index of a ptr16 or ptr32 the emitter scales the local itself when it
    lives in a register (`ASM_LOAD32_REG_REG_REG` in py/asmthumb.h), so it is wrong from then on.
    An index that is an expression, as in `pointer[name + FIELD]`, is scaled in a copy.
    """
    if "viper" not in source:
        return
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and any(map(_is_viper, node.decorator_list)):
            _check_indexes(node)


def fold_tree(
    files: Mapping[str, Path],
    firmware: Path,
    *,
    is_whole: bool = False,
    without: Collection[str] = (),
    read: Callable[[Path], str] = read_text,
) -> dict[str, bytes]:
    """Fold every file of a frozen tree: {frozen path: source} to {frozen path: folded bytes}.

    Constants are those of the tree's own files, where it has such modules. Where it `is_whole`,
    what is left of the modules of constants is what it imports of them. Of the functions to paste
    those in `without` are left out: to measure what they cost. `read` returns the text of a file.
    """
    places = {module: module.replace(".", "/") + ".py" for module in CONSTANT_MODULES}
    sources = {
        module: read(files.get(place, firmware / place)) for module, place in places.items()
    }
    context = _context(
        tuple(sources.values()),
        tuple((name, read(files[_file(name)])) for name in PASTED if _file(name) in files),
        tuple(without),
    )
    folded = {}
    for name, path in files.items():
        try:
            folded[name] = _folded(name, read(path), context)
        except SyntaxError as error:
            raise UsageError(f"{path}:{error.lineno}: {error.msg}", "correct it there") from None
    _leave_out_pasted(folded)
    kept = _prune(folded) if is_whole else folded
    return {name: source.encode() for name, source in kept.items()}


@dataclass(frozen=True, eq=False, kw_only=True)
class _Context:
    """What folding goes by, beside the file: the same object for the same sources."""

    numbers: Mapping[str, int]
    constants: Constants
    pasted: Mapping[str, Pasted]
    without: tuple[str, ...]


@lru_cache(maxsize=8)
def _context(
    sources: tuple[str, ...], to_paste: tuple[tuple[str, str], ...], without: tuple[str, ...]
) -> _Context:
    """Return what `sources` of CONSTANT_MODULES and PASTED modules make of other files."""
    tables = dict(zip(CONSTANT_MODULES, sources, strict=True))
    constants: dict[str, Mapping[str, Constant]] = {
        module: {**constants_of(source), **texts_of(source)} for module, source in tables.items()
    }
    numbers = constants_of(tables["kernel.abi"])
    constants[USER_LIBRARY] = numbers
    pasted: dict[str, Pasted] = {}
    for module, text in to_paste:
        own = PASTED[module]
        source = paste(fold(text, constants), pasted, without, module=module, own=own)
        pasted[module] = Pasted(source, own)
    return _Context(numbers=numbers, constants=constants, pasted=pasted, without=without)


@lru_cache(maxsize=512)
def _folded(name: str, source: str, context: _Context) -> str:
    """Fold one file. A process that builds again, as tests and `watch` do, folds what changed."""
    source = fold(source, context.constants, keep_names=name == f"{USER_LIBRARY}/__init__.py")
    module = name.removesuffix(".py").replace("/", ".")
    if module in context.pasted:
        source = context.pasted[module].source
    elif name.startswith("kernel/"):
        source = paste(source, context.pasted, context.without, module=module)
    check_viper(source)
    if not name.startswith(_KERNEL_SIDE):
        source = quicken(source, context.numbers)
    return source


def _file(module: str) -> str:
    return module.replace(".", "/") + ".py"


def _leave_out_pasted(folded: dict[str, str]) -> None:
    """Leave out the functions that were pasted wherever they are called."""
    for module, names in reversed(PASTED.items()):
        path = _file(module)
        if path not in folded:
            continue
        imported = {
            name
            for source in folded.values()
            for home, taken in _taken(source)
            for name in taken
            if module in (home, f"{home}.{name}")
        }
        if module.rpartition(".")[2] in imported:
            continue
        tree = ast.parse(folded[path])
        before = len(tree.body)
        for name in reversed(names):
            if name in imported:
                continue
            inside = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
            if name not in inside:
                tree.body = [n for n in tree.body if not (_is_function(n) and n.name == name)]
        if len(tree.body) < before:
            folded[path] = ast.unparse(tree) + "\n"


def _prune(folded: dict[str, str]) -> dict[str, str]:
    """Leave out of the constant modules what nobody imports, now that numbers are folded."""
    wanted: dict[str, set[str]] = {module: set() for module in CONSTANT_MODULES}
    for source in folded.values():
        for module, names in _taken(source):
            if module in wanted:
                wanted[module] |= names
    kept = dict(folded)
    for module, names in wanted.items():
        path = _file(module)
        if path in folded and not any(map(_is_function, ast.parse(folded[path]).body)):
            statements = [
                ast.unparse(node)
                for node in ast.parse(folded[path]).body
                if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in names
            ]
            kept[path] = "\n".join(statements) + "\n"
            if not statements:
                del kept[path]
    return kept


@lru_cache(maxsize=512)
def _taken(source: str) -> list[tuple[str, set[str]]]:
    """Return the modules that a source imports from, with the names."""
    return [
        (node.module or "", {alias.name for alias in node.names})
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom)
    ]


def _is_function(node: ast.stmt) -> TypeGuard[ast.FunctionDef]:
    return isinstance(node, ast.FunctionDef)


def _is_for_decorators(node: ast.Import, tree: ast.Module) -> bool:
    """Tell whether an import is of `micropython`, for nothing but the emitters' decorators."""
    if [alias.name for alias in node.names] != ["micropython"] or node.names[0].asname:
        return False
    uses = sum(isinstance(n, ast.Name) and n.id == "micropython" for n in ast.walk(tree))
    return uses == sum(
        isinstance(decorator, ast.Attribute) and decorator.attr in ("native", "viper")
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        for decorator in function.decorator_list
    )


def _without_annotating(names: list[str], tree: ast.Module) -> list[str]:
    """Return `names` without those that are used, and by annotations alone."""
    annotations: list[ast.expr | None] = []
    for node in ast.walk(tree):
        match node:
            case ast.arg(annotation=found) | ast.AnnAssign(annotation=found):
                annotations.append(found)
            case ast.FunctionDef(returns=found) | ast.AsyncFunctionDef(returns=found):
                annotations.append(found)
    written = [one for one in annotations if one is not None]
    within = {name: sum(_uses(name, one) for one in written) for name in names}
    return [name for name in names if not within[name] or within[name] < _uses(name, tree)]


def _uses(name: str, tree: ast.AST) -> int:
    return sum(isinstance(node, ast.Name) and node.id == name for node in ast.walk(tree))


def _is_viper(decorator: ast.expr) -> bool:
    return isinstance(decorator, ast.Attribute) and decorator.attr == "viper"


def _check_indexes(function: ast.FunctionDef) -> None:
    pointers = {
        argument.arg
        for argument in function.args.args
        if isinstance(argument.annotation, ast.Name) and argument.annotation.id in _SCALED
    }
    for node in ast.walk(function):
        match node:
            case ast.Assign(
                targets=[ast.Name(id=name)], value=ast.Call(func=ast.Name(id=cast))
            ) if cast in _SCALED:
                pointers.add(name)
    for node in ast.walk(function):
        match node:
            case ast.Subscript(value=ast.Name(id=pointer), slice=ast.Name(id=index)) if (
                pointer in pointers and not index.isupper()
            ):
                raise BulkheadError(
                    f"{function.name}: {pointer}[{index}] (line {node.lineno}) is compiled wrong"
                    " by MicroPython's viper emitter for Thumb",
                    f"write {pointer}[{index} + FIELD], with the field's name",
                )


def _split(
    node: ast.ImportFrom, table: Mapping[str, Constant]
) -> tuple[dict[str, Constant], list[str]]:
    """Return the constants an import brings in by the name they get, and its other names."""
    folded = {a.asname or a.name: table[a.name] for a in node.names if a.name in table}
    others = [a for a in node.names if a.name not in table]
    for alias in others:
        if _CONSTANT_NAME.match(alias.name):
            raise BulkheadError(
                f"{node.module} defines no constant {alias.name} (line {node.lineno})",
                "correct the name in the import",
            )
    return folded, [a.name + (f" as {a.asname}" if a.asname else "") for a in others]


def _is_star(node: ast.ImportFrom) -> bool:
    return [alias.name for alias in node.names] == ["*"]


def _all(
    node: ast.ImportFrom, table: Mapping[str, Constant], tree: ast.Module
) -> tuple[dict[str, Constant], list[str]]:
    """Return what `_split` does, of an import of all names; none may mean anything else."""
    for other in ast.walk(tree):
        match other:
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name) if name in table:
                raise BulkheadError(
                    f"{name} (line {other.lineno}) is a constant of {node.module}",
                    "give it another name",
                )
    return dict(table), []


def _replace(lines: list[str], node: ast.ImportFrom, statement: str) -> None:
    first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
    lines[first] = statement
    for index in range(first + 1, last + 1):
        lines[index] = ""


def _substitute(source: str, values: Mapping[str, Constant]) -> str:
    """Replace the names in `values` that are not attributes or keywords of a call."""
    lines = source.split("\n")
    tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    for index in range(len(tokens) - 1, -1, -1):
        token = tokens[index]
        if token.type != tokenize.NAME or token.string not in values:
            continue
        after = tokens[index + 1].string
        if tokens[index - 1].string == "." or after == "=":
            continue
        row, column = token.start
        line = lines[row - 1]
        value = repr(values[token.string])
        lines[row - 1] = line[:column] + value + line[column + len(token.string) :]
    return "\n".join(lines)
