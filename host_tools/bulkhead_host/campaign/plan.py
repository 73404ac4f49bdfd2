"""A campaign's file, and the fault that its seed gives for an index."""

import random
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from bulkhead_host import abi
from bulkhead_host.errors import UsageError

KINDS = tuple(name for name in abi.INJECTION_NAMES if name)
WITHOUT_RESTART = ("drop-reply",)
"""Kinds that fault nobody: the client of the dropped reply gets TIMEOUT."""

_Kind = TypeVar("_Kind")
_EXAMPLE = "see the example of bulkhead campaign in host_tools/README.md"


@dataclass(frozen=True, kw_only=True)
class FaultKind:
    """One way to fail: `rate` is its share relative to that of the others."""

    kind: str
    targets: tuple[str, ...]
    rate: float = 1


@dataclass(frozen=True, kw_only=True)
class Invariants:
    """What must hold for each fault. Times are milliseconds of the board.

    The target is back within `recovered_within_ms`, started once; with `others_untouched` no
    other service's generation changes until `quiet_ms` after.
    """

    recovered_within_ms: int = 10_000
    others_untouched: bool = True
    quiet_ms: int = 1200


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """Faults in number `count`, drawn by `seed`; each comes after a pause up to `pause_ms_max`.

    `application` is the folder of a system.toml, None for the demo; `digest` tells whether
    results are of this very campaign.
    """

    faults: tuple[FaultKind, ...]
    count: int
    seed: int = 1
    pause_ms_max: int = 500
    application: Path | None = None
    invariants: Invariants = Invariants()
    name: str = ""
    digest: str = ""


@dataclass(frozen=True, kw_only=True)
class Planned:
    """The fault of one index."""

    index: int
    kind: str
    target: str
    pause_ms: int


def planned(campaign: Campaign, index: int) -> Planned:
    """Return the fault of an index: the same whatever ran before it."""
    drawn = random.Random(f"{campaign.seed}:{index}")
    rates = [fault.rate for fault in campaign.faults]
    (fault,) = drawn.choices(campaign.faults, rates)
    return Planned(
        index=index,
        kind=fault.kind,
        target=drawn.choice(fault.targets),
        pause_ms=drawn.randint(0, campaign.pause_ms_max),
    )


def load_campaign(path: Path) -> Campaign:
    """Read a campaign's file; raise `UsageError` that says what is wrong with it."""
    try:
        raw = path.read_bytes()
        found = tomllib.loads(raw.decode())
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", _EXAMPLE) from error
    except ValueError as error:
        raise UsageError(f"{path} is no TOML: {error}", _EXAMPLE) from error
    _check_names(path, "the file", found, ("campaign", "invariants", "fault"))
    head = _table(path, found, "campaign")
    application = head.pop("application", None)
    rows = found.get("fault")
    if not isinstance(rows, list) or not rows:
        raise UsageError(f"{path} names no [[fault]]", _EXAMPLE)
    campaign = _made(
        path,
        Campaign,
        "campaign",
        {
            "name": path.stem,
            **head,
            "faults": tuple(_fault(path, row) for row in rows),
            "invariants": _made(path, Invariants, "invariants", _table(path, found, "invariants")),
            "application": path.parent / application if application else None,
            "digest": sha256(raw).hexdigest()[:16],
        },
    )
    if campaign.count < 1 or campaign.pause_ms_max < 0:
        raise UsageError(f"{path}: count must be positive, pause_ms_max not negative", _EXAMPLE)
    return campaign


def _fault(path: Path, row: Any) -> FaultKind:
    if not isinstance(row, dict):
        raise UsageError(f"{path}: fault is no table", _EXAMPLE)
    fault = _made(path, FaultKind, "fault", {**row, "targets": tuple(row.get("targets", ()))})
    if fault.kind not in KINDS:
        raise UsageError(
            f"{path}: there is no fault {fault.kind!r}", f"one of: {', '.join(KINDS)}"
        )
    if not fault.targets or fault.rate <= 0:
        raise UsageError(f"{path}: {fault.kind} needs targets and a positive rate", _EXAMPLE)
    return fault


def _table(path: Path, found: Mapping[str, Any], name: str) -> dict[str, Any]:
    table = found.get(name, {})
    if not isinstance(table, dict):
        raise UsageError(f"{path}: {name} is no table", _EXAMPLE)
    return dict(table)


def _made(path: Path, kind: type[_Kind], table: str, row: Mapping[str, Any]) -> _Kind:
    known = {one.name: one.type for one in fields(kind)}  # type: ignore[arg-type]
    _check_names(path, table, row, tuple(known))
    for name, value in row.items():
        if known[name] is int and type(value) is not int:
            raise UsageError(f"{path}: {name} in {table} must be a whole number", _EXAMPLE)
    try:
        return kind(**row)
    except TypeError as error:
        raise UsageError(f"{path}: {table} is not whole: {error}", _EXAMPLE) from error


def _check_names(path: Path, table: str, row: Mapping[str, Any], known: tuple[str, ...]) -> None:
    unknown = sorted(set(row) - set(known))
    if unknown:
        raise UsageError(
            f"{path}: {table} has no {', '.join(unknown)}", f"it may have: {', '.join(known)}"
        )
