"""Traps put together where they are made: a method call less, which costs the Pico 8 us."""

import ast
from collections.abc import Mapping

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
    "start": ("START", 2, (), 0),
}
_LENDING = ("handle", "operation", "buffer", "rights", "arg")


def quicken(source: str, abi: Mapping[str, int]) -> str:
    """Return `source` with the commonest traps put together in place.

    A statement `x = yield sys.call(handle, SET, value)` becomes `sys.arg = value; x = yield handle
    + SET + CALL`, as the method of `bulkhead.Frame` does it, where the operands of the word are
    names or numbers and no other is a trap itself. A trap with a timeout stays what it is. `yield
    sys.recv()` becomes `yield sys.waits`, which a hard driver's frame has another value for. What
    is awaited is yielded then: a coroutine of MicroPython is a generator. `abi` are the constants
    of `kernel.abi`. Lines stay where they are.
    """
    lines = source.split("\n")
    edits: list[tuple[ast.expr, str]] = []
    prefixes: list[tuple[ast.stmt, str]] = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Yield(value=ast.Call() as call) | ast.Await(value=ast.Call() as call) if (
                _method(call) == "recv" and not call.args
            ):
                edits.append(_edit(node, call, "sys.waits"))
            case (
                ast.Expr(value=ast.Yield(value=ast.Call() as call) as trap)
                | ast.Expr(value=ast.Await(value=ast.Call() as call) as trap)
                | ast.Assign([ast.Name()], ast.Yield(value=ast.Call() as call) as trap)
                | ast.Assign([ast.Name()], ast.Await(value=ast.Call() as call) as trap)
            ) if not lines[node.lineno - 1].encode()[: node.col_offset].strip():
                parts = _parts(call, abi)
                if parts:
                    prefixes.append((node, parts[0]))
                    edits.append(_edit(trap, call, parts[1]))
    for replaced, text in sorted(edits, key=lambda edit: _start(edit[0]), reverse=True):
        _replace(lines, replaced, text)
    for statement, text in prefixes:
        _insert(lines, statement.lineno, statement.col_offset, text)
    return "\n".join(lines)


def _method(call: ast.Call) -> str:
    """Return the method's name if this is `sys.method(...)` without keywords, else nothing."""
    match call:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="sys"), attr=method), keywords=[]):
            return method
    return ""


def _edit(node: ast.expr, call: ast.Call, text: str) -> tuple[ast.expr, str]:
    """Return what to replace, and by what: MicroPython's coroutines may yield, as generators."""
    return (node, f"(yield {text})") if isinstance(node, ast.Await) else (call, text)


def _parts(call: ast.Call, abi: Mapping[str, int]) -> tuple[str, str] | None:
    """Return the assignments before a trap and its word; None if it stays a method call."""
    method = _method(call)
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
    if not all(map(_is_plain, word)) or any(map(_has_own_traps, values)):
        return None
    if method.startswith("lease_"):
        offset = word[0].value if isinstance(word[0], ast.Constant) else None
        if not isinstance(offset, int) or not 0 <= offset <= abi["LEASE_OFFSET_MASK"]:
            return None
        word = [ast.Constant(offset << abi["HANDLE_SHIFT"])]
    texts = [ast.unparse(value) for value in values] + ["None"] * optional
    assignments = [f"sys.{n} = {t}; " for n, t in zip(attributes, texts, strict=False)]
    return "".join(assignments), _sum(word, abi[trap])


def _sum(word: list[ast.expr], trap: int) -> str:
    """Return the text of a trap word, its numbers added up."""
    known = trap + sum(part.value for part in word if _is_number(part))  # type: ignore[attr-defined]
    return " + ".join([*(ast.unparse(p) for p in word if not _is_number(p)), str(known)])


def _is_number(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) is int


def _is_plain(node: ast.expr) -> bool:
    """Tell whether what an operand gives cannot depend on when it is looked at."""
    return isinstance(node, ast.Name) or _is_number(node)


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
