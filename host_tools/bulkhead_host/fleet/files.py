"""The two files of a fleet, for version control: which boards there are, and what a rollout does.

    broker = "mqtt://broker.example"            broker and boards: fleet.toml

    [boards]
    garden = ["outdoor", "canary"]              a board and its tags
    shed = ["outdoor"]

    [groups]
    first = ["canary"]                          of boards, tags, and groups above

A rollout's file is described at `Rollout`.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from bulkhead_host.errors import UsageError
from bulkhead_host.link.network import BOARD_NAME, parse_place
from bulkhead_host.link.updater import PROBATION_MS

EVERY = "all"
FILE = "fleet.toml"

_Kind = TypeVar("_Kind")
_EXAMPLE = "see 'A fleet over a broker' in the documentation"


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """A broker, boards with their tags, and groups with their boards."""

    broker: str
    boards: Mapping[str, tuple[str, ...]]
    groups: Mapping[str, tuple[str, ...]]

    def chosen(self, words: Sequence[str]) -> list[str]:
        """Return the boards that words mean, in the file's order; all for none.

        A word is a board, a group or a tag. Raises `UsageError` for one that is nothing.
        """
        found: set[str] = set()
        for word in words or (EVERY,):
            found.update(self._meant(word))
        return [board for board in self.boards if board in found]

    def _meant(self, word: str) -> Sequence[str]:
        if word == EVERY:
            return tuple(self.boards)
        if word in self.boards:
            return (word,)
        if word in self.groups:
            return self.groups[word]
        tagged = [board for board, tags in self.boards.items() if word in tags]
        if not tagged:
            known = sorted({*self.groups, *(tag for tags in self.boards.values() for tag in tags)})
            raise UsageError(
                f"{word} is no board, group or tag of the fleet", f"one of: {', '.join(known)}"
            )
        return tagged


@dataclass(frozen=True, kw_only=True)
class Check:
    """A call that every board of a wave has to answer: with `status`, and `value` if it is given.

    `operation` is a number, as services/.../api.py has it.
    """

    service: str
    operation: int
    argument: Any = None
    status: int = 0
    value: Any = None
    timeout_ms: int = 1000


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """New code for boards, in waves.

        fleet = "fleet.toml"
        application = "."           # whose code is sent
        services = ["soil"]         # without: whatever differs from what a board has
        soak_s = 60                 # for how long a board is looked at before it counts as good
        probation_s = 5             # as of `bulkhead update`
        stop_above = 0              # boards of a wave that may fail before it goes no further
        back_above = 0              # and before those that have the new code get the old one
        back = "rollout"            # who gets it back then: "rollout", "wave" or "none"

        [[wave]]
        boards = ["canary"]

        [[wave]]
        boards = ["all"]
        share = 0.1                 # of those that are left, at least one

        [[check]]
        service = "soil"
        operation = 2
        value = 41

    Each board is in the first wave that has it. A board fails that refuses the code, takes it
    back, has a new fault or another boot, or does not pass a check. One that cannot be reached is
    away: it counts neither way, and is for the next run.
    """

    name: str
    file: Path
    fleet: Fleet
    application: Path
    services: tuple[str, ...] = ()
    soak_s: float = 60.0
    probation_s: float = PROBATION_MS / 1000
    stop_above: int = 0
    back_above: int = 0
    back: str = "rollout"
    waves: tuple[tuple[str, ...], ...] = ()
    checks: tuple[Check, ...] = ()


def load_fleet(path: Path) -> Fleet:
    """Read a fleet's file; raise `UsageError` that says what is wrong with it."""
    found = _read(path)
    _only(path, found, ("broker", "boards", "groups"))
    broker = found.get("broker", "")
    parse_place(str(broker), needs_board=False)
    boards = {}
    for name, tags in dict(found.get("boards", {})).items():
        if not BOARD_NAME.fullmatch(name) or name == EVERY:
            raise UsageError(f"{path}: {name!r} is no board's name", "letters, digits, - _ .")
        boards[name] = _words(path, f"boards.{name}", tags)
    if not boards:
        raise UsageError(f"{path} names no boards", _EXAMPLE)
    fleet = Fleet(broker=str(broker), boards=boards, groups={})
    for name, words in dict(found.get("groups", {})).items():
        chosen = tuple(fleet.chosen(_words(path, f"groups.{name}", words)))
        fleet = Fleet(broker=fleet.broker, boards=boards, groups={**fleet.groups, name: chosen})
    return fleet


def load_rollout(path: Path) -> Rollout:
    """Read a rollout's file and its fleet's; raise `UsageError` that says what is wrong."""
    found = _read(path)
    fleet = load_fleet(path.parent / str(found.pop("fleet", FILE)))
    waves = _waves(path, fleet, found.pop("wave", []))
    checks = tuple(_made(path, Check, one) for one in _tables(path, "check", found))
    found.pop("check", None)
    given = {
        **found,
        "name": path.stem,
        "file": path,
        "fleet": fleet,
        "application": path.parent / str(found.get("application", ".")),
        "services": _words(path, "services", found.get("services", [])),
        "waves": waves,
        "checks": checks,
    }
    rollout = _made(path, Rollout, given)
    if rollout.back not in ("rollout", "wave", "none"):
        raise UsageError(f'{path}: back is "rollout", "wave" or "none"', _EXAMPLE)
    for key in ("soak_s", "probation_s", "stop_above", "back_above"):
        value = getattr(rollout, key)
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            raise UsageError(f"{path}: {key} is a number from 0 on", _EXAMPLE)
    return rollout


def _waves(path: Path, fleet: Fleet, tables: Any) -> tuple[tuple[str, ...], ...]:
    """Return the boards of each wave; each board once."""
    if not isinstance(tables, list) or not tables:
        raise UsageError(f"{path} has no [[wave]]", _EXAMPLE)
    taken: set[str] = set()
    waves = []
    for table in tables:
        _only(path, table, ("boards", "share"))
        words = _words(path, "wave.boards", table.get("boards", [EVERY]))
        left = [board for board in fleet.chosen(words) if board not in taken]
        share = table.get("share", 1)
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1:
            raise UsageError(f"{path}: a wave's share is above 0 and at most 1", _EXAMPLE)
        wave = tuple(left[: max(1, round(share * len(left)))])
        taken.update(wave)
        waves.append(wave)
    return tuple(waves)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_bytes().decode())
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", _EXAMPLE) from error
    except ValueError as error:
        raise UsageError(f"{path} is no TOML: {error}", _EXAMPLE) from error


def _tables(path: Path, key: str, found: Mapping[str, Any]) -> list[Any]:
    tables = found.get(key, [])
    if not isinstance(tables, list):
        raise UsageError(f"{path}: write [[{key}]]", _EXAMPLE)
    return tables


def _words(path: Path, key: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise UsageError(f"{path}: {key} is a list of texts", _EXAMPLE)
    return tuple(value)


def _only(path: Path, found: Any, known: Sequence[str]) -> None:
    if not isinstance(found, dict):
        raise UsageError(f"{path}: a table is expected", _EXAMPLE)
    for key in found:
        if key not in known:
            raise UsageError(f"{path}: unknown key {key!r}", f"one of: {', '.join(known)}")


def _made(path: Path, kind: type[_Kind], found: Any) -> _Kind:
    """Return a dataclass of the values that a table gives."""
    names = [one.name for one in fields(kind)]  # type: ignore[arg-type]
    _only(path, found, names)
    try:
        return kind(**found)
    except TypeError as error:
        raise UsageError(f"{path}: {error}", _EXAMPLE) from error
