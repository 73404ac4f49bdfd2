"""What takes memory of the heap as it is evaluated, as far as the text tells.

Which expressions do, and which MicroPython folds or does on its stack: `py/compile.c`, `py/vm.c`.
"""

import ast
from collections.abc import Iterator

from bulkhead_host.system.reading.source import Source, inside

_LITERALS = (
    *(ast.JoinedStr, ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp),
    *(ast.GeneratorExp, ast.Lambda, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef),
    *(ast.Import, ast.ImportFrom),
)
_MAKERS = (
    *("bytearray", "bytes", "dict", "float", "list", "print", "range", "set", "str", "tuple"),
    *("bin", "complex", "divmod", "enumerate", "filter", "frozenset", "hex", "iter", "map"),
    *("memoryview", "object", "oct", "repr", "reversed", "sorted", "super", "zip"),
)
_METHODS = (
    *("format", "encode", "decode", "split", "rsplit", "join", "replace", "strip", "lstrip"),
    *("rstrip", "upper", "lower", "append", "extend", "insert", "copy", "to_bytes"),
)
# Functions of modules that give an object that is new each time.
_FUNCTIONS = {
    "struct": ("pack", "unpack", "unpack_from"),
    "time": ("localtime", "gmtime", "mktime", "time", "time_ns"),
    "math": None,
    "json": None,
    "random": ("random", "uniform"),
    "os": None,
}
_SMALL_INT_BITS = 30
"""An int of more bits is an object: of 31 bits one is the sign, of a 32-bit word one the tag."""
_SWAPPED_MAX = 3  # `a, b, c = b, c, a` needs no tuple


def allocations(source: Source, node: ast.AST) -> Iterator[ast.AST]:
    """Yield what allocates in a statement, itself included, and not what is inside of that."""
    yield from _outermost(source, node, _kept_tuples(node))


def _outermost(source: Source, node: ast.AST, kept: set[int]) -> Iterator[ast.AST]:
    is_made = isinstance(node, ast.Tuple) and id(node) not in kept and _is_made(source, node)
    if is_made or _allocates(source, node):
        yield node
    else:
        for child in ast.iter_child_nodes(node):
            yield from _outermost(source, child, kept)


def _kept_tuples(node: ast.AST) -> set[int]:
    """Return the tuples that are none as they run: swaps, what is formatted, what is caught."""
    found: set[int] = set()
    for each in (node, *inside(node)):
        match each:
            case ast.Assign(targets=[ast.Tuple()], value=ast.Tuple(elts=elements) as value):
                if len(elements) <= _SWAPPED_MAX:
                    found.add(id(value))
            case ast.ExceptHandler(type=ast.Tuple() as kinds):
                found.add(id(kinds))
            case ast.BinOp(op=ast.Mod(), right=ast.Tuple() as given):  # said of the text
                found.add(id(given))
    return found


def _is_made(source: Source, made: ast.Tuple) -> bool:
    """Tell whether a tuple is made as it is evaluated: one of constants is there already."""
    if not isinstance(made.ctx, ast.Load) or not made.elts:
        return False
    return not all(source.value(one)[0] for one in made.elts)


def _allocates(source: Source, node: ast.AST) -> bool:
    if isinstance(node, _LITERALS):
        return True
    match node:
        case ast.BinOp(left=left, op=op, right=right):
            return _makes_text(source, left, op, right) or _makes_number(source, left, op, right)
        case ast.AugAssign(op=op, value=right):
            return _makes_text(source, right, op, right) or _makes_number(source, None, op, right)
        case ast.Subscript(slice=ast.Slice(), ctx=ast.Load()):
            return True
        case ast.Call():
            return _makes(source, node)
    return False


def _makes_text(source: Source, left: ast.expr, op: ast.operator, right: ast.expr) -> bool:
    texts = [isinstance(source.value(one)[1], str | bytes) for one in (left, right)]
    if isinstance(op, ast.Mod):
        return texts[0]
    return isinstance(op, ast.Add | ast.Mult) and any(texts)


def _makes_number(
    source: Source, left: ast.expr | None, op: ast.operator, right: ast.expr
) -> bool:
    """Tell whether an operation gives a float, or an int that is too large for a word."""
    if isinstance(op, ast.Div):
        return True
    values = [source.value(one)[1] for one in (left, right) if one is not None]
    if any(isinstance(value, float) for value in values):
        return True
    last = values[-1]
    if isinstance(op, ast.LShift | ast.Pow):
        return isinstance(last, int) and last >= _SMALL_INT_BITS
    if isinstance(op, ast.BitAnd | ast.RShift | ast.FloorDiv | ast.Mod):
        return False  # which make it smaller
    whole = [value for value in values if isinstance(value, int)]
    return any(abs(value) >> _SMALL_INT_BITS for value in whole)


def _makes(source: Source, call: ast.Call) -> bool:
    if any(isinstance(one, ast.Starred) for one in call.args):
        return True
    if any(one.arg is None for one in call.keywords):
        return True
    match call.func:
        case ast.Name(id=name):
            return name in _MAKERS or name in source.classes
        case ast.Attribute(value=ast.Name(id=module), attr=name) if module in _FUNCTIONS:
            functions = _FUNCTIONS[module]
            return functions is None or name in functions
        case ast.Attribute(attr=name):
            return name in _METHODS
    return False
