"""Who ran when, read from a trace: slices, instants, and arrows from calls to replies.

A step's record tells when it ended; its task ran from the record before. A task that is preempted
has its step in pieces. A record names neither the server of a call nor the client of a reply, so
an arrow is found from the order: a client goes on when it has its reply, from a service that its
capabilities let it call. Where several of one server's clients wait at once, their arrows may be
exchanged.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bulkhead_host import abi
from bulkhead_host.link.trace import Record, Trace

_RAN_INTO = (abi.EXCEPTION, abi.MEMORY, abi.RETURNED)
_REPLIES = (abi.REPLY, abi.REPLY_RECV)
_OUT_OF_STEP = (abi.EVENT_FAULT, abi.EVENT_OVERRAN)


@dataclass(frozen=True, kw_only=True)
class Slice:
    """A time that a task ran, from `start_us` to `end_us`; `name` is what its step ended with.

    A step has one piece for each time it was not preempted; `piece` counts from 1. `repeats` is
    how many more such steps are in it, `operation` the number of what it called.
    """

    task: int
    name: str
    start_us: int
    end_us: int
    piece: int = 1
    pieces: int = 1
    repeats: int = 0
    operation: int | None = None


@dataclass(frozen=True, kw_only=True)
class Instant:
    """What happened to a task at one moment; task 0 is the kernel."""

    task: int
    name: str
    time_us: int


@dataclass(frozen=True, kw_only=True)
class Arrow:
    """A call that was answered: the slice that ended with it, and the one with the reply."""

    call: Slice
    reply: Slice


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """What a trace shows. `unanswered` calls were still waiting, timed out or failed."""

    names: Sequence[str]
    slices: Sequence[Slice]
    instants: Sequence[Instant]
    arrows: Sequence[Arrow]
    unanswered: int


def timeline(trace: Trace) -> Timeline:
    """Return what a trace shows, records in their order."""
    reader = _Reader(_servers(trace))
    for record in trace.records:
        reader.take(record)
    reader.cut()
    return Timeline(
        names=trace.names,
        slices=reader.slices,
        instants=sorted(reader.instants, key=lambda instant: instant.time_us),
        arrows=reader.arrows,
        unanswered=reader.unanswered,
    )


def _servers(trace: Trace) -> dict[int, set[int]]:
    """Return whom each task may call, by number."""
    numbers = {name: number for number, name in enumerate(trace.names, 1)}
    return {
        numbers[name]: {one.task for one in found if one.rights & abi.MAY_CALL and one.task}
        for name, found in trace.capabilities.items()
        if name in numbers
    }


def step_name(detail: int) -> str:
    """Return the name of a step by the trap that ended it: `call 2`, `reply OK`, `recv`."""
    trap = detail & abi.TRAP_MASK
    name = abi.TRAP_NAMES.get(trap, f"trap {trap}")
    operation = detail & abi.OPERATION_MASK
    if trap in _REPLIES:
        return f"{name} {abi.status_name(operation)}"
    return f"{name} {operation}" if operation else name


@dataclass
class _Reader:
    """Follows the records. `last_us` is when what runs now began, None when that is not known."""

    servers: Mapping[int, set[int]]
    slices: list[Slice] = field(default_factory=list)
    instants: list[Instant] = field(default_factory=list)
    arrows: list[Arrow] = field(default_factory=list)
    unanswered: int = 0
    last: Record | None = None
    last_us: int | None = None
    pieces: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    calls: dict[int, Slice] = field(default_factory=dict)
    replies: dict[int, list[Slice]] = field(default_factory=dict)

    def take(self, record: Record) -> None:
        if self.last is not None and record.position != self.last.position + 1:
            self._lose(record, record.position - self.last.position - 1)
        if record.event == abi.EVENT_STEP:
            self._step(record)
        elif record.event == abi.EVENT_ENTERED:
            self._entered(record)
        elif record.event == abi.EVENT_FAULT:
            self._fault(record)
        elif record.event == abi.EVENT_OVERRAN:
            self._ends(record, "overran")
            self._tell(record, "overran its budget")
        elif record.event == abi.EVENT_INTERRUPT:
            self._tell(record, f"interrupt of line {record.detail}")
        elif record.event == abi.EVENT_STARTED:
            self._tell(record, "started")
        if record.event != abi.EVENT_INTERRUPT:  # its time is when the line fired
            self.last_us = record.time_us
        self.last = record

    def cut(self) -> None:
        """End what has not ended: the records are over, or some are missing."""
        for task in list(self.pieces):
            self._emit(task, "preempted")
        self.unanswered += len(self.calls)
        self.calls.clear()
        self.replies.clear()
        self.last_us = None

    def _lose(self, record: Record, count: int) -> None:
        self.cut()
        self.instants.append(Instant(task=0, name=f"{count} records lost", time_us=record.time_us))

    def _tell(self, record: Record, words: str) -> None:
        self.instants.append(Instant(task=record.task, name=words, time_us=record.time_us))

    def _step(self, record: Record) -> None:
        trap = record.detail & abi.TRAP_MASK
        operation = record.detail & abi.OPERATION_MASK if trap == abi.CALL else None
        began = self._ends(record, step_name(record.detail), operation)
        if record.task in self.calls:
            self._answered(record.task, began)
        if trap == abi.CALL:
            self.calls[record.task] = self.slices[-1]
        elif trap in _REPLIES:
            self.replies.setdefault(record.task, []).append(self.slices[-1])

    def _entered(self, record: Record) -> None:
        goes_on = self.last is not None and self.last.event in _OUT_OF_STEP
        if record.task and not goes_on and self.last_us is not None:
            self._add_piece(record)

    def _fault(self, record: Record) -> None:
        if record.detail in _RAN_INTO:
            self._ends(record, "fault")
        else:
            self._emit(record.task, "fault")
        self._tell(record, abi.fault_name(record.detail))
        if self.calls.pop(record.task, None) is not None:
            self.unanswered += 1

    def _add_piece(self, record: Record) -> None:
        began = record.time_us if self.last_us is None else self.last_us
        piece = (min(began, record.time_us), record.time_us)
        self.pieces.setdefault(record.task, []).append(piece)

    def _ends(self, record: Record, name: str, operation: int | None = None) -> int:
        """Make slices of a step that has ended, and return when it had begun."""
        self._add_piece(record)
        began = self.pieces[record.task][0][0]
        self._emit(record.task, name, repeats=record.repeats, operation=operation)
        return began

    def _emit(
        self, task: int, name: str, *, repeats: int = 0, operation: int | None = None
    ) -> None:
        pieces = self.pieces.pop(task, [])
        self.slices += [
            Slice(
                task=task,
                name=name,
                start_us=start,
                end_us=end,
                piece=number,
                pieces=len(pieces),
                repeats=repeats,
                operation=operation,
            )
            for number, (start, end) in enumerate(pieces, 1)
        ]

    def _answered(self, client: int, went_on_us: int) -> None:
        """Find the reply to a client's call: the one it went on with, or else the oldest."""
        call = self.calls.pop(client)
        found = [
            reply
            for server in self.servers.get(client, self.replies.keys())
            for reply in self.replies.get(server, [])
            if call.end_us <= reply.start_us and reply.end_us <= went_on_us
        ]
        if not found:
            self.unanswered += 1
            return
        found.sort(key=lambda reply: reply.end_us)
        reply = found[-1] if found[-1].end_us == went_on_us else found[0]
        self.replies[reply.task].remove(reply)
        self.arrows.append(Arrow(call=call, reply=reply))
