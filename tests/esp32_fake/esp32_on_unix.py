"""The ESP32 port as it is, but for the kill, a signal as on the unix port, and for its clock.

The clock counts the time this process was let run, so a busy machine uses up nobody's budget.
"""

import _thread
import time

from kernel.layout import STEP_DEADLINE
from kernel.limits import TIME_MASK
from port import esp32, unix

_STRIKE_AGAIN_US = 150_000  # a signal takes its time
_CREDIT_US = 2_000  # of a longer gap between two looks no more than this counts


class Port(esp32.Port):
    """`port.esp32.Port` with the unix port's way to strike, and a clock that is lenient."""

    def __init__(self, prompt=None):
        self.seen = time.ticks_us()
        self.signals = unix.Port()
        super().__init__(prompt)
        self.wanted = False
        _thread.start_new_thread(self._strike_thread, ())

    def now(self):
        """Return the time in microseconds modulo 2**30, and set the clock's word."""
        before = self.seen
        self.seen = time.ticks_us()
        gone_us = min(time.ticks_diff(self.seen, before), _CREDIT_US)
        if self.signals.clock_stands:  # the time that a signal takes is nobody's
            gone_us = 0
        self.clock[0] = (self.clock[0] + gone_us) & TIME_MASK
        return self.clock[0]

    def strike(self):
        """Have this process sent the signal of a Ctrl-C, once the tick's callback has ended."""
        w = self.words
        if w is None:  # at boot, to see what is raised: the unix port has seen it
            return
        w[STEP_DEADLINE] = (self.now() + _STRIKE_AGAIN_US) & TIME_MASK
        self.wanted = True

    def is_operators(self, error):
        """Tell a signal from what a service raises."""
        return self.signals.is_operators(error)

    def pad(self):
        """Give a signal that is on its way a branch to land on."""
        return self.signals.pad()

    def _strike_thread(self):
        while True:
            try:
                time.sleep_ms(1)
                if self.wanted:
                    self.wanted = False
                    self.signals.striker.write(b"\n")
            except KeyboardInterrupt:  # the signal went to this thread: strike again
                self.wanted = True
