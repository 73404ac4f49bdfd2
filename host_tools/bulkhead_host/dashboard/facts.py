"""What a board says of itself that is in no table: its heap, its warmth, and its last reset."""

from contextlib import suppress
from dataclasses import dataclass, replace

from bulkhead_host import abi
from bulkhead_host.errors import BulkheadError, DeviceTimeout, NotPermitted
from bulkhead_host.link.client import Client, NoSuchTarget
from bulkhead_host.link.services import Table

THERMOMETER = "thermometer"
_READ = 1  # services/thermometer/api.py: -> OK, arg: hundredths of a degree Celsius
_PATIENCE_MS = 500


@dataclass(frozen=True, kw_only=True)
class Facts:
    """`last_run` says what ended the run before, empty while that is not known.

    `heap_free` are bytes after a collection. `celsius` is the chip's temperature, where a service
    `thermometer` tells it and this tool may ask. None is what is not known.
    """

    heap_free: int | None = None
    celsius: float | None = None
    last_run: str = ""
    may_call: bool = True


def read_facts(client: Client, table: Table, before: Facts) -> Facts:
    """Return what a board says now; what it does not answer stays as it was."""
    found = before
    with suppress(DeviceTimeout, NoSuchTarget):
        found = replace(found, heap_free=client.heap_free())
    if not found.last_run:
        with suppress(DeviceTimeout):
            found = replace(found, last_run=last_run(client))
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


def last_run(client: Client) -> str:
    """Return in words what ended the run before."""
    try:
        crash = client.fault("")
    except NoSuchTarget:
        return "power-on, or a reset from outside"
    names = abi.CRASH_NAMES
    return names[crash.kind] if crash.kind < len(names) else f"crash {crash.kind}"
