"""The state of a board in a file: all that can be read of it at one moment, to look at later.

The file is JSON: `format` (`FORMAT`), `taken_at` (ISO 8601), `port`, `hello`, `services`,
`uptime_ms`, `losses` (of the line), `facts` (what is free, and the last reset), `faults` (record
and text of each fault that the board keeps, by the service's name; the empty one stands for the
board itself), `log` (the lines that came meanwhile), `capabilities` (of each service), `trace`
(the records that the board held) and `trace_begun_us` (the board's clock at the first of them).
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from bulkhead_host.errors import UsageError
from bulkhead_host.files import read_text
from bulkhead_host.link.client import Client, NoSuchTarget
from bulkhead_host.link.facts import Facts, read_facts
from bulkhead_host.link.services import (
    Capability,
    Fault,
    Hello,
    Losses,
    Service,
    Table,
    printable,
)
from bulkhead_host.link.trace import Record, Trace, collect

_NUMBER_MAX = 1 << 53  # of microseconds since a trace began, too

FORMAT = 2

_BOARD = ""

_Kind = TypeVar("_Kind")


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A fault that the board keeps: its record and its whole text."""

    record: Fault
    text: str


@dataclass(frozen=True, kw_only=True)
class Dump:
    """What a board said of itself: `faults` maps a service to what is kept of its last fault."""

    hello: Hello
    table: Table
    facts: Facts = field(default_factory=Facts)
    faults: Mapping[str, Kept] = field(default_factory=dict)
    log: tuple[str, ...] = ()
    trace: Trace = field(default_factory=Trace)
    port: str = ""
    taken_at: str = ""


def take_dump(client: Client, *, log: list[str], listen_s: float = 0) -> Dump:
    """Read everything from a board, after listening for a time.

    `log` is what the client's `on_output` appends to.
    """
    hello = client.hello()
    client.listen(listen_s)
    trace = collect(client, seconds=0)
    table = client.table()
    faults = kept_faults(client, table)
    return Dump(
        hello=hello,
        table=table,
        facts=read_facts(client, table),
        faults=faults,
        log=tuple(log),
        trace=trace,
        port=client.transport.name,
        taken_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def kept_faults(client: Client, table: Table) -> dict[str, Kept]:
    """Return what the board keeps of faults, by service; the empty name stands for the board."""
    failed = [service.name for service in table.services if service.fault]
    found = {}
    for name in (_BOARD, *failed):
        try:
            found[name] = Kept(record=client.fault(name), text=client.fault_text(name))
        except NoSuchTarget:  # none is kept
            continue
    return found


def to_json(dump: Dump) -> str:
    """Return the text of a dump's file."""
    found = {
        "format": FORMAT,
        "taken_at": dump.taken_at,
        "port": dump.port,
        "hello": asdict(dump.hello),
        "services": [asdict(service) for service in dump.table.services],
        "uptime_ms": dump.table.uptime_ms,
        "losses": asdict(dump.table.losses),
        "facts": asdict(dump.facts),
        "faults": {name: asdict(kept) for name, kept in dump.faults.items()},
        "log": list(dump.log),
        "capabilities": {
            name: [asdict(one) for one in found] for name, found in dump.trace.capabilities.items()
        },
        "trace": [asdict(record) for record in dump.trace.records],
        "trace_begun_us": dump.trace.begun_us,
    }
    return json.dumps(found, indent=1) + "\n"


def load_dump(path: Path) -> Dump:
    """Read a dump's file; raise `UsageError` that says what is wrong with it."""
    try:
        found = _cleaned(json.loads(read_text(path)))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", "bulkhead dump FILE") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is no dump: {error}", "bulkhead dump FILE") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise UsageError(f"{path} is no dump of format {FORMAT}", "bulkhead dump FILE")
    try:
        services = tuple(_made(Service, row) for row in found["services"])
        trace = Trace(
            records=tuple(_made(Record, row) for row in found["trace"]),
            names=tuple(service.name for service in services),
            capabilities={
                name: tuple(_made(Capability, row) for row in rows)
                for name, rows in found["capabilities"].items()
            },
            begun_us=_optional(found.get("trace_begun_us")),
        )
        return Dump(
            hello=_made(Hello, found["hello"]),
            table=Table(
                services=services,
                uptime_ms=int(found["uptime_ms"]),
                losses=_made(Losses, found.get("losses", {})),
            ),
            facts=_made(Facts, found.get("facts", {})),
            faults={
                name: Kept(record=_made(Fault, kept["record"]), text=str(kept["text"]))
                for name, kept in found["faults"].items()
            },
            log=tuple(str(line) for line in found["log"]),
            trace=trace,
            port=str(found["port"]),
            taken_at=str(found["taken_at"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(
            f"{path} is not whole: {type(error).__name__} {error}",
            "take it again with this version: bulkhead dump FILE",
        ) from error


def _made(kind: type[_Kind], row: Mapping[str, Any]) -> _Kind:
    """Make a dataclass of the fields that it knows; what another version has beside is ignored."""
    known = {one.name: one.type for one in fields(kind)}  # type: ignore[arg-type]
    for name, value in row.items():
        if name in known and not _is_of(value, known[name]):
            raise TypeError(f"{name} is {value!r}")
    return kind(**{name: value for name, value in row.items() if name in known})


def _is_of(value: object, wanted: Any) -> bool:
    """Tell whether a value is of a field's type; a number is what a board may send: 32 bits."""
    return isinstance(value, wanted) and not (type(value) is int and not 0 <= value < _NUMBER_MAX)


def _optional(value: object) -> int | None:
    """Return a number that older files do not have."""
    if value is not None and not _is_of(value, int):
        raise TypeError(f"trace_begun_us is {value!r}")
    return value if isinstance(value, int) else None


def _cleaned(value: Any, *, kept: str = "") -> Any:
    """Return what a file holds without what would control the terminal that shows it.

    Only the text of a fault has several lines.
    """
    if isinstance(value, str):
        return printable(value, kept=kept)
    if isinstance(value, list):
        return [_cleaned(one) for one in value]
    if isinstance(value, dict):
        return {
            printable(name, kept=""): _cleaned(one, kept="\n\t" if name == "text" else "")
            for name, one in value.items()
        }
    return value
