"""The reference of manifests and system.toml: what their loader says of each key.

The loader is asked. A key that it does not know has it name those that it does; a key with a wrong
value has it say which are right. So the page cannot differ from what a build accepts. What a key
means stands in keys.toml, and a key without that, or a meaning without its key, is an error.
"""

import re
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

from bulkhead_host.errors import BulkheadError
from bulkhead_host.files import read_text, write_text
from bulkhead_host.paths import source_root
from bulkhead_host.problem import Report
from bulkhead_host.system.manifest import SOURCES, load_application, load_service
from docs.tables import code, table

MEANINGS = Path(__file__).parent / "keys.toml"
_NO_KEY = "0"
_WRONG = "{}"  # no key takes an empty table, but those that are tables
_KNOWN = re.compile(r"use one of (.*)")
_EXPECTED = re.compile(r"and must be (.*)")


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of a file: its header, the key that the file needs beside, and its loader."""

    file: str
    header: str
    beside: str = ""

    @property
    def name(self) -> str:
        """The name as keys.toml and the loader have it."""
        return self.header.strip("[]")


TABLES = (
    Table(file="service.toml", header="[service]"),
    Table(file="service.toml", header="[mailbox]"),
    Table(file="service.toml", header="[[line]]"),
    Table(file="service.toml", header="[net]"),
    Table(file="system.toml", header="[system]"),
    Table(file="system.toml", header="[link]"),
    Table(file="system.toml", header="[[group]]"),
    Table(file="system.toml", header="[watchdog]"),
)
# Tables whose keys are names of the application's own.
FREE = {
    "service.toml": ("uses", "config", "safe"),
    "system.toml": ("resistors",),
}


def page() -> str:
    """Return the page; raise BulkheadError where keys and meanings do not agree."""
    meanings = tomllib.loads(read_text(MEANINGS))
    lines = ["# Manifests", "", "What is right for a key is said in the words of the check.", ""]
    for file, free in FREE.items():
        _compare(file, tables_of(file), set(meanings[file]))
        lines += [f"## {file}", ""]
        for one in TABLES:
            if one.file == file:
                lines += _section(one, meanings[file][one.name])
        for name in free:
            lines += [f"### [{name}]", "", meanings[file][name], ""]
    return "\n".join(lines)


def tables_of(file: str) -> set[str]:
    """Return the names of the tables that a file may have."""
    return set(_known(_problems(file, f"{_NO_KEY} = 0\n")))


def keys_of(of: Table) -> list[str]:
    """Return the keys that a table may have."""
    return _known(_problems(of.file, f"{of.header}\n{_NO_KEY} = 0\n"))


def expected(of: Table, key: str) -> tuple[str, bool]:
    """Return what the loader wants of a key, and whether it must be there."""
    owners = _owners(of, key)
    beside = f'source = "{owners[0]}"\n' if owners else ""
    wrong = _problems(of.file, f"{of.header}\n{beside}{key} = {_WRONG}\n")
    without = _problems(of.file, f"{of.header}\n{beside}")
    names = (f"{of.name}.{key} is",)
    words = [_EXPECTED.search(text) for text in wrong if text.startswith(names)]
    found = next((match[1] for match in words if match), "")
    if not found and key == "period_ms" and of.name == "watchdog":
        found = "a table"
    if not found:
        raise BulkheadError(f"the loader takes anything for {of.name}.{key}", "have it check that")
    return found, any(text.startswith(f"{of.name}.{key} is missing") for text in without)


def _owners(of: Table, key: str) -> list[str]:
    """Return the sources of an interrupt line that have a key, none where all do."""
    found = [source for source, keys in SOURCES.items() if key in keys]
    return found if of.name == "line" else []


def _needed(of: Table, key: str) -> str:
    owners = _owners(of, key)
    return f"of {', '.join(owners)}" if owners else "yes"


def _section(of: Table, meanings: dict[str, str]) -> list[str]:
    known = keys_of(of)
    _compare(of.name, set(known), set(meanings))
    rows = []
    for key in known:
        wanted, is_needed = expected(of, key)
        rows.append([code(key), wanted, _needed(of, key) if is_needed else "", meanings[key]])
    return [f"### {of.header}", "", *table(["key", "value", "needed", "meaning"], rows)]


def _compare(where: str, known: set[str], explained: set[str]) -> None:
    if missing := known - explained:
        raise BulkheadError(
            f"keys.toml does not explain {', '.join(sorted(missing))} of {where}",
            "write what it is",
        )
    if gone := explained - known:
        raise BulkheadError(
            f"keys.toml explains {', '.join(sorted(gone))}, which {where} does not have",
            "take it out",
        )


def _known(problems: list[tuple[str, str]] | list[str]) -> list[str]:
    for text in problems:
        match = _KNOWN.search(str(text))
        if match:
            return match[1].split(", ")
    raise BulkheadError("the loader does not say which keys it knows", "Fields.only")


def _problems(file: str, text: str) -> list[str]:
    """Return what the loader says of a file: texts and next steps."""
    report = Report()
    shipped = source_root() / "services"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_text(folder / file, text)
        if file == "service.toml":
            load_service(folder, report)
        else:
            load_application(folder, shipped=shipped, report=report)
    return [line for one in report.problems for line in (one.text, one.next_step)]
