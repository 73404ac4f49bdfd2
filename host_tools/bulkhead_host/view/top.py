"""The live screen of `bulkhead top`: services sorted and chosen with keys, and the log below."""

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from bulkhead_host.link.services import Hello, Service, Table
from bulkhead_host.view.monitor import log_text
from bulkhead_host.view.services import (
    STOPPED_STATES,
    console,
    cpu_percent,
    grid,
    title,
)

HELP = "up/down choose   enter open   s sort   h hold/release   r restart   q leave"

_LOG_LINES_MAX = 200
_AROUND = 6  # lines of the screen that are neither table nor log

Key = Callable[[Service, Table | None, Table], tuple[float | str, ...]]


def _by_cpu(service: Service, before: Table | None, table: Table) -> tuple[float | str, ...]:
    return (-(cpu_percent(service, table, before) or 0), service.name)


SORTS: dict[str, Key] = {
    "start": lambda *_: (),
    "cpu": _by_cpu,
    "name": lambda service, *_: (service.name,),
    "priority": lambda service, *_: (service.priority, service.name),
    "restarts": lambda service, *_: (-service.restarts, service.name),
    "memory": lambda service, *_: (-service.memory_bytes, service.name),
    "queue": lambda service, *_: (-service.queue - service.clients, service.name),
}
"""The orders, each by its name; `start` is the one the board has."""


def ordered(table: Table, before: Table | None, order: str) -> Table:
    """Return the table with its services in one of the orders of `SORTS`."""
    key = SORTS[order]
    services = sorted(table.services, key=lambda service: key(service, before, table))
    return replace(table, services=tuple(services))


class TopViewer:
    """Shows the newest table, the chosen service and the last lines. A context manager.

    `chosen` is the service that keys act on. `open` keeps its last fault's text on the screen.
    """

    def __init__(self, *, order: str = "cpu", out: Console | None = None) -> None:
        self.order = order
        self._chosen = ""
        self._hello: Hello | None = None
        self._table: Table | None = None
        self._before: Table | None = None
        self._opened: tuple[str, str] | None = None
        self._notice = ""
        self._lines: deque[str] = deque(maxlen=_LOG_LINES_MAX)
        self._live = Live(console=out or console(), auto_refresh=False, screen=True)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._live.__exit__(kind, error, traceback)

    # What comes from the board

    def show_board(self, hello: Hello) -> None:
        """Take who answers."""
        self._hello = hello
        self._table = self._before = None

    def show_table(self, table: Table) -> None:
        """Put the table in place of the last one."""
        self._before, self._table = self._table, table
        self._refresh()

    def show_line(self, line: str) -> None:
        """Add a line to the log."""
        self._lines.append(line)

    def show_notice(self, text: str) -> None:
        """Show a sentence until the next one."""
        self._notice = text
        self._refresh()

    # What comes from the keyboard

    @property
    def chosen(self) -> Service | None:
        """The service that is marked; the first where the one chosen is gone."""
        table = self._ordered()
        if table is None or not table.services:
            return None
        return table.named(self._chosen) or table.services[0]

    @property
    def is_open(self) -> bool:
        """True while a service's last fault is shown."""
        return self._opened is not None

    def choose_next(self, step: int) -> None:
        """Mark another service, `step` lines below."""
        table, chosen = self._ordered(), self.chosen
        if table is None or chosen is None:
            return
        index = table.names.index(chosen.name) + step
        self._chosen = table.names[min(max(index, 0), len(table.names) - 1)]
        self._refresh()

    def sort_next(self) -> None:
        """Take the next order."""
        names = list(SORTS)
        self.order = names[(names.index(self.order) + 1) % len(names)]
        self._refresh()

    def open(self, service: Service, fault_text: str) -> None:
        """Show what there is to know of a service."""
        self._opened = (service.name, fault_text)
        self._refresh()

    def close(self) -> None:
        """Show the log again."""
        self._opened = None
        self._refresh()

    # The picture

    def _ordered(self) -> Table | None:
        if self._table is None:
            return None
        return ordered(self._table, self._before, self.order)

    def _refresh(self) -> None:
        self._live.update(self._picture(), refresh=True)

    def _picture(self) -> RenderableType:
        table = self._ordered()
        if table is None:
            return Text(self._notice or "waiting for the board")
        size = self._live.console.size
        chosen = self.chosen
        made = grid(table, previous=self._before, width=size.width)
        for row, service in zip(made.rows, table.services, strict=True):
            if chosen is not None and service.name == chosen.name:
                row.style = f"{row.style or ''} reverse"
        head = [title(self._hello, table)] if self._hello is not None else []
        room = max(size.height - len(table.services) - _AROUND, 0)
        foot = Text(f"sorted by {self.order}   {HELP}", style="dim", no_wrap=True)
        return Group(*head, made, Text(""), *self._below(table, room), Text(self._notice), foot)

    def _below(self, table: Table, room: int) -> list[Text]:
        if self._opened is None or not room:
            lines = list(self._lines)[-room:] if room else []
            return [log_text(line) for line in lines]
        name, fault_text = self._opened
        service = table.named(name)
        lines = _facts(service) if service is not None else [f"{name} is gone"]
        lines += fault_text.splitlines() or ["no fault of it is kept"]
        return [Text(line, no_wrap=True) for line in lines[:room]]


def _facts(service: Service) -> list[str]:
    state = "held or down" if service.state in STOPPED_STATES else service.state
    waits = f", waits for {service.waits_for}" if service.waits_for else ""
    return [
        f"{service.name}: {state}{waits}, generation {service.generation}, "
        f"{service.steps} steps, {service.clients} clients, {service.queue} queued, "
        f"{service.dropped} dropped",
    ]
