"""Asks a board's console service, over any transport.

A request that gets no answer is sent again: the line may lose bytes, and reading twice harms
nobody. An injection is sent once only, as it would be done twice. An answer is known by its
request's sequence number, so a late one, or one for a program that had the port before, is
never taken for another's.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from random import Random
from typing import Any, TypeVar

from bulkhead_host import abi
from bulkhead_host.errors import BulkheadError, DeviceTimeout, NotPermitted, UsageError
from bulkhead_host.link.frames import Frame, FrameParser, Output
from bulkhead_host.link.pace import Pace
from bulkhead_host.link.services import (
    Capability,
    Fault,
    Hello,
    Table,
    malformed,
    parse_capabilities,
    parse_fault,
    parse_hello,
    parse_result,
    parse_table,
    printable,
    refusal,
)
from bulkhead_host.link.session import Authority, Opening, Refused, Sent
from bulkhead_host.link.transport import Transport

_T = TypeVar("_T")

ANSWER_TIMEOUT_S = 2.0
"""Silence after which a request counts as lost."""

ATTEMPTS = 3

ATTEND_S = 0.1
"""How often a watch lets its caller look after other things."""

_RECENT_LINES = 32
_WATCH_LEASE_MS = 5000
_VALUE_BYTES_MAX = 256
_TEXT_BYTES_MAX = 32_768  # of a fault: a board keeps some 4 KB
_FRAMES_MAX = 300  # of an answer: a table has one for each service, and its end
_WATCH_LEASE_MS_MAX = 0xFFFF


class NoSuchTarget(BulkheadError):
    """The board knows no such service, or it is in no state for what was asked."""


class UpdateRefused(BulkheadError):
    """The board did not take an update, and has changed nothing."""


class _Incomplete(Exception):
    """A frame of an answer was lost: ask again."""


class Client:
    """Talks to one board. Not safe to use from two threads at once.

    `on_output` gets each line of program output and log, as it comes. `first_sequence` fixes
    sequence numbers and nonces, which are random otherwise: for emulated boards that are to do the
    same each time. `key` is the device key; without one it is
    this user's.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        on_output: Callable[[str], None] | None = None,
        timeout_s: float = ANSWER_TIMEOUT_S,
        first_sequence: int | None = None,
        key: bytes | None = None,
    ) -> None:
        self.transport = transport
        self.pace = Pace(transport.clock_s)
        self._parser = FrameParser()
        nonces = os.urandom if first_sequence is None else Random(first_sequence).randbytes
        self._authority = Authority(key, nonces=nonces)
        self._on_output = on_output
        self._timeout_s = timeout_s
        self._sequence = os.urandom(1)[0] if first_sequence is None else first_sequence - 1
        self._recent: deque[str] = deque(maxlen=_RECENT_LINES)
        self._heard_bytes = 0
        self._watch_sequence: int | None = None
        self._watch_frames: list[Frame] = []
        self._watched: deque[Table] = deque()
        self._watch_is_refused = False
        self._watch_sent = Sent(b"")
        self._line = b""

    @property
    def damaged_frames(self) -> int:
        """Frames dropped because the line had damaged them."""
        return self._parser.damaged_frames

    # Requests

    def hello(self) -> Hello:
        """Return who answers. Raise `BulkheadError` when its protocol is another than ours."""
        hello = parse_hello(self._request(abi.HELLO, b"", _one_of(abi.HELLO_IS)))
        if hello.abi != abi.ABI:
            raise BulkheadError(
                f"the board speaks protocol {hello.abi} and this tool {abi.ABI}",
                "flash an image of this tool's version: bulkhead build, bulkhead flash",
            )
        self.pace.note(hello.uptime_ms)
        return hello

    def table(self) -> Table:
        """Return all services as they are now."""
        return self._request(abi.TABLE, b"", _whole_table)

    def inject(self, name: str, kind: str) -> None:
        """Make the service `name` fail in the way `kind`, one of `abi.INJECTION_NAMES`.

        Returns when the kernel has taken the order; the fault comes with the service's next
        step. Raises `NotPermitted` when the board has another key, `NoSuchTarget` when it
        refuses, and `DeviceTimeout` when nothing is
        heard, in which case it may have been done.
        """
        self._order(abi.INJECT, abi.INJECTION_NAMES.index(kind), name, kind)

    def control(self, name: str, verb: str) -> None:
        """Hold, release or restart the service `name`: `verb` is one of `abi.CONTROL_NAMES`.

        None of it is a fault. What is held stays so until it is released, also when the
        supervisor fails; a group is restarted as its strategy says. Raises `NoSuchTarget` when
        the board refuses: what runs cannot be released, what is down cannot be restarted, and
        the supervisor and the console cannot be held.
        """
        self._order(abi.CONTROL, abi.CONTROL_NAMES.index(verb), name, verb)

    def reset(self) -> None:
        """Have the board reset itself; it keeps that this was ordered. Returns before it is back.

        Raises as `inject` does.
        """
        self._order(abi.CONTROL, abi.CONTROL_NAMES.index("reset"), "", "reset")

    def call(
        self, name: str, operation: int, value: object = None, *, timeout_ms: int = 1000
    ) -> tuple[int, object]:
        """Have the console call an operation of a service; return status and answer.

        The status is the service's, `abi.TIMEOUT` when it has not answered within `timeout_ms`,
        or `abi.DEAD`. Raises `NotPermitted` when the board has another key, `NoSuchTarget` when
        it has no such service, `DeviceTimeout` when the board itself does not answer, and
        `UsageError` when `value` is none that a message holds.
        """
        try:
            data = abi.encode_value(value)
        except ValueError as error:
            raise UsageError(str(error), "None, bool, int, float, str, bytes, a tuple") from error
        head = abi.CALL_STRUCT.pack(timeout_ms, operation)
        request = head + name.encode() + b"\0" + data
        if len(data) > _VALUE_BYTES_MAX:
            raise UsageError(
                f"the value takes {len(data)} bytes",
                f"at most {_VALUE_BYTES_MAX} go over the link",
            )
        patience_s = self._timeout_s
        self._timeout_s += timeout_ms / 1000
        try:
            frame = self._request(
                abi.CALL_SERVICE, request, _one_of(abi.RESULT, abi.STATUS), attempts=1
            )
        finally:
            self._timeout_s = patience_s
        if frame.kind == abi.STATUS:
            raise NoSuchTarget(f"the board takes no calls for {name}", "bulkhead ps")
        return parse_result(frame.payload)

    def fault_text(self, name: str) -> str:
        """Return the whole traceback of a service's newest fault, empty when none is kept.

        An empty name stands for the board: what ended its last run.
        """
        text = b""
        while True:
            request = abi.OFFSET_STRUCT.pack(len(text)) + name.encode()
            piece = self._text(abi.FAULT_TEXT, request)
            text += piece
            if not piece or len(text) > _TEXT_BYTES_MAX:
                return printable(text[:_TEXT_BYTES_MAX].decode("utf-8", errors="replace"))

    def fault(self, name: str) -> Fault:
        """Return the record of a service's newest fault, of an empty name that of the board.

        Raises `NoSuchTarget` when none is kept.
        """
        return parse_fault(self._text(abi.FAULT, name.encode()))

    def trace(self, position: int) -> bytes:
        """Return a piece of the trace from `position` on, for `parse_trace`."""
        return self._text(abi.TRACE, abi.POSITION_STRUCT.pack(position))

    def capabilities(self, name: str) -> tuple[Capability, ...]:
        """Return what the service `name` may reach, with the uses of each."""
        return parse_capabilities(self._text(abi.CAPABILITIES, name.encode()))

    def all_capabilities(self, names: Iterable[str]) -> dict[str, tuple[Capability, ...]]:
        """Return the capabilities of each of the named services."""
        return {name: self.capabilities(name) for name in names}

    def update(self, operation: int, data: bytes = b"", *, attempts: int = ATTEMPTS) -> bytes:
        """Have the updater do one step of `abi`'s UPDATE_...; return its answer.

        Raises `UpdateRefused` with the board's own words.
        """
        request = bytes([operation]) + data
        frame = self._request(
            abi.UPDATE, request, _one_of(abi.TEXT, abi.STATUS), attempts=attempts
        )
        if frame.kind == abi.TEXT:
            return frame.payload
        status, why = frame.payload[:1], printable(frame.payload[1:].decode(errors="replace"))
        if status != bytes([abi.OK]):
            raise UpdateRefused(*refusal(status[0] if status else abi.UNKNOWN, why))
        return b""

    def kept_log(self) -> list[str]:
        """Return the lines of the records that the board's logger keeps, the oldest first.

        They stay when they have been printed. Raises `NoSuchTarget` where there is no logger.
        """
        lines: list[str] = []
        number = 0
        while True:
            answer = self._text(abi.LOG, abi.POSITION_STRUCT.pack(number))
            size = abi.POSITION_STRUCT.size
            if len(answer) <= size:
                return lines
            (following,) = abi.POSITION_STRUCT.unpack(answer[:size])
            if following <= number:
                raise BulkheadError("the board's log goes backwards", "bulkhead doctor --port")
            number = following
            lines.append(printable(answer[size:].decode("utf-8", errors="replace")))

    def heap_free(self) -> int:
        """Return the bytes of heap that are free after a collection, which takes up to 40 ms."""
        return int.from_bytes(self._text(abi.HEAP, b"")[:4], "little")

    def watch(
        self,
        *,
        interval_ms: int,
        until_s: float | None = None,
        attend: Callable[[], None] | None = None,
    ) -> Iterator[Table | None]:
        """Have the board send its table every `interval_ms`, and yield each.

        Yields None when one is overdue, so that the caller can say so; the request is then sent
        anew, as it is before its time on the board runs out. Ends at `until_s` of the
        transport's clock. Other requests may be made between two tables, and in `attend`, which
        is called at least every `ATTEND_S`.
        """
        lease_ms = min(max(_WATCH_LEASE_MS, 3 * interval_ms), _WATCH_LEASE_MS_MAX)
        payload = abi.WATCH_STRUCT.pack(interval_ms, lease_ms)
        self._watch_sequence = self._next_sequence()
        patience_s = interval_ms / 1000 + self._timeout_s
        clock_s = self.transport.clock_s
        renew_s = clock_s()
        overdue_s = renew_s + patience_s
        try:
            while until_s is None or clock_s() < until_s:
                if clock_s() >= renew_s:
                    self._watch_sent = self._send(abi.WATCH, payload, self._watch_sequence)
                    renew_s = clock_s() + lease_ms / 2000
                wait_until_s = min(renew_s, overdue_s, *([until_s] if until_s else []))
                if attend is not None:
                    attend()
                    wait_until_s = min(wait_until_s, clock_s() + ATTEND_S)
                self._receive(wait_until_s - clock_s())
                if self._watch_is_refused:
                    self._watch_is_refused = False
                    renew_s = clock_s()
                while self._watched:
                    overdue_s = clock_s() + self.pace.line_s(patience_s)
                    yield self._watched.popleft()
                if clock_s() >= overdue_s:
                    renew_s = clock_s()
                    overdue_s = renew_s + self.pace.line_s(patience_s)
                    yield None
        finally:
            self._watch_sequence = None
            self._watch_frames.clear()
            self._watched.clear()

    def listen(self, seconds: float) -> None:
        """Hand on output for a time, and ask nothing."""
        until_s = self.transport.clock_s() + seconds
        while (left_s := until_s - self.transport.clock_s()) > 0:
            self._receive(left_s)

    def listen_once(self, seconds: float) -> bool:
        """Hand on what comes next, waiting up to a time for it; return whether anything came."""
        before = self._heard_bytes
        self._receive(seconds)
        return self._heard_bytes != before

    # Frames

    def _order(self, kind: int, number: int, name: str, word: str) -> None:
        """Send what must not be done twice, once."""
        payload = bytes([number]) + name.encode()
        try:
            frame = self._request(kind, payload, _one_of(abi.STATUS), attempts=1)
        except DeviceTimeout as error:
            raise DeviceTimeout(
                f"{error.cause}: whether {name or 'the board'} got the {word} is not known",
                "bulkhead ps shows its generation and fault",
            ) from error
        status = frame.payload[0] if frame.payload else abi.UNKNOWN
        if status != abi.OK:
            raise NoSuchTarget(f"the board refused: {abi.status_name(status)}", "bulkhead ps")

    def _text(self, kind: int, request: bytes) -> bytes:
        """Return the payload of the TEXT that answers; raise `NoSuchTarget` for a STATUS."""
        frame = self._request(kind, request, _one_of(abi.TEXT, abi.STATUS))
        if frame.kind == abi.STATUS:
            status = frame.payload[0] if frame.payload else abi.UNKNOWN
            raise NoSuchTarget(f"the board refused: {abi.status_name(status)}", "bulkhead ps")
        return frame.payload

    def _request(
        self,
        kind: int,
        payload: bytes,
        collect: Callable[[Sequence[Frame]], _T | None],
        *,
        attempts: int = ATTEMPTS,
    ) -> _T:
        """Send a request and return what `collect` makes of its answers so far, once it does.

        One that the board refuses for want of a session was not done, and is sent once more.
        """
        try:
            return self._ask(kind, payload, collect, attempts=attempts)
        except Refused as refusal:
            self._authority.refused(refusal.status, was_order=self._authority.needs_order(kind))
        try:
            return self._ask(kind, payload, collect, attempts=attempts)
        except Refused as refusal:
            raise NotPermitted(
                f"the board refused: {abi.status_name(refusal.status)}", "try it again"
            ) from None

    def _ask(
        self,
        kind: int,
        payload: bytes,
        collect: Callable[[Sequence[Frame]], _T | None],
        *,
        attempts: int,
    ) -> _T:
        answers: dict[int, tuple[Sent, list[Frame]]] = {}
        for attempt in range(attempts):
            sequence = self._next_sequence()
            answers[sequence] = (self._send(kind, payload, sequence), [])
            try:
                answer = self._await(answers, collect)
            except _Incomplete:
                continue
            if answer is not None:
                return answer
            if attempt or attempts == 1:  # a prompt may be left right after the first
                self._raise_if_echoed()
        raise DeviceTimeout(
            f"no answer from {self.transport.name} in {attempts * self._timeout_s:g} s",
            "see that the board runs Bulkhead and is not at its REPL, or reset it: "
            f"mpremote connect {self.transport.name} reset",
        )

    def _challenge(self, opening: Opening) -> tuple[Any, bytes]:
        """Have the board open a session; return it, and the board's key."""
        for _ in range(ATTEMPTS):
            try:
                return self._ask(
                    abi.CHALLENGE,
                    opening.nonce,
                    lambda frames: opening.session(frames[-1]),
                    attempts=1,
                )
            except DeviceTimeout as error:
                if opening.other_mark:
                    raise opening.refusal() from None
                silence = error
        raise silence

    def _await(
        self,
        answers: dict[int, tuple[Sent, list[Frame]]],
        collect: Callable[[Sequence[Frame]], _T | None],
    ) -> _T | None:
        timeout_s = self.pace.line_s(self._timeout_s)
        deadline_s = self.transport.clock_s() + timeout_s
        while (left_s := deadline_s - self.transport.clock_s()) > 0:
            for frame in self._receive(left_s):
                if frame.sequence not in answers:
                    continue
                sent, frames = answers[frame.sequence]
                opened = sent.opened(frame)
                if opened is None:
                    continue
                frames.append(opened)
                if len(frames) > _FRAMES_MAX:
                    raise malformed("an answer that has no end")
                answer = collect(frames)
                if answer is not None:
                    return answer
                deadline_s = self.transport.clock_s() + timeout_s
        return None

    def _receive(self, timeout_s: float) -> list[Frame]:
        """Wait for bytes; hand on output, keep what belongs to a watch, return other frames."""
        frames = []
        data = self.transport.read(max(timeout_s, 0))
        self._heard_bytes += len(data)
        for item in self._parser.feed(data):
            if isinstance(item, Output):
                self._recent.append(item.text)
                if self._on_output is not None:
                    self._on_output(item.text)
            elif item.sequence == self._watch_sequence:
                self._take_watched(item)
            else:
                frames.append(item)
        return frames

    def _take_watched(self, answer: Frame) -> None:
        try:
            frame = self._watch_sent.opened(answer)
        except Refused as refusal:
            self._authority.refused(refusal.status, was_order=self._authority.reading_is_closed)
            self._watch_is_refused = True
            return
        if frame is None:
            return
        if frame.kind not in (abi.SERVICE, abi.END):
            return
        self._watch_frames = [*self._watch_frames, frame][-_FRAMES_MAX:]
        if frame.kind == abi.END:
            table = parse_table(self._watch_frames)
            self._watch_frames.clear()
            if table is not None:
                self.pace.note(table.uptime_ms)
                self._watched.append(table)

    def _send(self, kind: int, payload: bytes, sequence: int) -> Sent:
        """Send a request, in an order where it takes one."""
        kind, sent = self._authority.sent(kind, payload, self._challenge)
        self._line = abi.encode(kind, sequence, sent.payload)
        self._recent.clear()
        self.transport.write(self._line)
        return sent

    def _next_sequence(self) -> int:
        self._sequence = (self._sequence + 1) & 0xFF
        if self._sequence == self._watch_sequence:
            self._sequence = (self._sequence + 1) & 0xFF
        return self._sequence

    def _raise_if_echoed(self) -> None:
        """Raise when what came back is what was sent: MicroPython's prompt echoes it."""
        echo = self._line.strip(abi.MARK + b"\n").decode()
        unfinished = self._parser.unfinished_output.decode("utf-8", errors="replace")
        if any(echo in line for line in (*self._recent, unfinished)):
            raise DeviceTimeout(
                f"the board at {self.transport.name} is at its REPL, where requests are not heard",
                "leave the prompt by closing its terminal, or restart the board: "
                f"mpremote connect {self.transport.name} reset",
            )


def _one_of(*kinds: int) -> Callable[[Sequence[Frame]], Frame | None]:
    def collect(frames: Sequence[Frame]) -> Frame | None:
        return frames[-1] if frames[-1].kind in kinds else None

    return collect


def _whole_table(frames: Sequence[Frame]) -> Table | None:
    if frames[-1].kind != abi.END:
        return None
    table = parse_table(frames)
    if table is None:
        raise _Incomplete
    return table
