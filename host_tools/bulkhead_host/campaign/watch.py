"""Watches a board's trace for what a fault does: marks, faults, starts, first steps."""

from collections.abc import Iterator, Sequence

from bulkhead_host import abi
from bulkhead_host.errors import DeviceTimeout
from bulkhead_host.link.client import Client, NoSuchTarget
from bulkhead_host.link.services import parse_trace
from bulkhead_host.link.trace import Record, name_of, records

_NOTABLE = (abi.EVENT_FAULT, abi.EVENT_STARTED, abi.EVENT_OVERRAN)
_TOLD_MAX = 16
_PIECES_MAX = 64  # at a time: more than a ring holds


class Watch:
    """What has happened since `begin`. Times are microseconds from the order."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._words: list[tuple[int, int, int]] = []
        self._position = 0
        self._before = 0  # words of before `begin`
        self._records: list[Record] | None = None
        self.lost = 0

    def begin(self) -> None:
        """Read all that is there, and keep the newest record only: its time is the order's."""
        self.look()
        self._words = self._words[-1:]
        self._before = len(self._words)
        self._records = None
        self.lost = 0

    def look(self) -> None:
        """Read what is new; an answer that does not come is looked for next time."""
        try:
            for _ in range(_PIECES_MAX):
                first, found = parse_trace(self._client.trace(self._position))
                if self._words and first > self._position:
                    self.lost += first - self._position
                self._words += [(first + index, *one) for index, one in enumerate(found)]
                self._position = first + len(found)
                self._records = None
                if len(found) < abi.TRACE_READ_MAX:
                    return
        except (DeviceTimeout, NoSuchTarget):
            return

    @property
    def base_us(self) -> int:
        """What the board's timer said, modulo `abi.CPU_US_MODULUS`, at time 0 of the records."""
        return self._words[0][1] if self._words else 0

    @property
    def records(self) -> Sequence[Record]:
        """What was read since `begin`, the newest record before that included."""
        if self._records is None:
            self._records = records(self._words)
        return self._records

    def mark_us(self, task: int) -> int | None:
        """Return when a task began to misbehave in a way that faults nobody."""
        detail = abi.YIELD | abi.MARK_OPERATION
        for one in self.records:
            if (one.event, one.task, one.detail) == (abi.EVENT_STEP, task, detail):
                return one.time_us
        return None

    def faults(self) -> list[tuple[int, int, str]]:
        """Return when which tasks have faulted, and how, in order."""
        return [
            (one.time_us, one.task, abi.fault_name(one.detail))
            for one in self.records
            if one.event == abi.EVENT_FAULT
        ]

    def running_us(self, task: int, starts: int) -> int | None:
        """Return when a task made its first step after as many faults, None if it has not."""
        faults = 0
        has_started = False
        for one in self.records:
            if one.task != task:
                continue
            if one.event == abi.EVENT_FAULT:
                faults += 1
                has_started = False
            elif one.event == abi.EVENT_STARTED:
                has_started = True
            elif one.event == abi.EVENT_STEP and has_started and faults >= starts:
                return one.time_us
        return None

    def served_interrupt_us(self, task: int) -> int | None:
        """Return when a driver has made a step for an interrupt, None when it has not."""
        has_fired = False
        for one in self.records:
            if one.task == task and one.event == abi.EVENT_INTERRUPT:
                has_fired = True
            elif one.task == task and one.event == abi.EVENT_STEP and has_fired:
                return one.time_us
        return None

    def told(self, tasks: Sequence[int], names: Sequence[str]) -> tuple[str, ...]:
        """Return the records that tell what became of some tasks, a line each."""
        return tuple(self._told(tasks, names))[:_TOLD_MAX]

    def _told(self, tasks: Sequence[int], names: Sequence[str]) -> Iterator[str]:
        mark = abi.YIELD | abi.MARK_OPERATION
        has_started = set()
        for one in self.records:
            what = ""
            if one.event in _NOTABLE:
                detail = abi.fault_name(one.detail) if one.event == abi.EVENT_FAULT else ""
                what = f"{abi.trace_name(one.event)} {detail}".rstrip()
                if one.event == abi.EVENT_STARTED:
                    has_started.add(one.task)
            elif one.task in tasks and one.event == abi.EVENT_STEP:
                if one.detail == mark:
                    what = "misbehaves"
                elif one.task in has_started:
                    has_started.remove(one.task)
                    what = "first step"
            elif one.task in tasks and one.event == abi.EVENT_INTERRUPT:
                what = "interrupt"
            if what:
                yield f"{one.time_us / 1000:+.3f} ms {name_of(one.task, names)} {what}"
        if self.lost:
            yield f"{self.lost} records of the trace were not read in time"
