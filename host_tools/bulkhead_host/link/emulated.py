"""A line to an emulated board in this very process: its time passes while a reader waits.

So a client's timeouts count device time, nothing sleeps, and the same run gives the same result
every time. To show the board to a person, make it with `pace="real"`.
"""

from typing import TYPE_CHECKING

from bulkhead_host.emulator.ports import Outbox, Port
from bulkhead_host.errors import DeviceTimeout
from bulkhead_host.link.transport import LinkLost

if TYPE_CHECKING:
    from bulkhead_host.emulator.board import EmulatedBoard

_STEP_MS = 1.0
_CLOSED_S = 0.1
"""Device seconds for which the port is closed when a guest has left; a board looks every 25 ms."""
_WAIT_MS_MIN = 0.001  # less may not move a clock that counts nanoseconds in a float


class BoardTransport:
    """The console of an `EmulatedBoard`; see `Transport`. The board stays its maker's.

    `guest` is a second port to the same board, for another program: it may send, and gets all
    that the board writes. Answers are told apart by their sequence numbers.
    """

    def __init__(self, board: "EmulatedBoard", *, guest: Port | None = None) -> None:
        self.board = board
        self._guest = guest
        self._outbox = Outbox(guest) if guest is not None else None
        self._guest_was_there = False
        self._closed_until_s = 0.0

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return self._guest.name if self._guest is not None else "the emulated board"

    @property
    def pace_min(self) -> float:
        """Return 1: it counts by the board's clock."""
        return 1.0

    def read(self, timeout_s: float) -> bytes:
        """Return what the board has written; run it up to `timeout_s` until it writes."""
        if not self.board.is_powered:
            raise LinkLost("the emulated board has no power")
        if timeout_s > 0 and not self.board.console.received:
            timeout_ms = max(timeout_s * 1000, _WAIT_MS_MIN)
            try:
                self.board.run_until(self._has_written, timeout_ms=timeout_ms, step_ms=_STEP_MS)
            except DeviceTimeout:
                return b""
        data = self.board.read()
        if self._outbox is not None:
            self._outbox.put(data)
        return data

    def write(self, data: bytes) -> None:
        """Type `data` into the board's console."""
        self.board.write(data)

    def clock_s(self) -> float:
        """Return the device's time since the board was made, by the desk's clock."""
        return self.board.desk_s

    def close(self) -> None:
        """Do nothing."""

    def _has_written(self) -> bool:
        self._serve_guest()
        return bool(self.board.console.received)

    def _serve_guest(self) -> None:
        if self._guest is None or self._outbox is None:
            return
        is_there = self._guest.update()
        if is_there:
            self.board.write(self._guest.read())
            self._outbox.flush()
        else:
            self._outbox.discard()
            if self._guest_was_there:
                self._closed_until_s = self.clock_s() + _CLOSED_S
        self._guest_was_there = is_there
        is_open = is_there or self.clock_s() >= self._closed_until_s
        self.board.console.set_terminal_attached(is_open)
