"""The work of the fairness benchmark, the same for every scheduler that is measured."""

from time import ticks_diff, ticks_us

from bench.report import figure
from micropython import const

HOGS = const(20)
BURN_US = const(10_000)
PERIOD_MS = const(10)


def burn():
    """Compute for BURN_US of the board's time, as a program that knows of no scheduler would."""
    start = ticks_us()
    while ticks_diff(ticks_us(), start) < BURN_US:
        pass


def report(prefix, gaps_us):
    """Print the median and the longest of the times between two runs of the periodic task."""
    gaps_us.sort()
    figure(prefix + "fairness_median_ms", gaps_us[len(gaps_us) // 2] / 1000)
    figure(prefix + "fairness_max_ms", gaps_us[-1] / 1000)
