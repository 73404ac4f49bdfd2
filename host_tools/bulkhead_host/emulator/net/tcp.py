"""One TCP connection of the board's, as its far end sees it (RFC 9293, 3).

It sends again what is not acknowledged, as the link may lose packets; what comes out of order the
board sends again. Times are the board's.
"""

from collections.abc import Callable
from typing import Protocol

from bulkhead_host.emulator.net.events import Event, Events
from bulkhead_host.emulator.net.packets import ACK, FIN, PUSH, RST, SYN, Segment

MSS = 536
WINDOW = 8192
"""Bytes that may be on their way from the board."""

_FLIGHT_BYTES_MAX = 2 * MSS  # what a board with small buffers keeps, and enough for the line
_AGAIN_MS = 1000.0
_AGAIN_MS_MAX = 8000.0
_TRIES_MAX = 8
_MASK = 0xFFFFFFFF
_FIRST_SEQUENCE = 1000


class FarEnd(Protocol):
    """What the board talks to: a socket of the host, or an object in this process."""

    def open(self, connection: "Connection") -> None:
        """Begin: call `accept` or `refuse` of the connection, now or later."""

    def receive(self, data: bytes) -> None:
        """Take bytes that the board has sent."""

    def room(self) -> int:
        """Return how many bytes it can take."""

    def finish(self) -> None:
        """Take it that the board will send no more; the connection is closed in answer."""

    def lose(self) -> None:
        """Take it that the connection is gone."""


class Connection:
    """A connection that the board has asked for. `send` and `close` are for the far end."""

    def __init__(
        self,
        segment: Segment,
        far: FarEnd,
        *,
        events: Events,
        emit: Callable[[Segment], None],
        on_end: Callable[[], None],
    ) -> None:
        self._ports = (segment.target, segment.source)
        self._far = far
        self._events = events
        self._emit = emit
        self._on_end = on_end
        self._expected = (segment.sequence + 1) & _MASK
        self._first = self._next = _FIRST_SEQUENCE  # of what is not acknowledged; to be sent next
        self._out = bytearray()
        self._window = segment.window
        self._mss = min(segment.mss or MSS, MSS)
        self._timer: Event | None = None
        self._tries = 0
        self._is_accepted = self._is_established = False
        self._is_closing = self._has_sent_end = self._has_got_end = False
        self.is_over = False

    # For the far end

    @property
    def backlog(self) -> int:
        """Bytes that wait to be sent, or to be acknowledged."""
        return len(self._out)

    def accept(self) -> None:
        """Say yes to the board."""
        if self._is_accepted or self.is_over:
            return
        self._is_accepted = True
        self._emit_one(SYN | ACK, mss=MSS)
        self._next = (self._first + 1) & _MASK
        self._start_timer()

    def refuse(self) -> None:
        """Say no, or end the connection at once."""
        if not self.is_over:
            self._emit_one(RST | ACK)
            self._end()

    def send(self, data: bytes) -> None:
        """Send bytes to the board."""
        self._out += data
        self._push()

    def close(self) -> None:
        """End it, behind what waits to be sent."""
        self._is_closing = True
        self._push()

    def drop(self) -> None:
        """Forget it, without a word to the board; the far end is told."""
        if not self.is_over:
            self._end()
            self._far.lose()

    # For the gateway

    def is_same(self, segment: Segment) -> bool:
        """Tell whether a request to connect is this connection's own, sent again."""
        return not self._is_established and segment.sequence + 1 & _MASK == self._expected

    def take(self, segment: Segment) -> None:
        """Take a segment from the board."""
        if segment.flags & RST:
            self.drop()
            return
        if segment.flags & SYN:
            if self._is_accepted and not self._is_established:
                self._emit_one(SYN | ACK, mss=MSS, sequence=self._first)
            return
        self._window = segment.window
        if segment.flags & ACK:
            self._acknowledge(segment.acknowledged)
        if not self._is_established or self.is_over:
            return
        has_more = bool(segment.data or segment.flags & FIN)
        self._take_data(segment)
        if has_more and not self.is_over:
            self._emit_one(ACK)
        self._push()

    def _take_data(self, segment: Segment) -> None:
        skipped = (self._expected - segment.sequence) & _MASK
        if skipped > len(segment.data):
            return  # what comes before it is missing, or all of it was here
        data = segment.data[skipped:]
        if len(data) > self._far.room():
            return  # the board sends it again
        self._expected = (self._expected + len(data)) & _MASK
        is_last = segment.flags & FIN and not self._has_got_end
        if is_last:
            self._expected = (self._expected + 1) & _MASK
            self._has_got_end = True
        if data:
            self._far.receive(data)
        if is_last:
            self._far.finish()
            self._check_end()

    def _acknowledge(self, number: int) -> None:
        count = (number - self._first) & _MASK
        if not count or count > (self._next - self._first) & _MASK:
            return
        self._first = number
        self._tries = 0
        if not self._is_established:
            self._is_established = True
            count -= 1
        if self._has_sent_end and self._first == self._next:
            count -= 1
        del self._out[:count]
        self._start_timer()
        self._check_end()

    def _check_end(self) -> None:
        is_sent = self._has_sent_end and self._first == self._next
        if is_sent and self._has_got_end and not self.is_over:
            self._emit_one(ACK)
            self._end()

    # Sending

    def _push(self) -> None:
        if not self._is_established or self.is_over or self._has_sent_end:
            return
        while True:
            flight = (self._next - self._first) & _MASK
            room = min(self._window, _FLIGHT_BYTES_MAX) - flight
            data = bytes(self._out[flight : flight + min(self._mss, max(room, 0))])
            if not data:
                break
            self._emit_one(ACK | PUSH, data=data)
            self._next = (self._next + len(data)) & _MASK
        if self._is_closing and flight == len(self._out):
            self._emit_one(ACK | FIN)
            self._next = (self._next + 1) & _MASK
            self._has_sent_end = True
        if self._timer is None:
            self._start_timer()

    def _start_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._first != self._next or self._out:
            delay_ms = min(_AGAIN_MS * 2**self._tries, _AGAIN_MS_MAX)
            self._timer = self._events.after(delay_ms, self._send_again)

    def _send_again(self) -> None:
        self._timer = None
        self._tries += 1
        if self._tries > _TRIES_MAX:
            self._emit_one(RST | ACK)
            self.drop()
            return
        if not self._is_established:
            self._emit_one(SYN | ACK, mss=MSS, sequence=self._first)
        else:
            self._next = self._first
            self._has_sent_end = False
            if self._out and not self._window:  # is it still closed? 3.8.6.1
                self._emit_one(ACK, data=bytes(self._out[:1]))
                self._next = (self._next + 1) & _MASK
            self._push()
        self._start_timer()

    def _emit_one(
        self, flags: int, *, data: bytes = b"", mss: int = 0, sequence: int | None = None
    ) -> None:
        source, target = self._ports
        self._emit(
            Segment(
                source=source,
                target=target,
                sequence=self._next if sequence is None else sequence,
                acknowledged=self._expected,
                flags=flags,
                window=min(self._far.room(), WINDOW),
                mss=mss,
                data=data,
            )
        )

    def _end(self) -> None:
        self.is_over = True
        if self._timer is not None:
            self._timer.cancel()
        self._on_end()
