"""From an edge on a pin to its driver's first instruction, while the board idles.

As in `interrupts`, but nothing runs: a lowest-priority service sleeps for as long as each way to
idle takes - with the tick stopped, with the tick, and awake since the next wait ends too soon.
"""

from bench.interrupts import EDGES, LOWEST_PRIORITY, take_edges
from bench.stage import row

_SLEEPS_MS = (1, 1, 2, 7)


def sleeper(task):
    """Sleep, as long as there are edges."""
    for number in range(EDGES):
        yield task.sleep(_SLEEPS_MS[number & 3])


def main():
    """Take EDGES edges."""
    take_edges(row("sleeper", sleeper, LOWEST_PRIORITY))
