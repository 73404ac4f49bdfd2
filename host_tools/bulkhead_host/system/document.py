"""A TOML file that knows on which line each of its keys stands.

`tomllib` gives values without places. A scanner reads the same text a second time for the lines
alone; it relies on `tomllib` having found the text correct.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bulkhead_host.errors import UsageError
from bulkhead_host.files import NOT_TEXT, SAVE_AS_TEXT, NotText, read_text
from bulkhead_host.problem import Report

# A key from the top of the file: names of tables and keys, indexes in arrays.
Keys = tuple[str | int, ...]

_TOKEN = re.compile(
    r'''(?P<text>"""(?:\\.|[^\\])*?"{3,5}|\'{3}.*?\'{3,5}|"(?:\\.|[^"\\\n])*"|'[^'\n]*')'''
    r"""|(?P<comment>\#[^\n]*)|(?P<newline>\n)|(?P<mark>[\[\]{}=,.])|(?P<space>[^\S\n]+)"""
    r"""|(?P<bare>[^\s\[\]{}=,.\#"']+)""",
    re.DOTALL,
)
_AT_LINE = re.compile(r" ?\(at (?:line (\d+), column \d+|end of document)\)$")


@dataclass(frozen=True, kw_only=True)
class Document:
    """A TOML file: its values, and the line of each key and of each item of an array."""

    path: Path
    values: Mapping[str, Any] = field(default_factory=dict)
    lines: Mapping[Keys, int] = field(default_factory=dict)

    def line(self, *keys: str | int) -> int:
        """Return the line of a key, or of the innermost table around it that is there."""
        for length in range(len(keys), 0, -1):
            if keys[:length] in self.lines:
                return self.lines[keys[:length]]
        return 1


def read_document(path: Path, report: Report) -> Document | None:
    """Return a TOML file; None, and a problem in the report, when it is no TOML.

    Raises UsageError when there is no such file.
    """
    try:
        text = read_text(path)
        return Document(path=path, values=tomllib.loads(text), lines=key_lines(text))
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f"{path} does not exist", "name a folder that holds one") from None
    except NotText as error:
        report.add(path, error.line, NOT_TEXT, SAVE_AS_TEXT)
    except tomllib.TOMLDecodeError as error:
        place = _AT_LINE.search(str(error))
        last = len(text.splitlines())
        line = int(place[1]) if place and place[1] else last
        words = _AT_LINE.sub("", str(error))
        report.add(path, line, f"the TOML is wrong: {words[:1].lower()}{words[1:]}")
    return None


def key_lines(text: str) -> dict[Keys, int]:
    """Return the line of each key, table and array item of a TOML text that is correct."""
    return _Scanner(text).document()


@dataclass(frozen=True, kw_only=True)
class _Token:
    kind: str
    text: str
    line: int


class _Scanner:
    """Walks a TOML text token by token. What holds values is skipped, what names them is kept."""

    def __init__(self, text: str) -> None:
        self._tokens: list[_Token] = []
        self._at = 0
        self._lines: dict[Keys, int] = {}
        self._tables: dict[Keys, int] = {}  # arrays of tables, with how many each has so far
        line = 1
        for match in _TOKEN.finditer(text.replace("\r\n", "\n")):
            kind = str(match.lastgroup)
            if kind not in ("space", "comment"):
                self._tokens.append(_Token(kind=kind, text=match[0], line=line))
            line += match[0].count("\n")
        self._tokens.append(_Token(kind="newline", text="\n", line=line))

    def document(self) -> dict[Keys, int]:
        table: Keys = ()
        while self._at < len(self._tokens):
            token = self._tokens[self._at]
            if token.kind == "newline":
                self._at += 1
            elif token.text == "[":
                table = self._header()
            else:
                self._pair(table)
        return self._lines

    def _header(self) -> Keys:
        line = self._tokens[self._at].line
        is_array = self._tokens[self._at + 1].text == "["
        self._at += 2 if is_array else 1
        name = self._name("]")
        self._at += 2 if is_array else 1
        path: Keys = ()
        for part in name[:-1]:
            path = self._inside((*path, part))
            self._lines.setdefault(path, line)
        path = (*path, name[-1])
        self._lines.setdefault(path, line)
        if is_array:
            self._tables[path] = self._tables.get(path, 0) + 1
            path = self._inside(path)
            self._lines[path] = line
        return path

    def _inside(self, path: Keys) -> Keys:
        """Return the path into the last table of an array of tables, any other path as it is."""
        return (*path, self._tables[path] - 1) if path in self._tables else path

    def _name(self, end: str) -> list[str]:
        """Read a dotted key up to the mark `end`."""
        parts = []
        while self._tokens[self._at].text != end:
            token = self._tokens[self._at]
            if token.kind == "text":
                parts.append(str(tomllib.loads(f"key = {token.text}")["key"]))
            elif token.kind == "bare":
                parts.append(token.text)
            self._at += 1
        return parts

    def _pair(self, table: Keys) -> None:
        line = self._tokens[self._at].line
        path = table
        for part in self._name("="):
            path = (*path, part)
            self._lines.setdefault(path, line)
        self._at += 1
        self._value(path)

    def _value(self, path: Keys) -> None:
        opening = self._tokens[self._at].text
        if opening == "[":
            self._array(path)
        elif opening == "{":
            self._inline_table(path)
        else:
            while self._tokens[self._at].text not in (",", "]", "}", "\n"):
                self._at += 1

    def _array(self, path: Keys) -> None:
        self._at += 1
        index = 0
        while (token := self._tokens[self._at]).text != "]":
            if token.kind == "newline" or token.text == ",":
                self._at += 1
                continue
            self._lines[(*path, index)] = token.line
            self._value((*path, index))
            index += 1
        self._at += 1

    def _inline_table(self, path: Keys) -> None:
        self._at += 1
        while (token := self._tokens[self._at]).text != "}":
            if token.kind == "newline" or token.text == ",":
                self._at += 1
            else:
                self._pair(path)
        self._at += 1
