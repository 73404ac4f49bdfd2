"""Constant folding across modules.

MicroPython folds a `const` only inside the module that defines it; imported, it is a global
object looked up at run time, it takes a word pair of RAM in every module that imports it, and
viper code cannot even add it to a machine word. So before firmware modules are compiled, each
name that a `from kernel.abi import CALL, OK` brings in is replaced by its value wherever it is
used, and the import goes. Lines stay where they are: line numbers in tracebacks are true.

A package's `__init__.py` keeps the names, as `NAME = value`: importing them is what it is for.

An `import micropython` that only decorators need goes too: the compiler knows them without, and
whoever reads the globals of a function finds no module there.
"""

import ast
import io
import re
import tokenize
from collections.abc import Mapping
from pathlib import Path

from bulkhead_host.errors import BulkheadError, UsageError

# The modules whose integer constants are folded, by import name.
CONSTANT_MODULES = ("kernel.abi", "kernel.layout", "kernel.limits", "kernel.window")
# Re-exports constants of `kernel.abi` for services.
USER_LIBRARY = "bulkhead"

_CONSTANT_NAME = re.compile(r"[A-Z][A-Z0-9_]*$")
_NOT_FOLDED = ("NAMES", "FORMAT")
_SCALED = ("ptr16", "ptr32")
# Functions of the first are pasted into the second, and it is left out.
PASTED = "kernel/quick.py"
PASTED_INTO = "kernel/dispatch.py"
_KERNEL_SIDE = ("kernel/", "port/", "bulkhead/")
# Frame methods with a twin that takes all operands but a timeout, and the least and the most
# operands that a call of the method may give then.
_QUICK_AWAITED = {"call": (2, 3), "reply_recv": (1, 2), "recv": (0, 0), "send": (2, 3)}
_QUICK = {
    **_QUICK_AWAITED,
    **{"call_lending": (4, 5), "lease_read": (2, 2), "lease_write": (2, 2)},
}

Constants = Mapping[str, Mapping[str, int]]


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


def load_constants(firmware: Path) -> dict[str, dict[str, int]]:
    """Return the constants of every constant module below the `firmware` folder."""
    tables = {
        module: constants_of((firmware / (module.replace(".", "/") + ".py")).read_text())
        for module in CONSTANT_MODULES
    }
    return tables | {USER_LIBRARY: tables["kernel.abi"]}


def fold(source: str, constants: Constants, *, keep_names: bool = False) -> str:
    """Return `source` with imported constants replaced by their values.

    `keep_names` assigns them instead, so that others can import them from here. Raises
    BulkheadError if an import names what its constant module does not define.
    """
    lines = source.split("\n")
    values: dict[str, int] = {}
    tree = ast.parse(source)
    for node in tree.body:
        if isinstance(node, ast.Import) and _is_for_decorators(node, tree):
            lines[node.lineno - 1] = ""
    for node in [n for n in tree.body if isinstance(n, ast.ImportFrom)]:
        table = constants.get(node.module or "")
        if table is None:
            continue
        folded, kept = _split(node, table)
        statement = [f"from {node.module} import {', '.join(kept)}"] if kept else []
        if keep_names:
            statement += [f"{name} = {value}" for name, value in folded.items()]
        else:
            values |= folded
        _replace(lines, node, "; ".join(statement))
    return _substitute("\n".join(lines), values)


def quicken(source: str) -> str:
    """Return `source` with `yield sys.call(...)` and its like going to their quick twins.

    Viper code takes no default arguments and is 4 us faster for it, so a trap whose operands are
    all known, and which gives no timeout, goes to the method of `bulkhead.Frame` that takes just
    those; an `arg` left out is given as None. Lines stay where they are.
    """
    lines = source.split("\n")
    calls = {
        node.value: isinstance(node, ast.Await)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Yield | ast.Await) and isinstance(node.value, ast.Call)
    }
    insertions: list[tuple[int, int, str]] = []
    for call, is_awaited in calls.items():
        match call:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="sys"), attr=method), args=given, keywords=[]
            ) if method in (_QUICK_AWAITED if is_awaited else _QUICK):
                least, most = _QUICK[method]
                starred = any(isinstance(argument, ast.Starred) for argument in given)
                if starred or not least <= len(given) <= most:
                    continue
                if len(given) < most:
                    row, column = _end(given[-1])
                    while lines[row - 1].encode()[column:].startswith(b")"):
                        if (row, column + 1) == _end(call):
                            break
                        column += 1  # of parentheses around the last operand
                    insertions.append((row, column, ", None"))
                row, column = _end(call.func)
                insertions.append((row, column - len(method), "quick_"))
    for row, column, text in sorted(insertions, reverse=True):
        _insert(lines, row, column, text)
    return "\n".join(lines)


def paste(source: str, pasted: str) -> str:
    """Return `source` with each `x = f(a, b)` replaced by the body of the `f` of `pasted`.

    So that a hot path reads as functions and costs no calls. Their parameters are variables of
    the caller of the same name, and the value of the one `return`, at the end, is assigned to
    `x`. The imports of `pasted` take the place of the import of its functions. Lines after the
    first of those are not where they were.
    """
    functions = {
        node.name: node for node in ast.parse(pasted).body if isinstance(node, ast.FunctionDef)
    }
    head = min(node.decorator_list[0].lineno for node in functions.values()) - 1
    text = pasted.split("\n")
    imports = [
        line
        for node in ast.parse("\n".join(text[:head])).body
        if isinstance(node, ast.ImportFrom | ast.Assign)
        for line in text[node.lineno - 1 : node.end_lineno]
    ]
    lines = source.split("\n")
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.stmt)]
    for node in sorted(nodes, key=lambda node: node.lineno, reverse=True):
        match node:
            case ast.ImportFrom(names=names) if any(name.name in functions for name in names):
                lines[node.lineno - 1 : node.end_lineno] = imports
            case ast.Assign(
                targets=[ast.Name(id=target)],
                value=ast.Call(func=ast.Name(id=name), args=given),
            ) if name in functions:
                body = _body(functions[name], text, target, [ast.unparse(a) for a in given])
                indent = " " * node.col_offset
                lines[node.lineno - 1 : node.end_lineno] = [indent + line for line in body]
    return "\n".join(lines)


def check_viper(source: str) -> None:
    """Refuse `pointer[name]` in viper code: MicroPython 1.26 compiles it wrong for Thumb.

    With a bare local as the index of a ptr16 or ptr32 the emitter scales the local itself when it
    lives in a register (`ASM_LOAD32_REG_REG_REG` in py/asmthumb.h), so it is wrong from then on.
    An index that is an expression, as in `pointer[name + FIELD]`, is scaled in a copy.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and any(map(_is_viper, node.decorator_list)):
            _check_indexes(node)


def fold_tree(files: Mapping[str, Path], firmware: Path) -> dict[str, bytes]:
    """Fold every file of a frozen tree: {frozen path: source} to {frozen path: folded bytes}."""
    constants = load_constants(firmware)
    folded = {}
    for name, path in files.items():
        if name == PASTED:
            continue
        is_library = name == f"{USER_LIBRARY}/__init__.py"
        try:
            source = fold(path.read_text(), constants, keep_names=is_library)
        except SyntaxError as error:
            raise UsageError(f"{path}:{error.lineno}: {error.msg}", "correct it there") from None
        if name == PASTED_INTO and PASTED in files:
            source = paste(source, fold(files[PASTED].read_text(), constants))
        check_viper(source)
        if not name.startswith(_KERNEL_SIDE):
            source = quicken(source)
        folded[name] = source.encode()
    return folded


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


def _body(function: ast.FunctionDef, text: list[str], target: str, given: list[str]) -> list[str]:
    """Return the lines of a pasted function's body, without indent, its value in `target`."""
    *statements, last = function.body[1:]  # the first is the docstring
    returns = [node for node in ast.walk(function) if isinstance(node, ast.Return)]
    if returns != [last] or given != [argument.arg for argument in function.args.args]:
        raise BulkheadError(
            f"{function.name} (line {function.lineno}) cannot be pasted",
            "end it with its one return, and call it with variables named as its parameters",
        )
    body = text[statements[0].lineno - 1 : statements[-1].end_lineno]
    returned = ast.unparse(returns[0].value or ast.Constant(None))
    ending = [] if returned == target else [f"{target} = {returned}"]
    return [line.removeprefix(" " * statements[0].col_offset) for line in body] + ending


def _end(node: ast.expr) -> tuple[int, int]:
    return node.end_lineno or 1, node.end_col_offset or 0


def _insert(lines: list[str], row: int, column: int, text: str) -> None:
    """Insert `text` at a column, in bytes as `ast` counts, of a line, counted from 1."""
    line = lines[row - 1].encode()
    lines[row - 1] = (line[:column] + text.encode() + line[column:]).decode()


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


def _split(node: ast.ImportFrom, table: Mapping[str, int]) -> tuple[dict[str, int], list[str]]:
    """Return the constants an import brings in by the name they get, and its other names."""
    folded = {a.asname or a.name: table[a.name] for a in node.names if a.name in table}
    others = [a for a in node.names if a.name not in table]
    for alias in others:
        if _CONSTANT_NAME.match(alias.name) and not alias.name.endswith(_NOT_FOLDED):
            raise BulkheadError(
                f"{node.module} defines no constant {alias.name} (line {node.lineno})",
                "correct the name in the import",
            )
    return folded, [a.name + (f" as {a.asname}" if a.asname else "") for a in others]


def _replace(lines: list[str], node: ast.ImportFrom, statement: str) -> None:
    first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
    lines[first] = statement
    for index in range(first + 1, last + 1):
        lines[index] = ""


def _substitute(source: str, values: Mapping[str, int]) -> str:
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
        value = str(values[token.string])
        lines[row - 1] = line[:column] + value + line[column + len(token.string) :]
    return "\n".join(lines)
