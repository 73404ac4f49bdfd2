"""Two ways to watch a board: a table that stays below a scrolling log, and plain lines."""

import re
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from bulkhead_host.link.services import Hello, Table, gained_ms
from bulkhead_host.messages import teller
from bulkhead_host.view.services import changes, console, grid, losses_text, seconds, title

_LEVEL = re.compile(r"\s*\d+\.\d{3} ([DIWE*]) ")
_LEVEL_STYLES = {"D": "dim", "I": "", "W": "yellow", "E": "red", "*": "bold"}


def log_text(line: str) -> Text:
    """Return a line of the board's, coloured by its level and free of control characters."""
    match = _LEVEL.match(line)
    clean = "".join(letter if letter.isprintable() or letter == "\t" else "?" for letter in line)
    return Text(clean, style=_LEVEL_STYLES[match[1]] if match else "")


def _news(before: Table, after: Table) -> list[str]:
    """Return a line for all that changed between two tables: services, and losses of the line."""
    lines = changes(before, after)
    if gained_ms(before.uptime_ms, after.uptime_ms) >= 0:  # it is the same run
        lost = losses_text(after.losses, before.losses)
        lines += [f"{seconds(after.uptime_ms):>9} * {lost}"] if lost else []
    return lines


class PlainViewer:
    """Prints the table once, then each log line and each change as it comes."""

    def __init__(self, *, out: Console | None = None, notices: Console | None = None) -> None:
        self._out = out or console()
        self._notices = notices
        self._hello: Hello | None = None
        self._table: Table | None = None

    def show_board(self, hello: Hello) -> None:
        """Take who answers; its table is printed when it comes."""
        self._hello = hello
        self._table = None

    def show_table(self, table: Table) -> None:
        """Print the first table whole, and of later ones what changed."""
        if self._table is None:
            if self._hello is not None:
                self._out.print(title(self._hello, table))
            self._out.print(grid(table, width=self._out.width))
        else:
            for line in _news(self._table, table):
                self.show_line(line)
        self._table = table

    def show_line(self, line: str) -> None:
        """Print a line."""
        self._out.print(log_text(line), soft_wrap=True)

    def show_notice(self, text: str) -> None:
        """Print a sentence for a person."""
        if self._notices is not None:
            self._notices.print(f"bulkhead: {text}", soft_wrap=True)
        else:
            teller("bulkhead")(text)


class LiveViewer:
    """Keeps the newest table at the bottom of the terminal, and lets the log scroll above it.

    A context manager: the terminal is its own between enter and exit.
    """

    def __init__(self, *, out: Console | None = None, hint: str = "Ctrl-C leaves") -> None:
        self._hint = hint
        self._hello: Hello | None = None
        self._table: Table | None = None
        self._previous: Table | None = None
        self._notice = ""
        self._live = Live(console=out or console(), auto_refresh=False, transient=False)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._hint = ""
        self._live.update(self._picture())
        self._live.stop()

    def show_board(self, hello: Hello) -> None:
        """Take who answers, for the line above the table."""
        self._hello = hello
        self._table = self._previous = None

    def show_table(self, table: Table) -> None:
        """Put the table in place of the last one, and what changed into the log."""
        self._previous, self._table = self._table, table
        self._notice = ""
        if self._previous is not None:
            for line in _news(self._previous, table):
                self.show_line(line)
        self._live.update(self._picture(), refresh=True)

    def show_line(self, line: str) -> None:
        """Print a line above the table."""
        self._live.console.print(log_text(line), soft_wrap=True)

    def show_notice(self, text: str) -> None:
        """Print a sentence above the table, and keep it below until a table comes."""
        self._notice = text
        self._live.console.print(Text(f"bulkhead: {text}", style="bold"), soft_wrap=True)
        self._live.update(self._picture(), refresh=True)

    def _picture(self) -> RenderableType:
        parts: list[RenderableType] = [Text("")]
        if self._table is not None:
            if self._hello is not None:
                parts.append(title(self._hello, self._table))
            width = self._live.console.width
            parts.append(grid(self._table, previous=self._previous, width=width))
        if self._notice or self._hint:
            parts.append(Text(self._notice or self._hint, style="dim"))
        return Group(*parts)
