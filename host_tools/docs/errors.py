"""The reference of exit codes and errors, made of the code that raises and reports them."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bulkhead_host import errors
from bulkhead_host.errors import BulkheadError
from bulkhead_host.files import read_text
from bulkhead_host.paths import source_root
from docs.tables import code, table

_PACKAGE = "host_tools/bulkhead_host"
# What reports a problem, and the place of its text among the arguments.
_REPORTING = {"problem": 1, "add": 2}
_OTHERS = (
    (0, "it did what it was asked"),
    (130, "Ctrl-C ended it before it was done"),
    (141, "what reads its output had gone, as `head` does"),
)


@dataclass(frozen=True, kw_only=True, order=True)
class Message:
    """An error as the code has it, with dots for what varies."""

    kind: str
    cause: str
    next_step: str


def exit_codes_page() -> str:
    """Return the page on exit codes."""
    rows = [[str(number), "", words] for number, words in _OTHERS]
    for kind in classes():
        words = (kind.__doc__ or "").split("\n")[0]
        rows.append([str(kind.exit_code), code(kind.__name__), words])
    rows.sort(key=lambda row: int(row[0]))
    return "\n".join(
        [
            "# Exit codes",
            "",
            "`bulkhead` ends with one of these. A command that prints JSON does so, too.",
            "",
            *table(["code", "raised as", "meaning"], rows),
            "Errors go to standard error: `bulkhead: CAUSE`, and `  try: NEXT STEP` below it.",
            "",
        ]
    )


def messages_page() -> str:
    """Return the page on errors by message."""
    found = sorted(set(messages()))
    lines = [
        "# Errors by message",
        "",
        "Dots stand for what varies. Look for the words that never do.",
        "",
    ]
    for kind in sorted({one.kind for one in found}):
        rows = [[one.cause, one.next_step] for one in found if one.kind == kind]
        lines += [f"## {_title(kind)}", "", *table(["message", "next step"], rows)]
    return "\n".join(lines)


def classes() -> list[type[BulkheadError]]:
    """Return the classes of errors that have an exit code, in the order of their file."""
    return [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, BulkheadError)
    ]


def messages() -> Iterator[Message]:
    """Yield every error that the host tools raise or report."""
    kinds = {kind.__name__ for kind in classes()}
    for path in sorted((source_root() / _PACKAGE).rglob("*.py")):
        yield from messages_of(path, kinds)


def messages_of(path: Path, kinds: set[str]) -> Iterator[Message]:
    """Yield the errors of one file."""
    for function in ast.walk(ast.parse(read_text(path))):
        if not isinstance(function, ast.FunctionDef):
            continue
        texts = _texts(function)
        for node in ast.walk(function):
            if isinstance(node, ast.Call):
                yield from _message(node, texts, kinds)
                yield from _finding(node, texts)


def _finding(call: ast.Call, texts: dict[str, str]) -> Iterator[Message]:
    """Yield what a reader of code finds: its text and its next step have names there."""
    if isinstance(call.func, ast.Name) and call.func.id == "Finding":
        given = {one.arg: _text(one.value, texts) for one in call.keywords}
        if given.get("text", "").strip(". "):
            yield Message(kind="check", cause=given["text"], next_step=given.get("next_step", ""))


def _message(call: ast.Call, texts: dict[str, str], kinds: set[str]) -> Iterator[Message]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    first = 0 if name in kinds else _REPORTING.get(name, -1)
    if first < 0 or len(call.args) <= first:
        return
    kind = name if name in kinds else "check"
    cause = _text(call.args[first], texts)
    rest = call.args[first + 1 :]
    if cause and cause != "...":
        yield Message(kind=kind, cause=cause, next_step=_text(rest[0], texts) if rest else "")


def _texts(function: ast.FunctionDef) -> dict[str, str]:
    """Return the texts that a function gives names to."""
    return {
        target.id: _text(node.value, {})
        for node in ast.walk(function)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _text(node: ast.expr, texts: dict[str, str]) -> str:
    """Return a text of the code, with dots for what varies; nothing for what is no text."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(_text(one, texts) or "..." for one in values)
        case ast.Name(id=name):
            return texts.get(name, "")
        case ast.BinOp(left=left, op=ast.Mod()):
            return _text(left, texts)
    return ""


def _title(kind: str) -> str:
    if kind == "check":
        return "What `bulkhead check` and every build say"
    found = next(one for one in classes() if one.__name__ == kind)
    return f"{kind}: exit code {found.exit_code}"
