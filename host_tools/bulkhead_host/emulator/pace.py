"""Keeps device time from running ahead of the wall clock.

The device may fall behind, when it is busy and the emulator slower than silicon. What it has
lost it does not catch up: a burst of device seconds would let timeouts on the board expire that
nobody on the host had time to meet. So the rule is one to one, never ahead, lost time is lost.
"""

import time
from collections.abc import Callable

from bulkhead_host.emulator.chip import Chip

LAG_MAX_NS = 50_000_000
"""How far the device may be behind before what it lost counts as lost."""


class Pacer:
    """Says how far device time may go; `now` is the wall clock in seconds.

    `rate` is how much of its own time a board has in a second of the desk's.
    """

    def __init__(
        self, chip: Chip, *, now: Callable[[], float] = time.monotonic, rate: float = 1.0
    ) -> None:
        self._chip = chip
        self._rate = rate
        self._now = now
        self._wall_start_s = now()
        self._device_start_ns = chip.nanos
        self.lost_ns = 0.0

    def allowed_ns(self) -> float:
        """Return the device time that is now allowed, and write off what cannot be caught up."""
        allowed = self._device_start_ns + (self._now() - self._wall_start_s) * 1e9 * self._rate
        excess = allowed - self._chip.nanos - LAG_MAX_NS
        if excess > 0:
            self._device_start_ns -= excess
            self.lost_ns += excess
            allowed -= excess
        return allowed
