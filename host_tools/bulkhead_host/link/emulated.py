"""A line to an emulated board in this very process: its time passes while a reader waits.

So a client's timeouts count device time, nothing sleeps, and the same run gives the same result
every time. To show the board to a person, make it with `pace="real"`.
"""

from typing import TYPE_CHECKING

from bulkhead_host.errors import DeviceTimeout
from bulkhead_host.link.transport import LinkLost

if TYPE_CHECKING:
    from bulkhead_host.emulator.board import EmulatedBoard

_STEP_MS = 1.0


class BoardTransport:
    """The console of an `EmulatedBoard`; see `Transport`. The board stays its maker's."""

    def __init__(self, board: "EmulatedBoard") -> None:
        self.board = board

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return "the emulated board"

    def read(self, timeout_s: float) -> bytes:
        """Return what the board has written; run it up to `timeout_s` until it writes."""
        if not self.board.is_powered:
            raise LinkLost("the emulated board has no power")
        data = self.board.read()
        if data or timeout_s <= 0:
            return data
        try:
            self.board.run_until(
                lambda: bool(self.board.console.received),
                timeout_ms=timeout_s * 1000,
                step_ms=_STEP_MS,
            )
        except DeviceTimeout:
            return b""
        return self.board.read()

    def write(self, data: bytes) -> None:
        """Type `data` into the board's console."""
        self.board.write(data)

    def clock_s(self) -> float:
        """Return the device's time since the board was made."""
        return self.board.clock_us / 1e6

    def close(self) -> None:
        """Do nothing."""
