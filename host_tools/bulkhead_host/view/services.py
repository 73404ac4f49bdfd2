"""The table of services: for a person, for a program, and what changed between two of them."""

import os
import sys
from dataclasses import asdict
from typing import Any

from rich.console import Console, JustifyMethod
from rich.table import Table as Grid
from rich.text import Text

from bulkhead_host import abi
from bulkhead_host.link.services import Hello, Losses, Service, Table, gained_ms

PLAIN_WIDTH = 160
"""Columns of a table that goes to no terminal, unless COLUMNS says how many there are."""

STOPPED_STATES = frozenset({"faulted", "dormant", "held", "degraded", "ended"})
"""The states that a service does not pass through by itself."""

_LOSSES = {
    "damaged": "frames damaged",
    "refused": "orders refused",
    "replayed": "orders replayed",
    "lost_bytes": "bytes lost",
}

_LEFT = frozenset({"NAME", "STATE", "FAULT", "OUTPUTS", "WAITS FOR"})
_NAMES = frozenset({"NAME", "WAITS FOR"})

# A column, and the narrowest terminal that shows it.
_COLUMNS = {
    "NAME": 0,
    "PRIORITY": 0,
    "STATE": 0,
    "GEN": 0,
    "RESTARTS": 0,
    "FAULT": 0,
    "OUTPUTS": 0,
    "CPU": 0,
    "MEMORY": 96,
    "STEPS": 118,
    "CLIENTS": 118,
    "QUEUE": 90,
    "DROPPED": 118,
    "WAITS FOR": 0,
}
# What some columns are called on a terminal that is narrower than that.
_SHORT_BELOW = 96
_SHORT = {"PRIORITY": "PRI", "RESTARTS": "RST", "OUTPUTS": "OUT"}


def console(*, error: bool = False) -> Console:
    """Return where to print: coloured on a terminal, plain elsewhere, and wide or as COLUMNS says.

    What is wider is wrapped.
    """
    stream = sys.stderr if error else sys.stdout
    given = os.environ.get("COLUMNS", "")
    plain = int(given) if given.isdecimal() and int(given) else PLAIN_WIDTH
    width = None if stream.isatty() else plain
    return Console(file=stream, width=width, highlight=False, emoji=False, markup=False)


def as_json(table: Table) -> dict[str, Any]:
    """Return a table as plain values, the way `ps --json` prints it."""
    return {
        "services": [asdict(service) for service in table.services],
        "uptime_ms": table.uptime_ms,
        "losses": asdict(table.losses),
    }


def grid(table: Table, *, previous: Table | None = None, width: int = PLAIN_WIDTH) -> Grid:
    """Return a table for a person, with fewer columns where `width` columns are few.

    CPU is the share of the time since `previous`; without one, the milliseconds so far. OUTPUTS is
    there when some are held in their safe state. A name that has no room goes on in the next line.
    """
    made = Grid(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    is_any_safe = any(service.safe_since_ms is not None for service in table.services)
    shown = [
        name
        for name, least in _COLUMNS.items()
        if width >= least and (is_any_safe or name != "OUTPUTS")
    ]
    is_short = width < _SHORT_BELOW
    for name in shown:
        heading = f"CPU {'%' if previous else 'ms'}" if name == "CPU" else name
        heading = _SHORT.get(heading, heading) if is_short else heading
        justify: JustifyMethod = "left" if name in _LEFT else "right"
        made.add_column(heading, justify=justify, no_wrap=name not in _NAMES, overflow="fold")
    for service in table.services:
        cells = _cells(service, _cpu(service, table, previous))
        if is_short and cells["OUTPUTS"]:
            cells["OUTPUTS"] = "safe"
        made.add_row(*(cells[name] for name in shown), style=row_style(service))
    return made


def cpu_percent(service: Service, table: Table, previous: Table | None) -> float | None:
    """Return a service's share of the time between two tables; None where that is not known.

    A table is read over some milliseconds, and says its time once. So what all services have used
    may be more than the time between two; then that is what has passed, and the sum is 100 %.
    """
    passed_ms = 0 if previous is None else gained_ms(previous.uptime_ms, table.uptime_ms)
    if previous is None or passed_ms <= 0:
        return None
    before = {one.name: one.cpu_us for one in previous.services}
    used_us = {
        one.name: (one.cpu_us - before[one.name]) % abi.CPU_US_MODULUS
        for one in table.services
        if one.name in before
    }
    if service.name not in used_us:
        return None
    return 100 * used_us[service.name] / max(1000 * passed_ms, sum(used_us.values()))


def title(hello: Hello, table: Table) -> Text:
    """Return the line above a table: which board this is, and what its line has lost."""
    image = f"Bulkhead {hello.version}".rstrip()
    up = f"up {seconds(table.uptime_ms)} s"
    parts = (hello.board, hello.application, image, up, losses_text(table.losses))
    return Text("  ".join(part for part in parts if part), style="bold")


def losses_text(losses: Losses, before: Losses = Losses()) -> str:  # noqa: B008  (frozen)
    """Return what was lost on the line since `before`, for a person; empty if nothing was."""
    counts = {
        name: (value - getattr(before, name)) % abi.LOSSES_MODULUS
        for name, value in asdict(losses).items()
    }
    words = ", ".join(f"{count} {_LOSSES[name]}" for name, count in counts.items() if count)
    return f"line: {words}" if words else ""


def seconds(uptime_ms: int) -> str:
    """Return a device time the way the board's log writes it."""
    return f"{uptime_ms // 1000}.{uptime_ms % 1000:03d}"


def safe_text(service: Service) -> str:
    """Return since when a service's outputs are safe; empty when they are its own."""
    since_ms = service.safe_since_ms
    return "" if since_ms is None else f"safe since {seconds(since_ms)} s"


def changes(before: Table, after: Table) -> list[str]:
    """Return a line for each service that has a new generation, or stopped, or goes again.

    The states between which a running service changes all the time are no change. Lines look
    like the board's log, with `*` for a level.
    """
    lines = []
    for service in after.services:
        old = before.named(service.name)
        words = _change(old, service) if old is not None else f"new, {service.state}"
        if words:
            lines.append(f"{seconds(after.uptime_ms):>9} * {service.name}: {words}")
    return lines


def _change(old: Service, new: Service) -> str:
    if new.generation != old.generation:
        fault = f", fault {new.fault}" if new.fault else ""
        return f"generation {old.generation} -> {new.generation}, {new.state}{fault}"
    if (new.state in STOPPED_STATES or old.state in STOPPED_STATES) and new.state != old.state:
        fault = f", fault {new.fault}" if new.fault and new.state in STOPPED_STATES else ""
        return f"{old.state} -> {new.state}{fault}"
    return ""


def _cells(service: Service, cpu: str) -> dict[str, str]:
    is_raised = service.effective_priority != service.priority
    raised = f" ({service.effective_priority})" if is_raised else ""
    return {
        "NAME": service.name,
        "PRIORITY": f"{service.priority}{raised}",
        "STATE": service.state,
        "GEN": str(service.generation),
        "RESTARTS": str(service.restarts),
        "FAULT": service.fault or "",
        "OUTPUTS": safe_text(service),
        "CPU": cpu,
        "MEMORY": str(service.memory_bytes),
        "STEPS": str(service.steps),
        "CLIENTS": str(service.clients),
        "QUEUE": str(service.queue),
        "DROPPED": str(service.dropped),
        "WAITS FOR": service.waits_for or "",
    }


def _cpu(service: Service, table: Table, previous: Table | None) -> str:
    if previous is None:
        return f"{service.cpu_us / 1000:.1f}"
    percent = cpu_percent(service, table, previous)
    return "" if percent is None else f"{percent:.1f}"


def row_style(service: Service) -> str:
    """Return how a service's row is coloured: one that is down, and one that has failed before."""
    if service.state in ("faulted", "degraded", "ended") and not service.is_done:
        return "red"
    return "yellow" if service.fault else ""
