"""How long a pin that a service drives high is high once that service has ended.

A driver raises the pin of the marker and fails, by an exception or by spinning; the kernel makes
its other pin, the LED's, low. The host has both pins' edges to the cycle, and is told what was
left of a spinning step's budget some 20 us before the marker rose. An exception's way through the
interpreter, the landing pad and the stores are in it, and for a kill the timer's lateness. A less
important service spins in half of the runs: then the driver runs at the interrupt level.

`safe_stores_us` is one `hold` of eight pins, called from bytecode, as an average of 100.
"""

from time import sleep_us, ticks_diff, ticks_us

from bench.report import figure
from bench.stage import CONTROL, LONG_BUDGET_US, Stage, beneath, row
from bench.stores import eight_pins, led_low
from bulkhead_board import LED
from kernel.layout import STEP_DEADLINE
from machine import Pin
from micropython import const
from port.rp2_outputs import hold

_RUNS = const(50)
_MARKER = const(2)
_BUDGET_US = const(2_000)
_PHASE_STEP_US = const(20)
_DRIVER = const(2)  # task numbers, in the order of the table
_BASE = const(3)
_HOLDS = const(100)


def perform(fails, at_interrupt_level):
    """Have a driver end `_RUNS` times; print what was left of its step as the marker rose."""
    stage = Stage()
    lefts = []

    def driver(task):
        mark = Pin(_MARKER, Pin.OUT, value=0).on
        Pin(LED, Pin.OUT, value=1)
        yield task.sleep(1)
        lefts.append(ticks_diff(stage.kernel.words[STEP_DEADLINE], ticks_us()))
        error = ValueError()
        mark()
        while not fails:
            pass
        raise error

    def supervisor(task):
        kernel = task.cap("kernel")
        yield task.start(kernel, _BASE)
        while len(lefts) < _RUNS:
            yield task.sleep(2)
            sleep_us(len(lefts) * _PHASE_STEP_US % 1000)
            yield task.start(kernel, _DRIVER)
            yield task.recv()
            yield task.next_fault(kernel)
        stage.finish()
        while True:  # a supervisor that returned would be started again
            yield task.recv()

    budget_us = LONG_BUDGET_US if fails else _BUDGET_US
    stage.perform([
        row("supervisor", supervisor, 0, (CONTROL,)),
        row("driver", driver, 3, budget_us=budget_us, outputs=led_low()),
        row("base", beneath(stage, at_interrupt_level), 7),
    ])  # fmt: skip
    print("lefts", *lefts)


def main():
    """Measure."""
    for fails in (True, False):
        for at_interrupt_level in (False, True):
            perform(fails, at_interrupt_level)
    figure("safe_stores_us", held_us(eight_pins(), hold))


def held_us(outputs, store):
    """Return what a call of `store` takes, in a row so that the loop counts little."""
    start = ticks_us()
    for _ in range(_HOLDS // 5):
        store(outputs)
        store(outputs)
        store(outputs)
        store(outputs)
        store(outputs)
    return ticks_diff(ticks_us(), start) / _HOLDS
