"""From a service's fault to its next generation, with the default application around it.

All of the application's services run: the real supervisor decides, the console prints each fault
with its traceback. `_VICTIMS` more services of the module `bench.victim.service` raise one after
the other, each once a run, so that each is the first fault of its service and the supervisor's
back-off waits for nothing. From the instruction before the victim's `raise` to the first
instruction of `main` in its next generation. `restart_1_pin_ms_p50` and `restart_8_pins_ms_p50`
are the same of victims that have safe states for as many pins each.
"""

import bulkhead_system
from bench.notes import NOTES
from bench.report import figure
from bench.stage import Stage, row
from bench.stores import eight_pins, led_low
from micropython import const

_VICTIMS = const(6)
_RUNS = const(5)
_PRIORITY = const(4)


def main():
    """Measure."""
    stage = Stage()
    plain = restarts_us(stage, ())
    one = restarts_us(stage, led_low())
    eight = restarts_us(stage, eight_pins())
    figure("restart_ms_p50", plain[len(plain) // 2] / 1000)
    figure("restart_ms_p99", plain[(99 * len(plain) + 99) // 100 - 1] / 1000)
    figure("restart_1_pin_ms_p50", one[len(one) // 2] / 1000)
    figure("restart_8_pins_ms_p50", eight[len(eight) // 2] / 1000)


def restarts_us(stage, outputs):
    """Return what restarts of victims with such outputs take, the shortest first."""
    services = bulkhead_system.SERVICES
    victims = tuple(
        row("victim%d" % number, "bench.victim.service", _PRIORITY, outputs=outputs)
        for number in range(_VICTIMS)
    )
    NOTES.finish = stage.finish
    NOTES.restarts_us = []
    bulkhead_system.SERVICES = services + victims + (row("last", "bench.last", _PRIORITY),)
    for _ in range(_RUNS):
        NOTES.begin(_VICTIMS)
        stage.perform(bulkhead_system.SERVICES)
    bulkhead_system.SERVICES = services
    if len(NOTES.restarts_us) != _VICTIMS * _RUNS:
        raise ValueError("%d restarts of %d" % (len(NOTES.restarts_us), _VICTIMS * _RUNS))
    return sorted(NOTES.restarts_us)
