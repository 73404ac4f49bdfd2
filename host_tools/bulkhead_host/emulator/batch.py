"""The loop that executes the chip's program, as rp2040py brings it.

It serves where there is no compiler: `quick_core.pyx` has both names too.
"""

from typing import Any, cast

from rp2040py.clock.simulation_clock import SimulationClock
from rp2040py.execute_batch import execute_batch as _by_rp2040py
from rp2040py.rp2040 import RP2040


class Batch:
    """What `execute_batch` runs: a chip by its clock. `stopped` ends it after an instruction.

    It counts no cache: for that there is `FlashCache` in the compiled core alone.
    """

    __slots__ = ("clock", "rp2040", "stopped")

    def __init__(self, *, clock: SimulationClock, rp2040: RP2040) -> None:
        self.clock = clock
        self.rp2040 = rp2040
        self.stopped = True


def execute_batch(batch: Batch) -> None:
    """Execute instructions, and let the clock go on by each, until something stops it.

    That is `batch.stopped`, a million instructions, or 5 ms of the host's time.
    """
    _by_rp2040py(cast(Any, batch), 1)
