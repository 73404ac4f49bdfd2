"""Reading TOML values: what is wrong is reported with its line, and read as something harmless."""

import difflib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from bulkhead_host.problem import Report
from bulkhead_host.system.document import Document, Keys


class Fields:
    """One table of a TOML file. No method raises; what is wrong goes to the report."""

    def __init__(
        self, document: Document, report: Report, *, keys: Keys = (), values: Any = None
    ) -> None:
        self.document = document
        self.report = report
        self.keys = keys
        self.values: Mapping[str, Any] = document.values if values is None else values

    def problem(self, key: str | int, text: str, next_step: str = "") -> None:
        """Report what is wrong with a key, at its line."""
        line = self.document.line(*self.keys, key)
        self.report.add(self.document.path, line, text, next_step)

    def wrong(self, key: str, expected: str) -> None:
        """Report a value that is not what it must be."""
        name = self._name(key)
        if key in self.values:
            text = json.dumps(self.values[key], default=str, ensure_ascii=False)
            given = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)
            self.problem(key, f"{name} is {given}, and must be {expected}")
        else:
            self.problem(key, f"{name} is missing, and must be {expected}")

    def only(self, *known: str) -> None:
        """Report keys that are not `known`."""
        for key in self.values:
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                hint = f"write {near[0]}" if near else f"use one of {', '.join(known)}"
                self.problem(key, f"unknown key {self._name(key)}", hint)

    def table(self, key: str) -> "Fields":
        """Return a table inside this one; an empty one when it is wrong."""
        value = self.values.get(key)
        if not isinstance(value, dict):
            self.wrong(key, "a table")
            value = {}
        return Fields(self.document, self.report, keys=(*self.keys, key), values=value)

    def tables(self, key: str) -> Sequence["Fields"]:
        """Return an array of tables, none if the key is missing."""
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
            self.wrong(key, f"an array of tables, [[{key}]]")
            return []
        return [
            Fields(self.document, self.report, keys=(*self.keys, key, index), values=row)
            for index, row in enumerate(value)
        ]

    def text(self, key: str, *, default: str | None = None) -> str:
        """Return a string that is not empty; the empty one when it is wrong."""
        if default is not None and key not in self.values:
            return default
        value = self.values.get(key)
        if not isinstance(value, str) or not value:
            self.wrong(key, "a string")
            return ""
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """Return an array of strings, none if the key is missing. None may come twice."""
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self.wrong(key, "an array of strings")
            return ()
        for index, item in enumerate(value):
            if item in value[:index]:
                line = self.document.line(*self.keys, key, index)
                self.report.add(self.document.path, line, f'{self._name(key)} has "{item}" twice')
        return tuple(dict.fromkeys(value))

    def choice(self, key: str, known: Sequence[str], *, default: str | None = None) -> str:
        """Return a string out of `known`; the first of them when it is wrong."""
        value = self.values.get(key, default)
        if not isinstance(value, str) or value not in known:
            self.wrong(key, f"one of {', '.join(known)}")
            return known[0]
        return value

    def integer(self, key: str, *, low: int, high: int, default: int | None = None) -> int:
        """Return an integer from `low` to `high`, both included; `low` when it is wrong."""
        value = self.values.get(key, default)
        if type(value) is not int or not low <= value <= high:
            self.wrong(key, f"an integer from {low} to {high}")
            return low
        return value

    def boolean(self, key: str, *, default: bool | None = None) -> bool:
        """Return true or false; false when it is wrong."""
        value = self.values.get(key, default)
        if not isinstance(value, bool):
            self.wrong(key, "true or false")
            return False
        return value

    def _name(self, key: str) -> str:
        names = [part for part in self.keys if isinstance(part, str)]
        return ".".join([*names, key])
