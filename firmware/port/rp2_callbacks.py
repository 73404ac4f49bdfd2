"""Soft callbacks of programs (`machine.Timer`, `Pin.irq`, `micropython.schedule`) on the RP2040.

An image of ours has the kernel run on top of them, and keeps them while the main level is the
kernel's (`image/scheduler.py` of the host tools). A program that has ended may have left some: the
kernel lends each the main level, as to a guest. MicroPython's own image has none of that: there a
callback runs on top of whatever runs, and nothing that is scheduled runs before it has returned.
"""

import micropython
from kernel.layout import ARMED, PROGRAM, RUNNING_TASK, STOPPED
from micropython import const
from port.rp2_input import has_interrupt
from port.rp2_tick import QUEUE
from uctypes import addressof, bytearray_at

# Looks, 16 ms apart, at a Ctrl-C that a callback keeps the prompt from reading: then it ends.
_PATIENCE = const(16)


_OWN = "own_callbacks"
_HOW = ("hold_callbacks", "run_callback", "end_callback")


def _nothing(_operand=None):
    return False


class Callbacks:
    """Those of programs. `queued[0]` is how many wait for the main level."""

    def __init__(self, port):
        self.port = port
        self.queued = self.none = bytearray(1)
        self.looks = 0
        self.hold = self.end = self.run_next = _nothing

    def attach(self, places, own):
        """Have the port's functions run on top of callbacks, if the image can.

        `own` has each with its argument behind it.
        """
        if places[QUEUE] and hasattr(micropython, _OWN):
            getattr(micropython, _OWN)(own)
            self.hold, self.run_next, self.end = [getattr(micropython, n) for n in _HOW]
            self.queued = bytearray_at(places[QUEUE], 1)
            places[QUEUE] = addressof(self.none)  # what is the port's own needs no place in it

    @micropython.native
    def run_one(self):
        """Run the first that waits, as a guest's; note an operator's Ctrl-C that has ended it."""
        port = self.port
        w = port.words
        port.start()
        port.guest = PROGRAM
        w[RUNNING_TASK] = 0
        w[ARMED] = 1
        self.run_next()
        w[ARMED] = 0
        if port.guest != PROGRAM:
            port.pad()
            w[STOPPED] = 1
        port.guest = 0

    def look(self):
        """Return whether one has kept the prompt from reading a Ctrl-C, for `_PATIENCE` looks."""
        waiting = self.port.waiting
        if waiting is None or not has_interrupt(waiting.at) or not self.end(False):
            self.looks = 0
            return False
        self.looks = (self.looks + 1) % _PATIENCE
        return self.looks == 0
