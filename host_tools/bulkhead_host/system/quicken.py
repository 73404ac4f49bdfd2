"""Traps with all their operands, sent to the methods of `bulkhead.Frame` that take just those."""

import ast

# Frame methods with a twin that takes all operands but a timeout, and the least and the most
# operands that a call of the method may give then.
_QUICK_AWAITED = {"call": (2, 3), "reply_recv": (1, 2), "recv": (0, 0), "send": (2, 3)}
_QUICK = {
    **_QUICK_AWAITED,
    **{"call_lending": (4, 5), "lease_read": (2, 2), "lease_write": (2, 2)},
}


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


def _end(node: ast.expr) -> tuple[int, int]:
    return node.end_lineno or 1, node.end_col_offset or 0


def _insert(lines: list[str], row: int, column: int, text: str) -> None:
    """Insert `text` at a column, in bytes as `ast` counts, of a line, counted from 1."""
    line = lines[row - 1].encode()
    lines[row - 1] = (line[:column] + text.encode() + line[column:]).decode()
