"""The kernel's trace, read over the link: records of steps, interrupts and faults.

The board keeps the newest records in a ring; positions count them from boot, so what was lost
between two readings shows. Reading makes records of its own.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bulkhead_host import abi
from bulkhead_host.errors import BulkheadError, DeviceTimeout
from bulkhead_host.link.client import Client
from bulkhead_host.link.services import Capability, parse_trace

_PIECES_MAX = 64  # that a ring holds, read when the time is over
_PAUSE_MIN_S = 0.002
_PAUSE_MAX_S = 0.064
_FEW = 24
_MANY = 40
_STILL_S = 30.0  # in which the slowest board gains a millisecond
_HALF = abi.CPU_US_MODULUS // 2


@dataclass(frozen=True, kw_only=True)
class Record:
    """One record. `time_us` counts from the first one's; `repeats` how often it came again.

    `event` is one of `abi.EVENT_...`, and says what `detail` is; `task` counts from 1, 0 is none.
    """

    position: int
    time_us: int
    event: int
    task: int
    detail: int
    repeats: int


@dataclass(frozen=True, kw_only=True)
class Trace:
    """Records in their order, and what the numbers in them stand for.

    `names` are the services in start order, `capabilities` those of each by its name. `begun_us`
    is the board's clock at the first record, modulo `abi.CPU_US_MODULUS`.
    """

    records: tuple[Record, ...] = ()
    names: tuple[str, ...] = ()
    capabilities: Mapping[str, tuple[Capability, ...]] = field(default_factory=dict)
    begun_us: int | None = None

    @property
    def lost(self) -> int:
        """How many records are missing between the first and the last."""
        if not self.records:
            return 0
        return self.records[-1].position - self.records[0].position + 1 - len(self.records)


def collect(
    client: Client,
    *,
    seconds: float,
    tell_lost: Callable[[int], None] | None = None,
    once_read: Callable[[], None] | None = None,
) -> Trace:
    """Read what the ring holds, and what comes in a time of the board's clock.

    The pause between two questions follows what they bring: the ring should be half full.
    `tell_lost` gets the sum of what was lost whenever it grows. `once_read` is called when what
    the ring held has been read, if there is a time to go on for. Raises `DeviceTimeout` where the
    board's clock stands still.
    """
    words: list[tuple[int, int, int]] = []
    position = lost = new = drained = 0
    pause_s = _PAUSE_MIN_S
    clock_s = client.transport.clock_s
    until_s = clock_s() + seconds
    moved_s, least_s = clock_s(), seconds
    begun_ms = client.hello().uptime_ms if seconds else 0
    while True:
        first, found = parse_trace(client.trace(position % abi.POSITION_MODULUS))
        skipped = (first - position) % abi.POSITION_MODULUS
        if skipped and words:
            lost += skipped
            if tell_lost is not None:
                tell_lost(lost)
        position = position + skipped if words else first
        words += [(position + index, *record) for index, record in enumerate(found)]
        position += len(found)
        new += len(found)
        if len(found) == abi.TRACE_READ_MAX and drained < _PIECES_MAX:
            drained += clock_s() >= until_s
            continue
        if once_read is not None and clock_s() < until_s:
            once_read()
            once_read = None
            continue
        if clock_s() >= until_s:
            left_s = _left_s(client, begun_ms, seconds)
            if left_s <= 0:
                break
            if left_s < least_s:
                moved_s, least_s = clock_s(), left_s
            if clock_s() - moved_s > _STILL_S:
                raise DeviceTimeout(
                    "the board answers, and its clock stands still", "bulkhead reset"
                )
            until_s = clock_s() + client.pace.line_s(left_s)
        pause_s = _next_pause(pause_s, new)
        new = 0
        client.listen(min(pause_s, until_s - clock_s()))
    names = tuple(client.table().names)
    return Trace(
        records=tuple(records(words)),
        names=names,
        capabilities=client.all_capabilities(names),
        begun_us=words[0][1] if words else None,
    )


def _left_s(client: Client, begun_ms: int, seconds: float) -> float:
    """Return how much of a time is left by the board's clock; 0 where the board was reset."""
    if not seconds:
        return 0
    passed_ms = client.hello().uptime_ms - begun_ms
    return seconds - passed_ms / 1000 if passed_ms >= 0 else 0


def _next_pause(pause_s: float, new: int) -> float:
    if new > _MANY:
        return max(pause_s / 2, _PAUSE_MIN_S)
    return min(pause_s * 2, _PAUSE_MAX_S) if new < _FEW else pause_s


def records(words: Iterable[Sequence[int]]) -> list[Record]:
    """Return records made of position, time modulo `abi.CPU_US_MODULUS` and what, each.

    An interrupt's time is when the line fired, which may be before the record ahead of it.
    """
    found: list[Record] = []
    time_us = before = 0
    for position, now, what in words:
        if found:
            time_us += (now - before + _HALF) % abi.CPU_US_MODULUS - _HALF
        before = now
        found.append(
            Record(
                position=position,
                time_us=time_us,
                event=what >> 20 & 15,
                task=what >> 13 & 127,
                detail=what & 0x1FFF,
                repeats=what >> 24,
            )
        )
    return found


def name_of(task: int, names: Sequence[str]) -> str:
    """Return the service of that number, or words for a number that none has."""
    if task == 0:
        return "kernel"
    return names[task - 1] if task <= len(names) else f"task {task}"


def check_not_empty(trace: Trace) -> None:
    """Raise `BulkheadError` when there is nothing to show."""
    if not trace.records:
        raise BulkheadError("the trace is empty", "trace a board, or take its dump again")
