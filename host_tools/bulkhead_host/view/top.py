"""The live screen of `bulkhead top`: totals, services sorted and chosen with keys, and the log.

It fits a terminal of 80 by 24: the table scrolls with the service that is chosen, and leaves the
log its lines.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Self

from rich.console import Console, Group, JustifyMethod, RenderableType
from rich.live import Live
from rich.table import Table as Grid
from rich.text import Text

from bulkhead_host.link.services import Hello, Service, Table
from bulkhead_host.view.monitor import log_text
from bulkhead_host.view.services import (
    STOPPED_STATES,
    console,
    cpu_percent,
    row_style,
    safe_text,
    title,
)

HELP = "enter open  h hold  r restart  ? help  q leave"
HELP_LINES = (
    "up, down, j, k   choose a service; the table scrolls with it",
    "enter            open it: what it waits for, and its last fault; again to close",
    "s                sort by the next of start, cpu, name, priority, restarts,",
    "                 memory and queue",
    "h                hold it: stopped until h releases it",
    "r                restart it, which counts as no fault",
    "?                this, and away again",
    "q                leave; the board goes on",
    "",
    "CPU is the share of the time since the last table. (2) behind a priority is the",
    "one lent by who waits. (safe): its outputs are in their safe state. Red is down,",
    "yellow has failed before. Heap, flash and chip are read every 10 s.",
)

_LOG_LINES_MAX = 200
_LOG_LINES_MIN = 4
_AROUND = 7  # lines of the screen that are neither table nor log
_BAR = 8  # columns of a bar
_EIGHTHS = " ▏▎▍▌▋▊▉"
_WIDE = 100  # columns from which there is more to a service

# A column, and the narrowest terminal that shows it.
_COLUMNS = {
    "NAME": 0, "PRI": 0, "STATE": 0, "CPU %": 0, "": 0, "GEN": 0, "RST": 0, "FAULT": 0,
    "QUEUE": _WIDE, "CLIENTS": _WIDE, "MEMORY": _WIDE, "WAITS FOR": 0,
}  # fmt: skip
_RIGHT = frozenset({"PRI", "CPU %", "GEN", "RST", "QUEUE", "CLIENTS", "MEMORY"})

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


def bar(percent: float, columns: int = _BAR) -> str:
    """Return a bar of so many columns that is full at 100 %, to the eighth of a column."""
    eighths = round(min(max(percent, 0), 100) / 100 * columns * 8)
    part = _EIGHTHS[eighths % 8] if eighths % 8 else ""
    return ("█" * (eighths // 8) + part).ljust(columns)


def totals(table: Table, before: Table | None) -> str:
    """Return the line of sums: the processor's, and how the services are."""
    shares = [cpu_percent(service, table, before) for service in table.services]
    known = [share for share in shares if share is not None]
    cpu = f"CPU {sum(known):5.1f} % {bar(sum(known))}" if known else "CPU   ...".ljust(20)
    down = [one for one in table.services if one.state in STOPPED_STATES - {"held"}]
    down = [one for one in down if not one.is_done]
    held = [one for one in table.services if one.state == "held"]
    words = [f"{len(table.services)} services"]
    words += [f"{len(down)} down"] if down else []
    words += [f"{len(held)} held"] if held else []
    restarts = sum(one.restarts for one in table.services)
    words += [f"{restarts} restarts"]
    return f"{cpu}  {', '.join(words)}"


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
        self._facts = ""
        self._has_help = False
        self._first = 0  # row of the table that is the first on the screen
        self._notice = ""
        self._lines: deque[str] = deque(maxlen=_LOG_LINES_MAX)
        self._live = Live(console=out or console(), auto_refresh=False, screen=True)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    # What comes from the board

    def show_board(self, hello: Hello) -> None:
        """Take who answers."""
        self._hello = hello
        self._table = self._before = None

    def show_table(self, table: Table) -> None:
        """Put the table in place of the last one."""
        self._before, self._table = self._table, table
        self._refresh()

    def show_facts(self, line: str) -> None:
        """Take what the board says of its heap, its flash, its warmth and its last reset."""
        self._facts = line

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
    def table(self) -> Table | None:
        """The newest table of the board; None until it comes."""
        return self._table

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

    def turn_help(self) -> None:
        """Show what the keys do in place of the log, or the log again."""
        self._has_help = not self._has_help
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
        wanted = len(HELP_LINES) if self._has_help else _LOG_LINES_MIN
        rows = max(size.height - _AROUND - wanted, 3)
        self._scroll(table, rows)
        window = table.services[self._first : self._first + rows]
        head = [title(self._hello, table)] if self._hello is not None else [Text("")]
        head.append(Text(totals(table, self._before), no_wrap=True))
        head.append(Text(self._facts, no_wrap=True, overflow="ellipsis"))
        made = self._grid(table, window, size.width)
        room = max(size.height - len(window) - _AROUND, 0)
        seen = f"{self._first + 1}-{self._first + len(window)} of {len(table.services)}, "
        seen = seen if len(window) < len(table.services) else ""
        foot = Text(f"{seen}sorted by {self.order}  {HELP}", style="dim", no_wrap=True)
        return Group(*head, made, Text(""), *self._below(table, room), Text(self._notice), foot)

    def _scroll(self, table: Table, rows: int) -> None:
        """Move the window so that the chosen service is in it, and no row is wasted."""
        index = table.names.index(self.chosen.name) if self.chosen is not None else 0
        self._first = min(max(self._first, index - rows + 1), index)
        self._first = max(min(self._first, len(table.services) - rows), 0)

    def _grid(self, table: Table, window: Sequence[Service], width: int) -> Grid:
        made = Grid(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
        shown = [name for name, least in _COLUMNS.items() if width >= least]
        least = {"NAME": max(len(name) for name in table.names)}  # it stays as one scrolls
        for name in shown:
            justify: JustifyMethod = "right" if name in _RIGHT else "left"
            made.add_column(name, justify=justify, no_wrap=True, min_width=least.get(name))
        chosen = self.chosen
        for service in window:
            cells = _cells(service, cpu_percent(service, table, self._before))
            is_chosen = chosen is not None and service.name == chosen.name
            style = f"{row_style(service)}{' reverse' if is_chosen else ''}".strip()
            made.add_row(*(cells[name] for name in shown), style=style)
        return made

    def _below(self, table: Table, room: int) -> list[Text]:
        if self._has_help:
            return [Text(line, no_wrap=True) for line in HELP_LINES[:room]]
        if self._opened is None or not room:
            lines = list(self._lines)[-room:] if room else []
            return [log_text(line) for line in lines]
        name, fault_text = self._opened
        service = table.named(name)
        lines = _facts(service) if service is not None else [f"{name} is gone"]
        lines += fault_text.splitlines() or ["no fault of it is kept"]
        return [Text(line, no_wrap=True) for line in lines[:room]]


def _cells(service: Service, percent: float | None) -> dict[str, str]:
    is_raised = service.effective_priority != service.priority
    raised = f" ({service.effective_priority})" if is_raised else ""
    safe = "" if service.safe_since_ms is None else " (safe)"
    return {
        "NAME": service.name,
        "PRI": f"{service.priority}{raised}",
        "STATE": f"{service.state}{safe}",
        "CPU %": "" if percent is None else f"{percent:.1f}",
        "": bar(percent or 0),
        "GEN": str(service.generation),
        "RST": str(service.restarts),
        "FAULT": service.fault or "",
        "QUEUE": str(service.queue),
        "CLIENTS": str(service.clients),
        "MEMORY": str(service.memory_bytes),
        "WAITS FOR": service.waits_for or "",
    }


def _facts(service: Service) -> list[str]:
    waits = f", waits for {service.waits_for}" if service.waits_for else ""
    safe = f", outputs {safe_text(service)}" if service.safe_since_ms is not None else ""
    return [
        f"{service.name}: {service.state}{waits}{safe}, generation {service.generation}, "
        f"{service.steps} steps, {service.clients} clients, {service.queue} queued, "
        f"{service.dropped} dropped",
    ]
