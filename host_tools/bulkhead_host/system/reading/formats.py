"""Texts that are given another number of values than they show: a TypeError as they are made."""

import ast
import re
from collections.abc import Iterator

from bulkhead_host.system.reading.source import Finding, Source
from bulkhead_host.system.tree import walk

_SHOWN = re.compile(r"%(\([^)]*\))?[#0\- +]*(\*|\d+)?(?:\.(\*|\d+))?[hlL]?(.)?")
_KINDS = frozenset("diouxXeEfFgGcrsab%")
_FIELD = re.compile(r"\{\{|\}\}|\{([^{}!:.\[]*)[^{}]*(?:\{\}[^{}]*)*\}")


def wrong_formats(source: Source) -> Iterator[Finding]:
    """Find `%` and `format` whose values do not fit their text."""
    single = _single_values(source.tree)
    for node in walk(source.tree):
        match node:
            case ast.BinOp(left=left, op=ast.Mod(), right=given):
                is_known, text = source.value(left)
                if is_known and isinstance(text, str | bytes):
                    shown = text if isinstance(text, str) else text.decode("latin-1")
                    yield from _wrong_values(node, shown, given, is_single=id(given) in single)
            case ast.Call(func=ast.Attribute(value=value, attr="format")):
                is_known, text = source.value(value)
                if is_known and isinstance(text, str):
                    yield from _wrong_fields(node, text)


def _wrong_values(
    node: ast.BinOp, text: str, given: ast.expr, *, is_single: bool
) -> Iterator[Finding]:
    wanted = 0
    for match in _SHOWN.finditer(text):
        name, width, places, kind = match.groups()
        if name:
            return  # of a dict
        if kind is None or kind not in _KINDS:
            yield Finding(
                line=node.lineno,
                text=f"%{kind or ''} of '{_short(text)}' is no way to show a value",
                next_step="%d, %s, %r, %x, %.1f; %% for the sign",
            )
            return
        wanted += 0 if kind == "%" else 1
        wanted += (width == "*") + (places == "*")
    count = 1 if is_single else _count(given)
    if count is not None and count != wanted:
        yield Finding(
            line=node.lineno,
            text=f"'{_short(text)}' shows {wanted} values, and is given {count}",
            next_step="one value for each, several as a tuple: % (a, b)",
        )
    elif count is None and wanted == 0:
        yield Finding(
            line=node.lineno,
            text=f"'{_short(text)}' shows no value, and is given one",
            next_step="%s in it, or leave the value out",
        )


def _single_values(tree: ast.Module) -> set[int]:
    """Return the names in branches for which a test has told that they are no tuple."""
    found: set[int] = set()
    for node in walk(tree):
        if not isinstance(node, ast.If):
            continue
        tested = {name for one in walk(node.test) if (name := _tested(one))}
        if tested and not any(isinstance(one, ast.Or | ast.Not) for one in walk(node.test)):
            inner = (each for one in node.body for each in walk(one))
            found |= {id(each) for each in inner if getattr(each, "id", "") in tested}
    return found


def _tested(node: ast.AST) -> str:
    match node:
        case ast.Compare(
            left=ast.Call(func=ast.Name(id="type"), args=[ast.Name(id=name)]),
            ops=[ast.Is() | ast.Eq()],
            comparators=[ast.Name(id=kind)],
        ) if kind != "tuple":
            return name
        case ast.Call(func=ast.Name(id="isinstance"), args=[ast.Name(id=name), ast.Name(id=kind)]):
            return name if kind in ("int", "float", "str", "bytes") else ""
    return ""


def _count(given: ast.expr) -> int | None:
    """Return how many values a right side gives, None where it may be a tuple of any length.

    A name may be bound to a tuple. What counts, joins or compares is no tuple.
    """
    match given:
        case ast.Tuple(elts=elements):
            is_open = any(isinstance(one, ast.Starred) for one in elements)
            return None if is_open else len(elements)
        case ast.Constant() | ast.JoinedStr() | ast.Compare() | ast.UnaryOp():
            return 1
        case ast.Call(
            func=ast.Name(id="len" | "str" | "int" | "float" | "repr" | "abs" | "round")
        ):
            return 1
        case ast.BinOp(op=ast.Sub() | ast.Div() | ast.FloorDiv() | ast.LShift() | ast.BitAnd()):
            return 1
    return None


def _wrong_fields(node: ast.Call, text: str) -> Iterator[Finding]:
    if any(isinstance(one, ast.Starred) for one in node.args):
        return
    if any(one.arg is None for one in node.keywords):
        return
    names = [match[1] for match in _FIELD.finditer(text) if match[1] is not None]
    numbers = [int(name) for name in names if name.isdigit()]
    wanted = max([*(number + 1 for number in numbers), sum(not name for name in names)], default=0)
    lacking = {name for name in names if name and not name.isdigit()}
    lacking -= {str(one.arg) for one in node.keywords}
    if wanted > len(node.args):
        yield Finding(
            line=node.lineno,
            text=f"'{_short(text)}' shows {wanted} values, and is given {len(node.args)}",
            next_step="one value for each pair of braces",
        )
    elif lacking:
        yield Finding(
            line=node.lineno,
            text=f"'{_short(text)}' is not given {', '.join(sorted(lacking))}",
        )


_TEXT_MAX = 40


def _short(text: str) -> str:
    shown = repr(text)[1:-1]
    return shown if len(shown) <= _TEXT_MAX else f"{shown[: _TEXT_MAX - 3]}..."
