"""Asks a board's console service, over any transport.

What only reads is sent again where no answer comes. An injection is sent once only, as it would be
done twice.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from bulkhead_host import abi
from bulkhead_host.errors import BulkheadError, DeviceTimeout, UsageError
from bulkhead_host.link.frames import Frame
from bulkhead_host.link.requests import ATTEMPTS, FRAMES_MAX, Incomplete, Requests
from bulkhead_host.link.services import (
    Capability,
    Fault,
    Hello,
    Room,
    Table,
    parse_capabilities,
    parse_fault,
    parse_hello,
    parse_result,
    parse_room,
    parse_table,
    printable,
    refusal,
)
from bulkhead_host.link.session import Refused, Sent

ATTEND_S = 0.1
"""How often a watch lets its caller look after other things."""

_WATCH_LEASE_MS = 5000
_VALUE_BYTES_MAX = 256
_TEXT_BYTES_MAX = 32_768  # of a fault: a board keeps some 4 KB
_WATCH_LEASE_MS_MAX = 0xFFFF
# So long an order is given again: longer than a step of what ships, or than a module loads.
_NOT_NOW_S = 5.0
_LOG_S = 0.5  # how often a board is asked for its log that does not print it on the line


class NoSuchTarget(BulkheadError):
    """The board knows no such service, or it is in no state for what was asked."""


class NotNow(NoSuchTarget):
    """The board would do what was asked at another time, and has done nothing."""


class UpdateRefused(BulkheadError):
    """The board did not take an update, and has changed nothing."""


@dataclass
class _Watch:
    """The tables of a watch that have come, and the frames of the next."""

    sent: Sent = field(default_factory=lambda: Sent(b""))
    frames: list[Frame] = field(default_factory=list)
    tables: deque[Table] = field(default_factory=deque)
    is_refused: bool = False


class Client(Requests):
    """Talks to one board. Not safe to use from two threads at once; made as `Requests` are."""

    _watch = _Watch()
    _log_position = 0  # of the newest record handed on
    _log_s = 0.0  # when the board is asked for more

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
        step. What the board would take later, and has done nothing of, is asked for again.
        Raises `NotPermitted` when the board has another key, `NotNow` when it would still do it
        later, `NoSuchTarget` when it refuses, and `DeviceTimeout` when nothing is heard, in
        which case it may have been done.
        """
        give_up_s = self.transport.clock_s() + _NOT_NOW_S
        while True:
            try:
                return self._order(abi.INJECT, abi.INJECTION_NAMES.index(kind), name, kind)
            except NotNow:
                if self.transport.clock_s() >= give_up_s:
                    raise

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
        with self.waiting(self._timeout_s + timeout_ms / 1000):
            frame = self._request(
                abi.CALL_SERVICE, request, _one_of(abi.RESULT, abi.STATUS), attempts=1
            )
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
        return [line for _, line in self.log_after(0)]

    def log_after(self, number: int) -> list[tuple[int, str]]:
        """Return the number and the line of each record that is kept after one, the oldest first.

        Raises `NoSuchTarget` where there is no logger.
        """
        found: list[tuple[int, str]] = []
        while True:
            answer = self._text(abi.LOG, abi.POSITION_STRUCT.pack(number))
            size = abi.POSITION_STRUCT.size
            if len(answer) <= size:
                return found
            (following,) = abi.POSITION_STRUCT.unpack(answer[:size])
            if following <= number:
                raise BulkheadError("the board's log goes backwards", "bulkhead doctor --port")
            number = following
            found.append((number, printable(answer[size:].decode("utf-8", errors="replace"))))

    def room(self) -> Room:
        """Return what the board has left, after a collection, which takes up to 40 ms."""
        return parse_room(self._text(abi.ROOM, b""))

    def heap_free(self) -> int:
        """Return the bytes of heap that are free after a collection, which takes up to 40 ms."""
        return self.room().heap_free

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
        transport's clock, but yields once at least. Other requests may be made between two
        tables, and in `attend`, which is called at least every `ATTEND_S`.
        """
        lease_ms = min(max(_WATCH_LEASE_MS, 3 * interval_ms), _WATCH_LEASE_MS_MAX)
        payload = abi.WATCH_STRUCT.pack(interval_ms, lease_ms)
        self._watch_sequence = self._next_sequence()
        self._watch = watch = _Watch()
        patience_s = interval_ms / 1000 + self._timeout_s
        clock_s = self.transport.clock_s
        renew_s = clock_s()
        overdue_s = renew_s + patience_s
        has_yielded = False
        try:
            while until_s is None or clock_s() < until_s or not has_yielded:
                if clock_s() >= renew_s:
                    watch.sent = self._send(abi.WATCH, payload, self._watch_sequence)
                    renew_s = clock_s() + lease_ms / 2000
                wait_until_s = min(renew_s, overdue_s)
                if until_s is not None and has_yielded:
                    wait_until_s = min(wait_until_s, until_s)
                if attend is not None:
                    attend()
                    wait_until_s = min(wait_until_s, clock_s() + ATTEND_S)
                self._receive(wait_until_s - clock_s())
                if watch.is_refused:
                    watch.is_refused = False
                    renew_s = clock_s()
                while watch.tables:
                    has_yielded = True
                    overdue_s = clock_s() + self.pace.line_s(patience_s)
                    yield watch.tables.popleft()
                if clock_s() >= overdue_s:
                    has_yielded = True
                    renew_s = clock_s()
                    overdue_s = renew_s + self.pace.line_s(patience_s)
                    yield None
        finally:
            self._watch_sequence = None

    def listen(self, seconds: float) -> None:
        """Hand on output for a time, and ask nothing but for a log that is not printed."""
        until_s = self.transport.clock_s() + seconds
        while (left_s := until_s - self.transport.clock_s()) > 0:
            self._receive(self._fetch_log(left_s))

    def listen_once(self, seconds: float) -> bool:
        """Hand on what comes next, waiting up to a time for it; return whether anything came."""
        before = self._heard_bytes
        self._receive(self._fetch_log(seconds))
        return self._heard_bytes != before

    def _fetch_log(self, seconds: float) -> float:
        """Ask a board for its log that does not print it; return how long to listen then."""
        if not self.board or self._on_output is None:
            return seconds
        now_s = self.transport.clock_s()
        if now_s >= self._log_s:
            self._log_s = now_s + _LOG_S
            self._hand_on_log(self._on_output)
        return min(seconds, _LOG_S)

    def _hand_on_log(self, on_output: Callable[[str], None]) -> None:
        """Hand on what was logged since. A log without the newest record known has begun anew."""
        heard_bytes = self._heard_bytes
        found = self.log_after(max(self._log_position - 1, 0))
        if not found:
            self._log_position = 0
        for number, line in found:
            if number > self._log_position:
                heard_bytes += len(line)
                self._log_position = number
                on_output(line)
        self._heard_bytes = heard_bytes

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
        if status == abi.FULL:
            raise NotNow(
                f"{name} cannot get the {word} now: it is in the midst of a step, the board loads "
                "a module, or is short of memory",
                "try again",
            )
        if status == abi.TIMEOUT:
            raise DeviceTimeout(
                f"the supervisor has not answered: whether {name} got the {word} is not known",
                "bulkhead ps shows its generation and fault",
            )
        if status != abi.OK:
            raise NoSuchTarget(f"the board refused: {abi.status_name(status)}", "bulkhead ps")

    def _text(self, kind: int, request: bytes) -> bytes:
        """Return the payload of the TEXT that answers; raise `NoSuchTarget` for a STATUS."""
        frame = self._request(kind, request, _one_of(abi.TEXT, abi.STATUS))
        if frame.kind == abi.STATUS:
            status = frame.payload[0] if frame.payload else abi.UNKNOWN
            raise NoSuchTarget(f"the board refused: {abi.status_name(status)}", "bulkhead ps")
        return frame.payload

    def _take_watched(self, answer: Frame) -> None:
        watch = self._watch
        try:
            frame = watch.sent.opened(answer)
        except Refused as refusal:
            self._authority.refused(
                refusal.status, was_order=self._authority.needs_order(abi.WATCH)
            )
            watch.is_refused = True
            return
        if frame is None or frame.kind not in (abi.SERVICE, abi.END):
            return
        watch.frames = [*watch.frames, frame][-FRAMES_MAX:]
        if frame.kind == abi.END:
            table = parse_table(watch.frames)
            watch.frames.clear()
            if table is not None:
                self.pace.note(table.uptime_ms)
                watch.tables.append(table)


def _one_of(*kinds: int) -> Callable[[Sequence[Frame]], Frame | None]:
    def collect(frames: Sequence[Frame]) -> Frame | None:
        return frames[-1] if frames[-1].kind in kinds else None

    return collect


def _whole_table(frames: Sequence[Frame]) -> Table | None:
    if frames[-1].kind != abi.END:
        return None
    table = parse_table(frames)
    if table is None:
        raise Incomplete
    return table
