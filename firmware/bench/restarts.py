"""From a service's fault to its next generation, with the default application around it.

All of the application's services run: the real supervisor decides, the console prints each fault
with its traceback. `_VICTIMS` more services of the module `bench.victim.service` raise one after
the other, each once a run, so that each is the first fault of its service and the supervisor's
back-off waits for nothing. From the instruction before the victim's `raise` to the first
instruction of `main` in its next generation.
"""

import bulkhead_system
from bench.notes import NOTES
from bench.report import figure
from bench.stage import Stage, row
from micropython import const

_VICTIMS = const(6)
_RUNS = const(5)
_PRIORITY = const(4)


def main():
    """Measure."""
    stage = Stage()
    services = bulkhead_system.SERVICES
    victims = tuple(
        row("victim%d" % number, "bench.victim.service", _PRIORITY) for number in range(_VICTIMS)
    )
    last = (row("last", "bench.last", _PRIORITY),)
    bulkhead_system.SERVICES = services + victims + last
    NOTES.finish = stage.finish
    for _ in range(_RUNS):
        NOTES.begin(_VICTIMS)
        stage.perform(bulkhead_system.SERVICES)
    samples = sorted(NOTES.restarts_us)
    if len(samples) != _VICTIMS * _RUNS:
        raise ValueError("%d restarts of %d" % (len(samples), _VICTIMS * _RUNS))
    figure("restart_ms_p50", samples[len(samples) // 2] / 1000)
    figure("restart_ms_p99", samples[(99 * len(samples) + 99) // 100 - 1] / 1000)
