"""From an edge on a pin to the pin that a hard driver moves, whatever the board is doing.

As `interrupts` measures, with the same pins: the driver is a hard one, and the service below it
goes round what must not hold it up: spinning, making garbage and collecting it, and C calls of
milliseconds. The edges come at every phase of the tick and of that round.
"""

import gc

from bench.interrupts import LOWEST_PRIORITY, driver_row
from bench.stage import Stage, row
from kernel.abi import HARD
from micropython import const

EDGES = const(300)

_GARBAGE = const(400)
_NUMBERS = const(1_500)
_SPINS = const(1_000)
_LARGE_BYTES = const(40_000)


def main():
    """Take EDGES edges."""
    stage = Stage()

    def busy(_sys):
        numbers = [n * 7919 % _NUMBERS for n in range(_NUMBERS)]
        while not stage.is_finished:
            for _ in range(_SPINS):
                pass
            kept = [bytearray(100) for _ in range(_GARBAGE)]
            kept.clear()
            gc.collect()
            sorted(numbers)
            bytes(_LARGE_BYTES)
        yield

    stage.perform([
        driver_row(stage, EDGES, HARD),
        row("busy", busy, LOWEST_PRIORITY),
    ])  # fmt: skip
