"""What the ports that run on a host have in common: in a process of unix, and in QEMU."""

import gc
import sys

from bulkhead.terms import CRASH_NAMES
from kernel.outputs import make_all_safe

from port.callbacks import Callbacks
from port.crash_memory import CrashMemory
from port.memory import copy, length
from port.soft import SoftPins


class HostedPort:
    """The part of `firmware/port/README.md` that takes nothing of the host but two things.

    Those are the clock's word, and a function that ends at once all that runs.
    """

    stack = 0  # MicroPython keeps no limit here that the port knows
    shares = None
    callbacks = Callbacks()
    copy = staticmethod(copy)
    length = staticmethod(length)

    def __init__(self, clock, end):
        self.clock = clock
        self.end = end
        self.kernel = self.words = None
        self.console = self.outlet = None
        self.guest = 0
        self.crash_memory = CrashMemory()
        self.pins = pins = SoftPins()
        self.outputs, self.hold, self.release = pins.outputs, pins.hold, pins.release

    def now(self):
        """Return the time in microseconds modulo 2**30."""
        return self.clock[0]

    def uptime_ms(self):
        """Return the milliseconds that the clock has counted, modulo 2^30 us."""
        return self.now() // 1000

    def collect(self):
        """Collect garbage."""
        gc.collect()

    def allocated(self):
        """Tell that something may have been allocated since the last collection."""
        return 1

    def used_bytes(self):
        """Return the bytes of heap in use, garbage included."""
        return gc.mem_alloc()

    def mask(self, line):
        """Let the line interrupt no more."""
        line.mask()

    def unmask(self, line):
        """Let the line interrupt again."""
        line.unmask()

    def bind(self, line, resume):
        """Have the firings of a hard line resume `resume`."""
        line.bind(resume)

    def set_guest(self, guest):
        """Take note of who has the main level from now on: 0 (the kernel), PROGRAM or PROMPT."""
        self.guest = guest

    def print_exception(self, error, stream):
        """Write the traceback of `error` to a stream of bytes."""
        sys.print_exception(error, stream)

    def panic(self, cause):
        """Say why and end, as a board would reset, whatever is under way."""
        make_all_safe(self.kernel)
        self.keep_crash(cause)
        print("bulkhead: panic:", CRASH_NAMES[cause])
        self.end()

    def keep_crash(self, cause):
        """Keep what ran when the board had to be reset. The process's own memory has to do."""
        self.crash_memory.keep(self.words, cause, self.uptime_ms())

    def crash(self):
        """Return once what was kept, in the order of `terms.FAULT_FORMAT`, or None."""
        return self.crash_memory.take()
