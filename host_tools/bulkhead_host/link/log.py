"""The lines of a board's log, as the console service writes them, and which of them are wanted.

    SECONDS.MILLISECONDS LEVEL SERVICE: TEXT

A line of another form, such as one of a traceback, belongs to the line before it.
"""

import re
from dataclasses import dataclass

LEVELS = "DIWE"
"""From debug to error."""

_LINE = re.compile(r"\s*(\d+)\.(\d{3}) ([DIWE]) (\w+): (.*)")
_ABOUT_OTHERS = "supervisor"


@dataclass(frozen=True, kw_only=True)
class LogLine:
    """One record. `uptime_ms` is the time on the board, `level` one letter of `LEVELS`."""

    uptime_ms: int
    level: str
    service: str
    text: str

    def is_about(self, name: str) -> bool:
        """Tell whether it is from the service `name`, or the supervisor's about it."""
        return self.service == name or (
            self.service == _ABOUT_OTHERS and self.text.startswith(f"{name} ")
        )


def parse_line(line: str) -> LogLine | None:
    """Return the record that a line of output is, None when it is none."""
    match = _LINE.fullmatch(line)
    if match is None:
        return None
    seconds, milliseconds, level, service, text = match.groups()
    return LogLine(
        uptime_ms=1000 * int(seconds) + int(milliseconds), level=level, service=service, text=text
    )


class LogFilter:
    """Tells of each line whether it is wanted: from any of `services`, at least of `level`."""

    def __init__(self, *, services: tuple[str, ...] = (), level: str = LEVELS[0]) -> None:
        self.services = services
        self._levels = LEVELS[LEVELS.index(level) :]
        self._wants_last = not services and level == LEVELS[0]

    def wants(self, line: str) -> bool:
        """Take the next line."""
        record = parse_line(line)
        if record is not None:
            is_from = not self.services or any(map(record.is_about, self.services))
            self._wants_last = is_from and record.level in self._levels
        return self._wants_last
