"""A recording of a board: its trace, with what its services looked like and said meanwhile."""

from collections.abc import Sequence
from dataclasses import dataclass

from bulkhead_host import abi
from bulkhead_host.link.client import Client
from bulkhead_host.link.log import LogLine, parse_line
from bulkhead_host.link.services import Hello, Table
from bulkhead_host.link.trace import Trace, collect

_AFTER_US = 1_000_000
_SERVICES_MAX = 12
"""Services in a table of at most 50 steps: the ring has 64 records."""
_HALF = abi.CPU_US_MODULUS // 2


@dataclass(frozen=True, kw_only=True)
class Recording:
    """What was recorded. `tables` are from the beginning and the end, `lines` may be older.

    The steps of reading a table push others out of the board's ring: so the first is read once
    what the ring held has been, and only where the ring has room for those steps.
    """

    hello: Hello
    trace: Trace
    tables: tuple[Table, ...] = ()
    lines: tuple[LogLine, ...] = ()

    def since_first_us(self, uptime_ms: int) -> int | None:
        """Return the microseconds from the first record to an uptime of the board.

        None where that is not known, or outside the recording, a moment after its end apart. The
        trace's clock comes round every 18 minutes.
        """
        records = self.trace.records
        if not records or self.trace.begun_us is None:
            return None
        passed_us = (1000 * uptime_ms - self.trace.begun_us + _HALF) % abi.CPU_US_MODULUS - _HALF
        end_us = records[-1].time_us
        return min(passed_us, end_us) if 0 <= passed_us <= end_us + _AFTER_US else None


def record(client: Client, *, seconds: float, said: Sequence[str] = ()) -> Recording:
    """Record a board for a time of its clock.

    `said` are the lines of output so far; it grows meanwhile, by the client's `on_output`.
    """
    hello = client.hello()
    tables: list[Table] = []

    def read_table() -> None:
        if hello.services <= _SERVICES_MAX:
            tables.append(client.table())

    trace = collect(client, seconds=seconds, once_read=read_table)
    tables.append(client.table())
    lines = (parse_line(line) for line in said)
    return Recording(
        hello=hello,
        trace=trace,
        tables=tuple(tables),
        lines=tuple(line for line in lines if line is not None),
    )
