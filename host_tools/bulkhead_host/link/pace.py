"""How fast a board's clock goes by its line's: an emulated one may be slower than real time.

What is waited for happens by the board's clock. Each uptime that the board tells shows how far
that has come; a wait that is meant for the board is as much longer as the board is slower.
"""

from collections import deque
from collections.abc import Callable

SLOWEST = 0.05
"""A board is taken to be no slower than a twentieth of real time."""

_APART_S = 0.2  # between two uptimes that are compared
_KEPT = 3  # a reset makes one of them too low


class Pace:
    """The pace of one board: 1 until it is known to be slower."""

    def __init__(self, clock_s: Callable[[], float]) -> None:
        self._clock_s = clock_s
        self._last: tuple[float, int] | None = None
        self._seen: deque[float] = deque(maxlen=_KEPT)

    def note(self, uptime_ms: int) -> None:
        """Learn from an uptime that the board has just told."""
        now_s = self._clock_s()
        if self._last is not None:
            passed_s, gained_s = now_s - self._last[0], (uptime_ms - self._last[1]) / 1000
            if gained_s >= 0 and passed_s < _APART_S:
                return
            if gained_s >= 0:
                self._seen.append(gained_s / passed_s)
        self._last = now_s, uptime_ms

    @property
    def value(self) -> float:
        """The board's seconds in one of the line's, from SLOWEST to 1."""
        return min(max(max(self._seen, default=1.0), SLOWEST), 1.0)

    def line_s(self, board_s: float) -> float:
        """Return how long the line has to wait for a time to pass on the board."""
        return board_s / self.value
