"""Text is UTF-8 under any locale: nothing is opened as text without its encoding."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from bulkhead_host.checks.files import python_files
from bulkhead_host.files import read_text
from bulkhead_host.problem import Problem

_FOLDER = "host_tools"
_HINT = "bulkhead_host.files reads and writes text"
_MODE = re.compile(r"[rwaxbt+]+")
# Where functions that open a file take their mode, and the mode without one; `path.open` too.
_OPENERS = {
    "open": (1, "r"),
    "fdopen": (1, "r"),
    "NamedTemporaryFile": (0, "w+b"),
    "TemporaryFile": (0, "w+b"),
    "SpooledTemporaryFile": (1, "w+b"),
}
_TEXT_METHODS = ("read_text", "write_text")
# Whose `open` gives no text: modules, and a serial port.
_OTHERS = ("os", "webbrowser", "tarfile", "port")


def check_text(root: Path) -> list[Problem]:
    """Return each place in the host tools where text would depend on the locale."""
    return [
        Problem(path=file, line=call.lineno, text="text without encoding=", next_step=_HINT)
        for file in python_files(root, _FOLDER)
        for call in _calls(ast.parse(read_text(root / file)))
        if _is_text(call) and not _names_encoding(call)
    ]


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _names_encoding(call: ast.Call) -> bool:
    return any(keyword.arg in ("encoding", None) for keyword in call.keywords)


def _is_text(call: ast.Call) -> bool:
    """Tell whether a call reads or writes text in the encoding of the locale, or of its own."""
    name, owner = _name(call.func)
    if any(
        keyword.arg in ("text", "universal_newlines") and _value(keyword.value) is True
        for keyword in call.keywords
    ):
        return True
    if name in _TEXT_METHODS:
        return owner is not None
    if name == "TextIOWrapper":
        return True
    if name not in _OPENERS or (owner in _OTHERS and name == "open"):
        return False
    place, mode = _OPENERS[name]
    if name == "open" and owner is not None and owner != "io":
        place = 0
        if call.args and not _is_mode(call.args[0]):
            return False  # it opens something else
    given = [keyword.value for keyword in call.keywords if keyword.arg == "mode"]
    given += call.args[place : place + 1]
    return "b" not in (str(_value(given[0])) if given else mode)


def _name(function: ast.expr) -> tuple[str, str | None]:
    """Return the name of a function, and what it is an attribute of, None for nothing."""
    match function:
        case ast.Name(id=name):
            return name, None
        case ast.Attribute(value=ast.Name(id=owner), attr=name):
            return name, owner
        case ast.Attribute(attr=name):
            return name, ""
    return "", None


def _value(node: ast.expr) -> object:
    return node.value if isinstance(node, ast.Constant) else node


def _is_mode(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and bool(_MODE.fullmatch(str(node.value)))
