"""How several tools share one board: who gets which byte. No input or output is done here.

Output goes to everybody. A request gets a sequence number of its own on the board's line, and its
answers go to who asked, under the number they asked with. The board watches for one host at a
time, so the watches are made one here, at the shortest interval, and its tables are dealt out.
What is no frame, such as what is typed at the REPL, goes to the board as it is.

A guest that does not read loses whole pieces of output, which are counted; nobody else does.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from bulkhead_host import abi
from bulkhead_host.link.frames import Frame

BACKLOG_BYTES_MAX = 64 * 1024
"""Output kept for a guest that does not read."""

TYPING_S = 1.0
"""Who types has the board's line alone until nothing was typed for this long."""

_WATCH_SEQUENCE = 0  # requests have 1 to 255
_LEASE_MS = 5000
_RENEW_S = 2.0
_EARLY = 0.9  # of an interval: a table that comes this soon is not kept back for the next
_NOT_TEXT = re.compile(rb"[^A-Za-z0-9+/=\r]")


class Splitter:
    """Parts a stream into frames and other bytes, which pass at once and unchanged."""

    def __init__(self) -> None:
        self._frame = b""

    def feed(self, data: bytes) -> list[Frame | bytes]:
        """Take bytes; return frames and the bytes between them, in order."""
        found: list[Frame | bytes] = []
        data, self._frame = self._frame + data, b""
        while data:
            before, mark, rest = data.partition(abi.MARK)
            if before:
                found.append(before)
            if not mark:
                break
            data = self._take(rest, found)
        return found

    def _take(self, rest: bytes, found: list[Frame | bytes]) -> bytes:
        """Take what stands behind a mark; return what is left, or keep it until there is more."""
        end = _NOT_TEXT.search(rest, 0, abi.LINE_BYTES_MAX)
        if end is None and len(rest) < abi.LINE_BYTES_MAX:
            self._frame = abi.MARK + rest
            return b""
        line = rest[: end.start()].removesuffix(b"\r") if end is not None else rest
        is_line = end is not None and end.group() == b"\n"
        decoded = abi.decode(line) if is_line else None
        if decoded is None or end is None:
            found.append(abi.MARK)  # it is no frame: its bytes pass like any others
            return rest
        found.append(Frame(*decoded))
        return rest[end.end() :]


@dataclass
class _Watch:
    sequence: int
    interval_ms: int
    until_s: float
    last_s: float


@dataclass(eq=False)
class Guest:
    """One tool: what waits for it, and what it has lost."""

    name: str
    outbox: bytearray = field(default_factory=bytearray)
    requests: int = 0
    received_bytes: int = 0
    lost_bytes: int = 0
    losses: int = 0
    _splitter: Splitter = field(default_factory=Splitter)
    _watch: _Watch | None = None

    def put(self, data: bytes) -> None:
        """Add output, or count it as lost when too much waits already."""
        if len(self.outbox) + len(data) > BACKLOG_BYTES_MAX:
            self.lost_bytes += len(data)
            self.losses += 1
            return
        self.outbox += data
        self.received_bytes += len(data)

    def __str__(self) -> str:
        """Say who it is and what became of its bytes."""
        counts = f"{self.requests} requests, {self.received_bytes} bytes"
        return f"{self.name}: {counts}, {self.lost_bytes} lost in {self.losses} pieces"


class Share:
    """One board's line, shared. `clock_s` gives a time that only grows."""

    def __init__(self, clock_s: Callable[[], float]) -> None:
        self.guests: list[Guest] = []
        self._clock_s = clock_s
        self._splitter = Splitter()
        self._sequence = _WATCH_SEQUENCE
        self._asked: dict[int, tuple[Guest, int]] = {}
        self._table: list[Frame] = []
        self._typist: Guest | None = None
        self._last_typist: Guest | None = None
        self._typed_s = 0.0
        self._renew_s = 0.0

    def join(self, name: str) -> Guest:
        """Take another tool."""
        guest = Guest(name)
        self.guests.append(guest)
        return guest

    def leave(self, guest: Guest) -> bool:
        """Forget a tool; return whether it was the last to type, so that a prompt may be open."""
        self.guests.remove(guest)
        has_typed = self._last_typist is guest
        self._asked = {number: who for number, who in self._asked.items() if who[0] is not guest}
        if self._typist is guest:
            self._typist = None
        if has_typed:
            self._last_typist = None
        return has_typed

    def reconnect(self) -> None:
        """Begin anew with the board: what it was asked is lost, what it watched is asked again."""
        self._splitter = Splitter()
        self._asked.clear()
        self._table.clear()
        self._typist = self._last_typist = None
        self._renew_s = 0.0

    @property
    def typist(self) -> Guest | None:
        """The guest that types, whom alone the board's line is to hear; None when nobody does."""
        if self._clock_s() >= self._typed_s + TYPING_S:
            self._typist = None
        return self._typist

    def from_guest(self, guest: Guest, data: bytes) -> bytes:
        """Take what a guest sends; return what to send to the board."""
        to_board = b""
        for item in guest._splitter.feed(data):
            if isinstance(item, bytes):
                self._typist = self._last_typist = guest
                self._typed_s = self._clock_s()
                to_board += item
                continue
            guest.requests += 1
            if item.kind == abi.WATCH and len(item.payload) == abi.WATCH_STRUCT.size:
                self._begin_watch(guest, item)
            else:
                to_board += abi.encode(item.kind, self._next_sequence(guest, item), item.payload)
        return to_board

    def from_board(self, data: bytes) -> None:
        """Take what the board sends and put it where it belongs."""
        for item in self._splitter.feed(data):
            if isinstance(item, bytes):
                for guest in self.guests:
                    guest.put(item)
            elif item.sequence == _WATCH_SEQUENCE:
                self._take_table(item)
            elif item.sequence in self._asked:
                guest, sequence = self._asked[item.sequence]
                guest.put(abi.encode(item.kind, sequence, item.payload))

    def due(self) -> bytes:
        """Return what is to be sent to the board by now: the wish to be sent its table."""
        now_s = self._clock_s()
        watches = [guest._watch for guest in self.guests if guest._watch is not None]
        wanted = [watch.interval_ms for watch in watches if watch.until_s > now_s]
        if not wanted or now_s < self._renew_s:
            return b""
        self._renew_s = now_s + _RENEW_S
        lease_ms = max(_LEASE_MS, 3 * min(wanted))
        payload = abi.WATCH_STRUCT.pack(min(wanted), min(lease_ms, 0xFFFF))
        return abi.encode(abi.WATCH, _WATCH_SEQUENCE, payload)

    def _begin_watch(self, guest: Guest, frame: Frame) -> None:
        interval_ms, for_ms = abi.WATCH_STRUCT.unpack(frame.payload)
        until_s = self._clock_s() + for_ms / 1000
        before = guest._watch
        is_renewal = before is not None and before.sequence == frame.sequence
        last_s = before.last_s if before is not None and is_renewal else float("-inf")
        guest._watch = _Watch(frame.sequence, interval_ms, until_s, last_s)
        if not is_renewal:
            self._renew_s = 0.0  # it gets its first table at once

    def _take_table(self, frame: Frame) -> None:
        self._table.append(frame)
        if frame.kind != abi.END:
            return
        now_s = self._clock_s()
        for guest in self.guests:
            watch = guest._watch
            if watch is None or watch.until_s <= now_s:
                continue
            if now_s - watch.last_s >= _EARLY * watch.interval_ms / 1000:
                watch.last_s = now_s
                lines = (abi.encode(one.kind, watch.sequence, one.payload) for one in self._table)
                guest.put(b"".join(lines))
        self._table.clear()

    def _next_sequence(self, guest: Guest, frame: Frame) -> int:
        self._sequence = self._sequence % 0xFF + 1
        self._asked[self._sequence] = (guest, frame.sequence)
        return self._sequence
