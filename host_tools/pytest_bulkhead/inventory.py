"""The boards of a farm, as a file lists them: an inventory, or Twister's hardware map.

    [[board]]
    id = "bench-3"
    board = "pico"
    port = "id:E6614C311B7F2A2C"
    fixtures = ["loopback"]
    power = "uhubctl -l 1-1 -p 2 -a {action}"
    notes = "third from the left"
    quarantine = { since = 2026-11-02, reason = "USB goes away when it is warm" }

`power` is a command that gets `off` or `on` for `{action}`. Zephyr's Twister keeps the same in
YAML (`twister --generate-hardware-map`): its `id`, `platform`, `serial`, `fixtures`, `connected`
and `notes` are taken, the rest is for other programs.
"""

import datetime
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bulkhead_host.errors import UsageError
from bulkhead_host.files import read_text
from bulkhead_host.problem import Report
from bulkhead_host.system.boards import board_names
from bulkhead_host.system.document import Document, read_document

_KEYS: Mapping[str, type] = {
    "id": str,
    "board": str,
    "port": str,
    "fixtures": list,
    "power": str,
    "notes": str,
    "quarantine": dict,
}
_REQUIRED = ("id", "board", "port")
_EXAMPLE = "see the example in host_tools/README.md"


@dataclass(frozen=True, kw_only=True)
class Quarantine:
    """Why what a board says is reported and not believed, and since when."""

    since: datetime.date
    reason: str

    def __str__(self) -> str:
        """Return it as reports have it."""
        return f"in quarantine since {self.since}: {self.reason}"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One board of a farm. `port` is what `--port` takes; `power` is empty where nobody can."""

    id: str
    board: str
    port: str
    fixtures: frozenset[str] = frozenset()
    power: tuple[str, ...] = ()
    notes: str = ""
    quarantine: Quarantine | None = None


def load_inventory(path: Path) -> tuple[Entry, ...]:
    """Return the boards that a file lists, in its order.

    Raises `UsageError` with all that is wrong, by line. A file whose name ends in .yaml or .yml is
    a hardware map of Twister's, which takes PyYAML.
    """
    report = Report()
    if path.suffix in (".yaml", ".yml"):
        entries = _twister(path, report)
    else:
        document = read_document(path, report)
        entries = [] if document is None else _entries(document, report)
    _check_unique(path, entries, report)
    if not entries and not report.problems:
        report.add(path, 1, "no board is listed", _EXAMPLE)
    if report.problems:
        raise UsageError("\n".join(map(str, report.problems)), "mend the inventory")
    return tuple(entries)


def _entries(document: Document, report: Report) -> list[Entry]:
    for key in document.values:
        if key != "board":
            report.add(document.path, document.line(key), f"{key} is not known", "[[board]]")
    tables = document.values.get("board", [])
    if not isinstance(tables, list) or not all(isinstance(one, dict) for one in tables):
        report.add(document.path, document.line("board"), "board is no array of tables", _EXAMPLE)
        return []
    found = [_entry(document, index, table, report) for index, table in enumerate(tables)]
    return [one for one in found if one is not None]


def _entry(
    document: Document, index: int, table: Mapping[str, Any], report: Report
) -> Entry | None:
    def wrong(key: str, text: str, step: str = _EXAMPLE) -> None:
        report.add(document.path, document.line("board", index, key), text, step)

    before = len(report.problems)
    for key, value in table.items():
        if key not in _KEYS:
            wrong(key, f"{key} is not known", f"a board has {', '.join(_KEYS)}")
        elif not isinstance(value, _KEYS[key]):
            wrong(key, f"{key} is {value!r:.40}, and has to be a {_KEYS[key].__name__}")
    for key in _REQUIRED:
        if not table.get(key):
            wrong(key, f"{key} is missing")
    fixtures = table.get("fixtures", [])
    if isinstance(fixtures, list) and not all(isinstance(one, str) for one in fixtures):
        wrong("fixtures", "fixtures are names, each a text")
    if isinstance(table.get("board"), str) and table["board"] not in board_names():
        wrong("board", f"no board is called {table['board']}", ", ".join(board_names()))
    quarantine = _quarantine(table.get("quarantine"), wrong)
    power = _command(table.get("power", ""), wrong)
    if len(report.problems) > before:
        return None
    return Entry(
        id=table["id"],
        board=table["board"],
        port=table["port"],
        fixtures=frozenset(fixtures),
        power=power,
        notes=table.get("notes", ""),
        quarantine=quarantine,
    )


def _quarantine(value: Any, wrong: Any) -> Quarantine | None:
    if not isinstance(value, dict):
        return None
    since, reason = value.get("since"), value.get("reason")
    if type(since) is not datetime.date or not isinstance(reason, str) or not reason:
        wrong("quarantine", "quarantine takes since, a day, and reason, a text")
        return None
    return Quarantine(since=since, reason=reason)


def _command(text: Any, wrong: Any) -> tuple[str, ...]:
    if not isinstance(text, str) or not text:
        return ()
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        wrong("power", f"power is no command: {error}")
        return ()
    if not any("{action}" in word for word in words):
        wrong("power", "power does not say {action}, for which it gets off and on")
    return words


def _twister(path: Path, report: Report) -> list[Entry]:
    try:
        import yaml  # noqa: PLC0415  (an extra of this package)
    except ImportError:
        raise UsageError(
            f"{path} is a hardware map of Twister's, and reading one takes PyYAML",
            "pip install 'bulkhead-kernel[farm]'",
        ) from None
    try:
        rows = yaml.safe_load(read_text(path))
    except FileNotFoundError:
        raise UsageError(f"{path} does not exist") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        report.add(path, line, f"the YAML is wrong: {error.problem}")
        return []
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        report.add(path, 1, "a hardware map is a list of boards, each with id and serial")
        return []
    boards = {f"rpi_{name}": name for name in board_names()}
    entries = []
    for row in rows:
        platform = str(row.get("platform", "")).split("/")[0]
        if not row.get("connected") or not row.get("serial"):
            continue  # listed by Twister, and not plugged in
        if platform not in boards:
            known = ", ".join(boards)
            report.add(path, 1, f"no board here is the platform {platform}", f"one of {known}")
            continue
        entries.append(
            Entry(
                id=str(row.get("id") or row["serial"]),
                board=boards[platform],
                port=str(row["serial"]),
                fixtures=frozenset(map(str, row.get("fixtures") or ())),
                notes=str(row.get("notes") or ""),
            )
        )
    return entries


def _check_unique(path: Path, entries: list[Entry], report: Report) -> None:
    for what in ("id", "port"):
        values = [getattr(entry, what) for entry in entries]
        for value in sorted({one for one in values if values.count(one) > 1}):
            report.add(path, 1, f"two boards have the {what} {value}", "each has its own")
