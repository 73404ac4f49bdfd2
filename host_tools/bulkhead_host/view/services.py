"""The table of services: for a person, for a program, and what changed between two of them."""

import sys
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from bulkhead_host import abi
from bulkhead_host.link.services import Hello, Service, Table

PLAIN_WIDTH = 160
"""Columns of a table that goes to no terminal, so that nothing is cut off."""

STOPPED_STATES = frozenset({"faulted", "dormant"})
"""The states that a service does not pass through by itself."""

_LEFT = ("NAME", "STATE", "FAULT", "WAITS FOR")
_COLUMNS = (
    "NAME", "PRIORITY", "STATE", "GEN", "RESTARTS", "FAULT", "CPU", "STEPS",
    "CLIENTS", "QUEUE", "DROPPED", "WAITS FOR",
)  # fmt: skip


def console(*, error: bool = False) -> Console:
    """Return where to print: coloured on a terminal, plain and wide elsewhere."""
    stream = sys.stderr if error else sys.stdout
    width = None if stream.isatty() else PLAIN_WIDTH
    return Console(file=stream, width=width, highlight=False, emoji=False, markup=False)


def as_json(table: Table) -> dict[str, Any]:
    """Return a table as plain values, the way `ps --json` prints it."""
    return {
        "services": [asdict(service) for service in table.services],
        "uptime_ms": table.uptime_ms,
    }


def grid(table: Table, *, previous: Table | None = None) -> Grid:
    """Return a table for a person.

    CPU is the share of the time since `previous`; without one, the milliseconds so far.
    """
    made = Grid(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for name in _COLUMNS:
        heading = f"CPU {'%' if previous else 'ms'}" if name == "CPU" else name
        made.add_column(heading, justify="left" if name in _LEFT else "right", no_wrap=True)
    for service in table.services:
        cpu = _cpu(service, table, previous)
        made.add_row(*_cells(service, cpu), style=_style(service))
    return made


def title(hello: Hello, uptime_ms: int) -> Text:
    """Return the line above a table: which board this is."""
    image = f"Bulkhead {hello.version}".rstrip()
    parts = (hello.board, hello.application, image, f"up {seconds(uptime_ms)} s")
    return Text("  ".join(part for part in parts if part), style="bold")


def seconds(uptime_ms: int) -> str:
    """Return a device time the way the board's log writes it."""
    return f"{uptime_ms // 1000}.{uptime_ms % 1000:03d}"


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


def _cells(service: Service, cpu: str) -> tuple[str, ...]:
    is_raised = service.effective_priority != service.priority
    raised = f" ({service.effective_priority})" if is_raised else ""
    return (
        service.name,
        f"{service.priority}{raised}",
        service.state,
        str(service.generation),
        str(service.restarts),
        service.fault or "",
        cpu,
        str(service.steps),
        str(service.clients),
        str(service.queue),
        str(service.dropped),
        service.waits_for or "",
    )


def _cpu(service: Service, table: Table, previous: Table | None) -> str:
    if previous is None:
        return f"{service.cpu_us / 1000:.1f}"
    old = previous.named(service.name)
    passed_ms = table.uptime_ms - previous.uptime_ms
    if old is None or passed_ms <= 0:
        return ""
    used_us = (service.cpu_us - old.cpu_us) % abi.CPU_US_MODULUS
    return f"{used_us / (10 * passed_ms):.1f}"


def _style(service: Service) -> str:
    if service.state == "faulted":
        return "red"
    return "yellow" if service.fault else ""
