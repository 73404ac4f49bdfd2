"""Operands of traps that no trap takes, where the source shows what they are.

The board ends a service with a SYSCALL fault for one (`firmware/bulkhead/frame.py`); here it is
found where it is a number, a text, or arithmetic of numbers and of constants of the same file.
"""

import ast
import operator
from collections.abc import Callable, Mapping
from math import isfinite
from pathlib import Path

from bulkhead_host.problem import Report
from bulkhead_host.system.frames import FRAME_NAMES
from bulkhead_host.system.tree import walk

OPERATION_MAX = 191
TIMEOUT_MS_MAX = (1 << 31) - 1
_BITS_MAX = (1 << 26) - 1
_VALUE_BITS_MAX = 256

# Operands by method: place, keyword, what it is.
_OPERANDS: Mapping[str, tuple[tuple[int, str, str], ...]] = {
    "call": ((1, "operation", "operation"), (3, "timeout_ms", "timeout")),
    "recv": ((0, "timeout_ms", "timeout"),),
    "reply": ((0, "status", "status"),),
    "reply_recv": ((0, "status", "status"), (2, "timeout_ms", "timeout")),
    "reply_to": ((1, "status", "status"),),
    "send": ((1, "operation", "operation"), (3, "timeout_ms", "timeout")),
    "notify": ((1, "bits", "bits"),),
    "sleep": ((0, "milliseconds", "pause"),),
    "call_lending": ((1, "operation", "operation"), (5, "timeout_ms", "timeout")),
    "call_granting": ((1, "operation", "operation"), (4, "timeout_ms", "timeout")),
    "reply_granting": ((0, "status", "status"),),
}
_MOST = {
    "operation": OPERATION_MAX,
    "status": OPERATION_MAX,
    "bits": _BITS_MAX,
    "timeout": TIMEOUT_MS_MAX,
    "pause": TIMEOUT_MS_MAX,
}
_ARITHMETIC: Mapping[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.BitOr: operator.or_,
}


class _Unknown(Exception):
    """The source does not show what an expression is."""


def check_operands(tree: ast.Module, file: Path, report: Report) -> None:
    """Report every operand in a file of a service that is out of its range."""
    constants = _constants(tree)
    for node in walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=frame), attr=method)) if (
                frame in FRAME_NAMES and method in _OPERANDS
            ):
                for place, keyword, kind in _OPERANDS[method]:
                    operand = _operand(node, place, keyword)
                    text, step = _wrong(kind, operand, constants) if operand else ("", "")
                    if operand is not None and text:
                        report.add(file, operand.lineno, f"task.{method}: {text}", step)
    if file.name == "api.py":
        _check_interface(tree, file, report)


def _wrong(kind: str, operand: ast.expr, constants: Mapping[str, object]) -> tuple[str, str]:
    """Return what is wrong with an operand and what to do; nothing if it is right, or unknown."""
    try:
        value = _value(operand, constants)
    except _Unknown:
        return "", ""
    if value is None and kind == "timeout":  # the default
        return "", ""
    may_be_negative = kind in ("timeout", "pause")  # which is over at once
    if type(value) is int and value <= _MOST[kind] and (value >= 0 or may_be_negative):
        return "", ""
    step = ""
    if isinstance(value, float) and isfinite(value) and may_be_negative:
        step = f"{round(value * 1000)}, if seconds were meant"
    return f"the {kind} is {value!r:.40}, and has to be {_wanted(kind)}", step


def _wanted(kind: str) -> str:
    unit = " of ms" if kind in ("timeout", "pause") else ""
    return f"a whole number{unit} from 0 to {_MOST[kind]:,}"


def _check_interface(tree: ast.Module, file: Path, report: Report) -> None:
    """Report operations, which the comment behind them tells by an arrow, that no call takes."""
    lines = file.read_text(encoding="utf-8").splitlines()
    constants = _constants(tree)
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)]) if name in constants:
                value = constants[name]
                is_operation = "->" in lines[node.lineno - 1].partition("#")[2]
                if is_operation and not (type(value) is int and 0 <= value <= OPERATION_MAX):
                    text = f"the operation {name} is {value!r:.40}, and has to be "
                    report.add(file, node.lineno, text + _wanted("operation"))


def _operand(call: ast.Call, place: int, keyword: str) -> ast.expr | None:
    before = call.args[: place + 1]
    if len(before) > place and not any(isinstance(one, ast.Starred) for one in before):
        return before[place]
    return next((one.value for one in call.keywords if one.arg == keyword), None)


def _constants(tree: ast.Module) -> dict[str, object]:
    """Return the names that a file binds once, at its top, to what the source shows."""
    found: dict[str, object] = {}
    stores = [
        node.id
        for node in walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    ]
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if stores.count(name) == 1:
                match value:
                    case ast.Call(func=ast.Name(id="const"), args=[value]):
                        pass
                try:
                    found[name] = _value(value, found)
                except _Unknown:
                    continue
    return found


def _value(node: ast.expr, constants: Mapping[str, object]) -> object:
    """Return what an expression is. Raises `_Unknown`."""
    match node:
        case ast.Constant():
            return node.value
        case ast.Name(id=name) if name in constants:
            return constants[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            value = _value(operand, constants)
            if isinstance(value, int | float):
                return -value
        case ast.BinOp(left=left, op=op, right=right):
            first, second = _value(left, constants), _value(right, constants)
            if isinstance(first, int) and isinstance(second, int):
                return _computed(type(op), first, second)
    raise _Unknown


def _computed(op: type[ast.operator], first: int, second: int) -> int:
    """Return what arithmetic gives, of numbers that stay small."""
    if op in (ast.Pow, ast.LShift):
        if not 0 <= second <= _VALUE_BITS_MAX or first.bit_length() > _VALUE_BITS_MAX:
            raise _Unknown
        return int(first**second) if op is ast.Pow else first << second
    if op not in _ARITHMETIC or (op is ast.FloorDiv and second == 0):
        raise _Unknown
    return _ARITHMETIC[op](first, second)
