"""A campaign's file, and the fault that its seed gives for an index."""

import random
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from bulkhead_host.campaign.kinds import KINDS, targets_of, why_not
from bulkhead_host.errors import UsageError
from bulkhead_host.system.manifest import Application

ALL = "*"
"""As a kind, every kind; as a target, every one that can fail in that way."""

ORDERS = ("drawn", "in turn")

_Kind = TypeVar("_Kind")
_EXAMPLE = "see the example of bulkhead campaign in host_tools/README.md"


@dataclass(frozen=True, kw_only=True)
class FaultKind:
    """One way to fail: `rate` is its share relative to that of the others."""

    kind: str
    targets: tuple[str, ...] = (ALL,)
    rate: float = 1


@dataclass(frozen=True, kw_only=True)
class Invariants:
    """What must hold for each fault. Times are milliseconds of the board.

    The target is back within `recovered_within_ms`, started once; with `others_untouched` no
    other service's generation changes until `quiet_ms` after. With `messages_accounted` no service
    still waits then for an answer that is overdue, and what was sent to a mailbox was taken or
    counted as dropped. With `outputs_safe` what a service of an emulated board drives is in its
    safe state from its fault until it is started anew. The heap has no more than
    `memory_lost_bytes` less free than at the board's first fault, garbage collected.

    A fault that waits for an occasion, such as the target's next reply, is skipped when none has
    come `occasion_within_ms` after its order.
    """

    recovered_within_ms: int = 10_000
    others_untouched: bool = True
    messages_accounted: bool = True
    outputs_safe: bool = True
    memory_lost_bytes: int = 8192
    quiet_ms: int = 1200
    occasion_within_ms: int = 15_000


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """Faults in number `count`, or for `seconds` of the boards' time together; one is 0.

    Kinds are drawn by `seed` and their rates, or with `order` taken in turn; targets and the
    pause before each, up to `pause_ms_max`, are drawn. A board that has just booted takes
    `faults_per_boot` of them, one after the other.
    `application` is the folder of a system.toml, None for the demo; `desk` a file that puts things
    around the emulated boards, None for none; `digest` tells whether
    results are of this very campaign.
    """

    faults: tuple[FaultKind, ...]
    count: int = 0
    seconds: int = 0
    seed: int = 1
    order: str = ORDERS[0]
    faults_per_boot: int = 20
    pause_ms_max: int = 500
    application: Path | None = None
    desk: Path | None = None
    invariants: Invariants = Invariants()
    name: str = ""
    file: str = ""
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
    if campaign.order == ORDERS[0]:
        (fault,) = drawn.choices(campaign.faults, [fault.rate for fault in campaign.faults])
    else:
        fault = campaign.faults[index % len(campaign.faults)]
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
    application, desk = head.pop("application", None), head.pop("desk", None)
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
            "desk": path.parent / desk if desk else None,
            "file": str(path),
            "digest": sha256(raw).hexdigest()[:16],
        },
    )
    _check_numbers(path, campaign)
    return campaign


def fitted(campaign: Campaign, application: Application, *, is_emulated: bool = True) -> Campaign:
    """Return the campaign with each `ALL` replaced by what can be done to an application.

    Raises `UsageError` for a fault that cannot be, or, unless the board is an emulated one, takes
    that.
    """
    faults: list[FaultKind] = []
    for fault in campaign.faults:
        for kind in KINDS.values() if fault.kind == ALL else (KINDS[fault.kind],):
            takes_other = kind.is_emulated and not is_emulated
            targets = () if takes_other else targets_of(kind, application)
            if ALL not in fault.targets:
                wanted = set(fault.targets)
                if fault.kind != ALL and not wanted <= set(targets):
                    target = next(name for name in fault.targets if name not in targets)
                    wrong = why_not(kind, target, application) or "it takes an emulated board"
                    raise _cannot(f"{kind.name} of {target} cannot be: {wrong}")
                targets = tuple(name for name in targets if name in wanted)
            if targets:
                faults.append(replace(fault, kind=kind.name, targets=targets))
            elif fault.kind != ALL:
                wrong = "it takes an emulated board" if takes_other else "it fits no service"
                raise _cannot(f"{kind.name} cannot be: {wrong}")
    if not faults:
        raise _cannot("no fault can be")
    return replace(campaign, faults=tuple(faults))


def _cannot(cause: str) -> UsageError:
    return UsageError(cause, "bulkhead campaign --help says what each kind takes")


def _check_numbers(path: Path, campaign: Campaign) -> None:
    if (campaign.count > 0) == (campaign.seconds > 0):
        raise UsageError(f"{path}: give a positive count, or seconds", _EXAMPLE)
    if campaign.pause_ms_max < 0 or campaign.faults_per_boot < 1:
        raise UsageError(
            f"{path}: faults_per_boot must be positive, pause_ms_max not negative", _EXAMPLE
        )
    if campaign.order not in ORDERS:
        raise UsageError(
            f"{path}: there is no order {campaign.order!r}", f"one of: {', '.join(ORDERS)}"
        )


def _fault(path: Path, row: Any) -> FaultKind:
    if not isinstance(row, dict):
        raise UsageError(f"{path}: fault is no table", _EXAMPLE)
    fault = _made(path, FaultKind, "fault", {**row, "targets": tuple(row.get("targets", [ALL]))})
    if fault.kind not in (ALL, *KINDS):
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
