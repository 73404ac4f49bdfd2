"""Bytes of heap that one entry to the interrupt level leaves behind, with all that it does.

A service sleeps `_ENTRIES` times for 2 ms while a less important one spins, so each sleep ends in
an entry. From the heap's use before the first to its use after the last, divided.
"""

import gc

from bench.report import figure
from bench.stage import Stage, row
from micropython import const

_ENTRIES = const(50)


def main():
    """Measure."""
    stage = Stage()
    used = [0]

    def sleeper(task):
        yield task.sleep(2)
        gc.collect()
        before = gc.mem_alloc()
        for _ in range(_ENTRIES):
            yield task.sleep(2)
        used[0] = gc.mem_alloc() - before
        stage.finish()

    def spinner(_sys):
        while not stage.is_finished:
            pass
        yield

    stage.perform([row("sleeper", sleeper, 2), row("spinner", spinner, 7)])
    figure("irq_entry_bytes", used[0] / _ENTRIES)
