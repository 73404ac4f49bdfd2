"""A task with a 10 ms period beside 20 that each burn 10 ms at a time, in asyncio.

A gap is the time from one return of the periodic task's `sleep_ms(10)` to the next.
"""

import asyncio
from time import ticks_diff, ticks_us

from bench.work import HOGS, PERIOD_MS, burn, report
from micropython import const

_SAMPLES = const(3)


async def hog():
    """Burn and give way, for ever."""
    while True:
        burn()
        await asyncio.sleep_ms(0)


async def periodic():
    """Return the gaps in microseconds."""
    for _ in range(HOGS):
        asyncio.create_task(hog())
    gaps = []
    last = ticks_us()
    while len(gaps) < _SAMPLES:
        await asyncio.sleep_ms(PERIOD_MS)
        now = ticks_us()
        gaps.append(ticks_diff(now, last))
        last = now
    return gaps


def main():
    """Measure."""
    report("asyncio_", asyncio.run(periodic()))
