"""A stand-in for the ESP32's `machine` on MicroPython's unix port.

It has what `port/esp32.py` uses: timers whose callbacks are soft, run by the interpreter as on the
chip; pins that a test moves; RTC memory, a watchdog and a reset that only note what was done.
"""

import _thread
import time

import micropython

WDT_RESET = 3
PWRON_RESET = 1
DONE = []  # what the port did to the chip
CAUSE = [PWRON_RESET]
MEMORY = bytearray(2048)  # its first KEPT[0] bytes are set
KEPT = [0]


class Timer:
    """A timer with a thread in place of the hardware's."""

    PERIODIC = 1

    def __init__(self, number):
        self.number = number
        self.callback = None
        self.period = 1
        self.has_thread = False

    def init(self, *, mode, period, callback):
        """Call `callback` every `period` milliseconds, as a soft callback."""
        self.period = period
        self.callback = callback
        if not self.has_thread:
            self.has_thread = True
            _thread.start_new_thread(self._run, ())

    def deinit(self):
        """Call no more."""
        self.callback = None

    def _run(self):
        while True:
            try:
                time.sleep_ms(self.period)
                callback = self.callback
                if callback:
                    micropython.schedule(callback, self)
            except RuntimeError:  # the interpreter's queue is full: dropped, as on the chip
                pass


class Pin:
    """A pin; `move` is its wire."""

    IN = 1
    OUT = 3
    PULL_UP = 2
    PULL_DOWN = 1
    IRQ_RISING = 1
    IRQ_FALLING = 2
    ALL = {}

    def __init__(self, number, mode=None, pull=None):
        self.handler = None
        self.trigger = 0
        self.mode, self.pull, self.level, self.is_held = mode, pull, 0, False
        Pin.ALL[number] = self

    def init(self, mode=None, pull=-1, *, value=None, hold=None):
        """Set the pin up, unless its pad is held: as `machine_pin.c` of the esp32 port does."""
        if hold is not None or not self.is_held:
            self.mode = self.mode if mode is None else mode
            self.pull = self.pull if pull == -1 else pull
            self.level = self.level if value is None else value
        self.is_held = self.is_held if hold is None else hold

    def value(self, level):
        """Drive the pin, unless its pad is held."""
        if not self.is_held:
            self.level = level

    def irq(self, handler=None, trigger=3):
        """Set the soft handler of edges; None for none."""
        self.handler = handler
        self.trigger = trigger

    def move(self, edge):
        """Be an edge of the kind given."""
        if self.handler and self.trigger & edge:
            micropython.schedule(self.handler, self)


class WDT:
    """A watchdog that counts how often it is fed."""

    def __init__(self, *, timeout):
        self.timeout = timeout
        self.fed = 0

    def feed(self):
        """Note one more."""
        self.fed += 1


class RTC:
    """Memory that survives a reset."""

    def memory(self, data=None):
        """Return the memory, or set it."""
        if data is not None:
            KEPT[0] = len(data)
            for at in range(len(data)):  # the chip's copies in C: the heap may be locked
                MEMORY[at] = data[at]
            return None
        return bytes(MEMORY[: KEPT[0]])


def reset():
    """Note the reset."""
    DONE.append("reset")


def reset_cause():
    """Return what a test has put in CAUSE."""
    return CAUSE[0]
