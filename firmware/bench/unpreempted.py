"""What preempts nothing: how late a more important service runs during what no tick gets into.

A service at priority 1 sleeps 2 ms over and over and notes how long after its time it runs. Below
it one does a thing once that MicroPython does in one go. The figure is the longest lateness: up to
1 ms is the tick's period, the rest is the thing. What holds the processor as long is killed as
late, and not before it ends.
"""

import gc
import os
from time import sleep_ms, ticks_add, ticks_diff, ticks_us

import micropython
from bench.report import figure
from bench.stage import Stage, row
from micropython import const

_PERIOD_MS = const(2)
_ITEMS = const(2_000)
_BYTES = const(100_000)
_LIVE = const(1_500)  # objects of 64 bytes
_FILE = "unpreempted.tmp"
_BLOCK = const(4_096)
_NATIVE_ROUNDS = const(20_000)


def spin():
    """Compute in bytecode, for comparison: preempted anywhere."""
    for _ in range(3_000):
        pass


def sort():
    """Sort a list."""
    sorted(NUMBERS)


def make_bytes():
    """Make a large object."""
    bytes(_BYTES)


def collect():
    """Collect garbage where much lives."""
    gc.collect()


def write_flash():
    """Write a block to a file."""
    with open(_FILE, "wb") as file:
        file.write(bytes(_BLOCK))


def sleep():
    """Wait in C, where MicroPython looks for what is pending."""
    sleep_ms(20)


@micropython.native
def compute():
    """Compute in compiled code."""
    for _ in range(_NATIVE_ROUNDS):
        pass


NUMBERS = [n * 7919 % _ITEMS for n in range(_ITEMS)]
WORK = (
    ("bytecode", spin),
    ("sorted", sort),
    ("bytes", make_bytes),
    ("native", compute),
    ("sleep", sleep),
    ("flash_write", write_flash),
    ("collection", collect),
)


def measure(work):
    """Return the longest lateness, in microseconds, while `work` is done below."""
    stage = Stage()
    late = [0]

    def periodic(task):
        while not stage.is_finished:
            due = ticks_add(ticks_us(), _PERIOD_MS * 1000)
            yield task.sleep(_PERIOD_MS)
            late[0] = max(late[0], ticks_diff(ticks_us(), due))
        yield task.recv()

    def worker(task):
        yield task.sleep(10)
        late[0] = 0
        work()
        yield task.sleep(10)
        stage.finish()
        yield task.recv()

    stage.perform((row("periodic", periodic, 1), row("worker", worker, 5)))
    return late[0]


def main():
    """Measure."""
    kept = []
    for name, work in WORK:
        if work is collect:
            kept = [bytearray(48) for _ in range(_LIVE)]
        figure("late_during_%s_ms" % name, measure(work) / 1000)
    kept.clear()
    os.remove(_FILE)
