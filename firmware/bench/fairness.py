"""A service with a 10 ms period beside 20 less important ones that each burn 10 ms at a time.

A gap is the time from one return of the periodic service's `yield task.sleep(10)` to the next.
"""

from time import ticks_diff, ticks_us

from bench.stage import Stage, row
from bench.work import HOGS, PERIOD_MS, burn, report
from micropython import const

_SAMPLES = const(40)
_PERIODIC_PRIORITY = const(2)
_HOG_PRIORITY = const(5)


def main():
    """Measure."""
    stage = Stage()
    gaps = []

    def hog(task):
        while not stage.is_finished:
            burn()
            yield task.sleep(0)

    def periodic(task):
        last = ticks_us()
        while len(gaps) < _SAMPLES:
            yield task.sleep(PERIOD_MS)
            now = ticks_us()
            gaps.append(ticks_diff(now, last))
            last = now
        stage.finish()

    table = [row("periodic", periodic, _PERIODIC_PRIORITY)]
    for number in range(HOGS):
        table.append(row("hog%d" % number, hog, _HOG_PRIORITY))
    stage.perform(table)
    report("", gaps)
