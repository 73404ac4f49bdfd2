"""From an edge on a pin to its driver's first instruction, while a lowest-priority service spins.

The host makes the edges and measures with the emulator's clock, to the cycle: from the falling
edge on `EDGE_PIN` to the change of `ANSWER_PIN`, which the driver toggles as the first thing after
its `yield task.recv()`. The toggle itself, a call of a bound C method, is included. The edges come
at every phase of the tick; a driver's other work is done and its line unmasked well before each.
"""

from bench.stage import Stage, row
from machine import Pin
from micropython import const

EDGE_PIN = const(2)
ANSWER_PIN = const(3)
READY_PIN = const(4)  # rises when the driver is about to wait for the first edge
EDGES = const(200)

_DRIVER_PRIORITY = const(2)
LOWEST_PRIORITY = const(7)
# The kill at the end of its budget is what ends the spinning service, and so the benchmark.
_SPIN_US = const(300_000)


def spinner(task):
    """Never yield."""
    while True:
        pass
    yield


def edge_driver(stage, edges):
    """Return the `main` of a driver that answers so many edges, and then finishes the stage."""

    def driver(task):
        edge = task.cap("edge")
        toggle = Pin(ANSWER_PIN, Pin.OUT, value=0).toggle
        ready = Pin(READY_PIN, Pin.OUT, value=0)
        yield task.acknowledge(edge)
        ready.on()
        for _ in range(edges):
            yield task.recv()
            toggle()
            yield task.acknowledge(edge)
        stage.finish()
        while True:
            yield task.recv()

    return driver


def driver_row(stage, edges, flags=0):
    """Return the row of that driver, with the line of its edges."""
    edge = ("edge", "pin", EDGE_PIN, "falling none", 1000)
    driver = edge_driver(stage, edges)
    return row("driver", driver, _DRIVER_PRIORITY, lines=(edge,), flags=flags)


def take_edges(other):
    """Take EDGES edges beside another service, given as a row."""
    stage = Stage()
    stage.perform([driver_row(stage, EDGES), other])


def main():
    """Take them while one spins."""
    take_edges(row("spinner", spinner, LOWEST_PRIORITY, budget_us=_SPIN_US))
