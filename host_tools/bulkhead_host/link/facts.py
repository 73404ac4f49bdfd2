"""What a board says of itself that is in no table: what is free, its warmth, its last reset."""

from contextlib import suppress
from dataclasses import dataclass, replace

from bulkhead_host import abi
from bulkhead_host.errors import BulkheadError, DeviceTimeout, NotPermitted
from bulkhead_host.link.client import Client, NoSuchTarget
from bulkhead_host.link.services import Room, Table

THERMOMETER = "thermometer"
_READ = 1  # services/thermometer/api.py: -> OK, arg: hundredths of a degree Celsius
_PATIENCE_MS = 500
_RESETS = {1: "power-on", 2: "the reset pin", 3: "the watchdog", 4: "deep sleep", 5: "a soft one"}
"""By the numbers of `machine.reset_cause()`, which are one list on all ports."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """`last_run` says what ended the run before, empty while that is not known.

    All sizes are bytes: `heap_free` after a collection, and `files_free` of the file system in the
    flash. `celsius` is the chip's temperature, where a service `thermometer` tells it and this
    tool may ask. None is what is not known, or what the board lacks.
    """

    heap_free: int | None = None
    heap: int | None = None
    files_free: int | None = None
    files: int | None = None
    celsius: float | None = None
    last_run: str = ""
    may_call: bool = True


def read_facts(client: Client, table: Table, before: Facts = Facts()) -> Facts:
    """Return what a board says now; what it does not answer stays as it was."""
    found = before
    with suppress(DeviceTimeout, NoSuchTarget):
        room = client.room()
        found = replace(found, heap_free=room.heap_free, heap=room.heap)
        if room.files:
            found = replace(found, files_free=room.files_free, files=room.files)
        if not found.last_run:
            found = replace(found, last_run=_last_run(client, table, room))
    if found.may_call and table.named(THERMOMETER) is not None:
        try:
            status, value = client.call(THERMOMETER, _READ, timeout_ms=_PATIENCE_MS)
            if status == abi.OK and isinstance(value, int):
                found = replace(found, celsius=value / 100)
        except (NotPermitted, NoSuchTarget):  # each try would count as an order refused
            found = replace(found, may_call=False)
        except BulkheadError:
            pass
    return found


def facts_line(facts: Facts) -> str:
    """Return in a line what is known, for a person; empty where that is nothing."""
    words = []
    if facts.heap_free is not None and facts.heap:
        words.append(f"free heap {_kilobytes(facts.heap_free, facts.heap)}")
    if facts.files_free is not None and facts.files:
        words.append(f"files {_kilobytes(facts.files_free, facts.files)}")
    if facts.celsius is not None:
        words.append(f"{facts.celsius:.1f} C")
    if facts.last_run:
        words.append(f"reset: {facts.last_run}")
    return "  ".join(words)


def _kilobytes(free: int, whole: int) -> str:
    return f"{free / 1024:.0f}/{whole / 1024:.0f} KB"


def _last_run(client: Client, table: Table, room: Room) -> str:
    """Return in words what ended the run before: the kernel's own, or what the chip says."""
    try:
        crash = client.fault("")
    except NoSuchTarget:
        return _RESETS.get(room.reset_cause, "not known")
    names = abi.CRASH_NAMES
    words = names[crash.kind] if crash.kind < len(names) else f"crash {crash.kind}"
    who = table.names[crash.task - 1] if 0 < crash.task <= len(table.names) else "the kernel"
    return f"{who} {words}"
