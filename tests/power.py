"""Power that fails: what the flash may hold then, at each of its writes."""

from collections.abc import Iterator
from itertools import pairwise

from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.emulator.chip import FlashWrite

FILE_SYSTEM = 0xA0000
"""Where the board's file system begins in its flash."""


class PowerMeter:
    """Keeps what the flash holds before each write; the power fails at one of them, if wanted."""

    def __init__(self, board: EmulatedBoard, *, cut_at: int = 0) -> None:
        self.states: list[bytes] = []
        self.writes: list[FlashWrite] = []
        self._board = board
        self._cut_at = cut_at
        board.on_flash_write(self)

    def __call__(self, write: FlashWrite) -> bool:
        self.writes.append(write)
        self._keep()
        return len(self.writes) == self._cut_at

    def end(self) -> None:
        """Watch no more, and keep what the last write has left."""
        self._board.on_flash_write(None)
        self._keep()

    def _keep(self) -> None:
        self.states.append(bytes(self._board.chip.flash[FILE_SYSTEM:]))

    def cuts(self) -> Iterator[bytes]:
        """Yield what may be left: none of a write is done, or its first half."""
        for write, (old, new) in zip(self.writes, pairwise(self.states), strict=True):
            yield old
            middle = write.address - FILE_SYSTEM + write.size // 2
            yield new[:middle] + old[middle:]
        yield self.states[-1]
