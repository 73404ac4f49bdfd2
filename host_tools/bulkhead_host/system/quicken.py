"""Traps put together where they are made: a method call less, which costs the Pico 8 us."""

import ast
from collections.abc import Iterator, Mapping

from bulkhead_host.system.frames import FRAME_NAMES

# What a trap of `bulkhead.Frame` is made of: the operands added up to its word, with the trap's
# number, and the attributes that take the others, which may be left out in the end.
_INLINED = {
    "call": ("CALL", 2, ("arg",), 1),
    "send": ("SEND", 2, ("arg",), 1),
    "reply": ("REPLY", 1, ("arg",), 1),
    "reply_recv": ("REPLY_RECV", 1, ("arg",), 1),
    "call_lending": ("CALL", 3, ("buffer", "arg"), 1),
    "lease_read": ("LEASE_READ", 1, ("buffer",), 0),
    "lease_write": ("LEASE_WRITE", 1, ("buffer",), 0),
    "next_fault": ("NEXT_FAULT", 1, (), 0),
}
# Those that answer somebody and name no capability.
_WITHOUT_HANDLE = ("reply", "reply_recv", "lease_read", "lease_write")
_LENDING = ("handle", "operation", "buffer", "rights", "arg")


def quicken(source: str, abi: Mapping[str, int]) -> str:
    """Return `source` with the commonest traps put together in place.

    A statement `x = yield task.call(handle, SET, value)` becomes `task.arg = value; x = yield
    handle + SET + CALL`, as the method of `bulkhead.Frame` does it, where no other operand is a
    trap itself. The method judges its operands, so it stays where they are not known to be right:
    the handle is a variable that holds nothing but `task.cap("name")` all through its function,
    the rest of the word are numbers in their range. A trap with a timeout stays what it is, too.
    `yield task.recv()` becomes `yield task.waits`, which a hard driver's frame has another value
    for. What is awaited is yielded then: a coroutine of MicroPython is a generator. `abi` are the
    constants of `kernel.abi`. Lines stay where they are.
    """
    lines = source.split("\n")
    edits: list[tuple[ast.expr, str]] = []
    prefixes: list[tuple[ast.stmt, str]] = []
    tree = ast.parse(source)
    tree = _Numbers(_constants(tree)).visit(tree)
    for node, handles in _statements(tree, frozenset()):
        match node:
            case ast.Yield(value=ast.Call() as call) | ast.Await(value=ast.Call() as call) if (
                _method(call)[1] == "recv" and not call.args
            ):
                edits.append(_edit(node, call, f"{_method(call)[0]}.waits"))
            case (
                ast.Expr(value=ast.Yield(value=ast.Call() as call) as trap)
                | ast.Expr(value=ast.Await(value=ast.Call() as call) as trap)
                | ast.Assign([ast.Name()], ast.Yield(value=ast.Call() as call) as trap)
                | ast.Assign([ast.Name()], ast.Await(value=ast.Call() as call) as trap)
            ) if not lines[node.lineno - 1].encode()[: node.col_offset].strip():
                parts = _parts(call, abi, handles)
                if parts:
                    prefixes.append((node, parts[0]))
                    edits.append(_edit(trap, call, parts[1]))
    for replaced, text in sorted(edits, key=lambda edit: _start(edit[0]), reverse=True):
        _replace(lines, replaced, text)
    for statement, text in prefixes:
        _insert(lines, statement.lineno, statement.col_offset, text)
    return "\n".join(lines)


def _constants(tree: ast.Module) -> dict[str, int]:
    """Return the numbers that a module names by `NAME = const(number)`, and by nothing else."""
    found = {}
    for node in tree.body:
        match node:
            case ast.Assign(
                targets=[ast.Name(id=name)],
                value=ast.Call(func=ast.Name(id="const"), args=[ast.Constant(value=int(number))]),
            ):
                found[name] = number
    bound = _bound(tree)
    return {name: number for name, number in found.items() if bound.count(name) == 1}


class _Numbers(ast.NodeTransformer):
    """Puts a number in the place of the name of a constant."""

    def __init__(self, constants: Mapping[str, int]) -> None:
        self._constants = constants

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if isinstance(node.ctx, ast.Load) and node.id in self._constants:
            return ast.copy_location(ast.Constant(self._constants[node.id]), node)
        return node


def _statements(
    scope: ast.AST, handles: frozenset[str]
) -> Iterator[tuple[ast.AST, frozenset[str]]]:
    """Yield every node with the variables of its function that hold a handle from `task.cap`."""
    for node in ast.iter_child_nodes(scope):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from _statements(node, _handles(node))
        else:
            yield node, handles
            yield from _statements(node, handles)


def _handles(function: ast.AST) -> frozenset[str]:
    """Return the variables that are bound in a function, each time by `name = task.cap("...")`."""
    given: list[str] = []
    for node in ast.walk(function):
        match node:
            case ast.Assign(
                targets=[ast.Name(id=name)],
                value=ast.Call(
                    func=ast.Attribute(value=ast.Name(id=frame), attr="cap"),
                    args=[ast.Constant(value=str())],
                ),
            ) if frame in FRAME_NAMES:
                given.append(name)
    bound = _bound(function)
    return frozenset(name for name in given if given.count(name) == bound.count(name))


def _bound(scope: ast.AST) -> list[str]:
    """Return every name that is bound in a scope or in one inside it, as often as it is."""
    bound: list[str] = []
    for node in ast.walk(scope):
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()) | ast.arg(arg=name):
                bound.append(name)
            case ast.Global(names=names) | ast.Nonlocal(names=names):
                bound += names
            case ast.ExceptHandler(name=str(name)) | ast.alias(asname=str(name)):
                bound.append(name)
            case ast.alias(name=name):
                bound.append(name.split(".")[0])
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                bound.append(name)
    return bound


def _method(call: ast.Call) -> tuple[str, str]:
    """Return frame and method of `task.method(...)` without keywords, else two empty texts."""
    match call:
        case ast.Call(func=ast.Attribute(value=ast.Name(id=frame), attr=method), keywords=[]) if (
            frame in FRAME_NAMES
        ):
            return frame, method
    return "", ""


def _edit(node: ast.expr, call: ast.Call, text: str) -> tuple[ast.expr, str]:
    """Return what to replace, and by what: MicroPython's coroutines may yield, as generators."""
    return (node, f"(yield {text})") if isinstance(node, ast.Await) else (call, text)


def _parts(
    call: ast.Call, abi: Mapping[str, int], handles: frozenset[str]
) -> tuple[str, str] | None:
    """Return the assignments before a trap and its word; None if it stays a method call."""
    frame, method = _method(call)
    if method not in _INLINED:
        return None
    trap, added, attributes, optional = _INLINED[method]
    operands = list(call.args)
    if method == "call_lending" and len(operands) > _LENDING.index("rights"):
        operands.insert(2, operands.pop(3))
    least = added + len(attributes) - optional
    if not least <= len(operands) <= least + optional:
        return None
    word, values = operands[:added], operands[added:]
    if any(map(_has_own_traps, values)) or not _is_right(method, word, abi, handles):
        return None
    if method.startswith("lease_"):
        word = [ast.Constant(_number(word[0]) << abi["HANDLE_SHIFT"])]
    texts = [ast.unparse(value) for value in values] + ["None"] * optional
    assignments = [f"{frame}.{n} = {t}; " for n, t in zip(attributes, texts, strict=False)]
    return "".join(assignments), _sum(word, abi[trap])


def _sum(word: list[ast.expr], trap: int) -> str:
    """Return the text of a trap word, its numbers added up."""
    known = trap + sum(part.value for part in word if _is_number(part))  # type: ignore[attr-defined]
    return " + ".join([*(ast.unparse(p) for p in word if not _is_number(p)), str(known)])


def _is_number(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) is int


def _is_right(
    method: str, word: list[ast.expr], abi: Mapping[str, int], handles: frozenset[str]
) -> bool:
    """Tell whether the operands of a trap's word are known to be what the method would take."""
    if method.startswith("lease_"):
        return 0 <= _number(word[0]) <= abi["LEASE_OFFSET_MASK"]
    if method not in _WITHOUT_HANDLE:
        handle, *word = word
        if not (isinstance(handle, ast.Name) and handle.id in handles):
            return False
    rights = (abi["READABLE"], abi["WRITABLE"], abi["READABLE"] | abi["WRITABLE"])
    return all(
        _number(operand) in rights if index else 0 <= _number(operand) < abi["OPERATIONS"]
        for index, operand in enumerate(word)
    )


def _number(node: ast.expr) -> int:
    """Return a whole number in the source, -1 for anything else."""
    is_number = isinstance(node, ast.Constant) and type(node.value) is int
    return node.value if is_number else -1  # type: ignore[attr-defined]


def _has_own_traps(node: ast.expr) -> bool:
    apart = ast.Yield | ast.YieldFrom | ast.Await | ast.NamedExpr | ast.Starred | ast.Lambda
    return any(isinstance(part, apart) for part in ast.walk(node))


def _start(node: ast.expr) -> tuple[int, int]:
    return node.lineno, node.col_offset


def _replace(lines: list[str], node: ast.expr, text: str) -> None:
    """Put `text` in the place of an expression; the lines it took are empty from then on."""
    first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
    rest = lines[last].encode()[node.end_col_offset :].decode()
    lines[first] = lines[first].encode()[: node.col_offset].decode() + text + rest
    for row in range(first + 1, last + 1):
        lines[row] = ""


def _insert(lines: list[str], row: int, column: int, text: str) -> None:
    """Insert `text` at a column, in bytes as `ast` counts, of a line, counted from 1."""
    line = lines[row - 1].encode()
    lines[row - 1] = (line[:column] + text.encode() + line[column:]).decode()
