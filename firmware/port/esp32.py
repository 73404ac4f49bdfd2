"""The ESP32 port: everything in soft callbacks, since MicroPython there has no hard ones.

The tick is a `machine.Timer` whose callback the interpreter runs at a branch of bytecode, never
inside another callback. So it kills what hogs the main level; what hogs the interrupt level, or
stays in C, it cannot reach: the chip's task watchdog, which only the tick and the idle board feed,
resets the board then. No register has the time as viper wants it, so the clock is a word that
`now`, the tick and every entry to the interrupt level set: exact to a tick.

Type-checked against the stubs, and run on the unix port with a fake of `machine`; not on a chip.
"""

import gc
import io
import os
import select
import struct
import sys
import time
from array import array

import machine
import micropython
from bulkhead.terms import CRASH_NAMES, FAULT_FORMAT
from kernel.abi import KILLS_CAUGHT, WATCHDOG_FIRED
from kernel.layout import (
    ARMED, DEADLINES, IRQ_PENDING, NEXT_DEADLINE, OUTER, PRIORITY, PROMPT, READY_BITS,
    RUNNING_TASK, SCHEDULED, SLICE_END, STEP_DEADLINE, STOPPED, STRUCK,
)  # fmt: skip
from kernel.limits import STRIKE_AGAIN_US, STRIKES_MAX, TICK_US, TIME_HALF, TIME_MASK
from kernel.outputs import make_all_safe, make_safe
from micropython import const

from port.callbacks import Callbacks
from port.crash_memory import pack_crash
from port.esp32_outputs import hold, outputs, release
from port.outlet import Outlet
from port.memory import copy, length
from port.soft import SoftLine

_TICK_TIMER = const(0)
_LINE_TIMERS = (1, 2, 3)  # those that this port hands out; some chips have one only
_WATCHDOG_MS = const(8_000)
_FEED_MS = const(2_000)  # the longest the board sleeps at once
_IDLE_WITHOUT_TICK_US = const(3_000)
# A crash in RTC memory, which survives every reset but power-on: this, a fault record, and the sum
# of both. What an application keeps there is lost in a crash.
_MARK = b"BULK"
_TRIGGERS = {
    "falling": machine.Pin.IRQ_FALLING,
    "rising": machine.Pin.IRQ_RISING,
    "both": machine.Pin.IRQ_FALLING | machine.Pin.IRQ_RISING,
}
_PULLS = {"up": machine.Pin.PULL_UP, "down": machine.Pin.PULL_DOWN, "none": None}


class Wake(io.IOBase):
    """A pollable object that is readable once an interrupt line has fired."""

    def __init__(self):
        self.words = None

    def ioctl(self, request, _argument):
        """Answer a poll (request 3) with POLLIN when the kernel has something to look at."""
        w = self.words
        return 1 if request == 3 and (w[IRQ_PENDING] or w[SCHEDULED]) else 0


class PinLine(SoftLine):
    """Edges of a GPIO: the interrupt is taken away while the line is masked."""

    def __init__(self, kernel, offset, number, trigger):
        super().__init__(kernel, offset)
        edge, _, pull = trigger.partition(" ")
        self.events = _TRIGGERS[edge]
        self.handler = self.edge
        self.pin = machine.Pin(number, machine.Pin.IN, _PULLS[pull or "none"])

    def edge(self, _pin):
        """Be the interrupt, and mask it. An edge that was on its way is ignored once masked."""
        if not self.masked:
            self.mask()
            self.fire()

    def mask(self):
        """Let the pin interrupt no more."""
        self.pin.irq(handler=None)

    def unmask(self):
        """Let the pin interrupt again; edges seen meanwhile are forgotten."""
        self.pin.irq(handler=self.handler, trigger=self.events)


class TimerLine(SoftLine):
    """A period in microseconds, to the millisecond. Those that end while masked are forgotten."""

    def __init__(self, kernel, offset, number, period_us):
        super().__init__(kernel, offset)
        self.timer = machine.Timer(number)
        self.period_ms = max(1, period_us // 1000)
        self.is_running = False
        self.handler = self.expired

    def expired(self, _timer):
        """Be the interrupt."""
        self.fire()

    def mask(self):
        """Stop the timer."""
        self.timer.deinit()
        self.is_running = False

    def unmask(self):
        """Let the next period fire; start the timer unless it runs."""
        if not self.is_running:
            self.timer.init(
                mode=machine.Timer.PERIODIC, period=self.period_ms, callback=self.handler
            )
            self.is_running = True


class ConsoleLine(SoftLine):
    """Console input as an interrupt line: the port looks when it idles, and at an unmask."""

    def __init__(self, kernel, offset):
        super().__init__(kernel, offset)
        self.poller = select.poll()
        self.poller.register(sys.stdin, select.POLLIN)

    def unmask(self):
        """Fire at once when input waits already; never while the REPL reads it."""
        if not (self.port.guest or self.words[STOPPED]):
            for _ in self.poller.ipoll(0):
                self.fire()


class Port:
    """The contract of `firmware/port/README.md` on an ESP32."""

    name = "esp32"
    stack = 0  # MicroPython keeps no limit here that the port knows
    shares = None
    callbacks = Callbacks()
    copy = staticmethod(copy)
    length = staticmethod(length)
    outputs = staticmethod(outputs)
    hold = staticmethod(hold)
    release = staticmethod(release)

    def __init__(self, _prompt=None):
        micropython.kbd_intr(3)
        self.clock = array("i", [0])
        self.timer = machine.Timer(_TICK_TIMER)
        self.watchdog = machine.WDT(timeout=_WATCHDOG_MS)
        self.ring = micropython.RingIO(16)
        self.wake = Wake()
        # Two sets to sleep on: with console input, and without it while its line is masked.
        self.quiet = select.poll()
        self.quiet.register(self.wake, select.POLLIN)
        self.listening = select.poll()
        self.listening.register(self.wake, select.POLLIN)
        self.listening.register(sys.stdin, select.POLLIN)
        self.console = self.outlet = None
        self.rtc = machine.RTC()
        self.record = bytearray(len(_MARK) + struct.calcsize(FAULT_FORMAT) + 1)
        self.record[: len(_MARK)] = _MARK
        self.summed = memoryview(self.record)[:-1]
        self.free_timers = list(_LINE_TIMERS)
        self.guest = 0
        self.ticking = False
        self.kernel = None
        self.enter = None
        self.words = None
        # Bound methods are made once here: making one allocates.
        self.tick_handler = self.tick
        self.interrupt_handler = self.interrupt
        self.caught = None
        try:
            self.strike()
            for _ in range(2):
                pass
        except KeyboardInterrupt as error:
            self.caught = error

    def attach(self, kernel, enter):
        """Take the kernel and its entry to the interrupt level."""
        self.kernel = kernel
        self.enter = enter
        self.words = kernel.words
        self.wake.words = kernel.words

    @micropython.native
    def now(self):
        """Return the time in microseconds modulo 2**30, and set the clock's word."""
        now = time.ticks_us() & TIME_MASK  # type: ignore[operator]
        self.clock[0] = now
        return now

    def uptime_ms(self):
        """Return the milliseconds since reset, modulo 2^30."""
        return time.ticks_ms()

    def collect(self):
        """Collect garbage."""
        gc.collect()

    def allocated(self):
        """Tell that something may have been allocated since the last collection."""
        return 1

    def used_bytes(self):
        """Return the bytes of heap in use, garbage included."""
        return gc.mem_alloc()

    def stall(self, us):
        """Let so much time go by."""
        time.sleep_us(us)

    def start_tick(self):
        """Begin to look at deadlines and budgets every TICK_US; safe to call again."""
        self.now()
        if not self.ticking:
            self.timer.init(
                mode=machine.Timer.PERIODIC, period=TICK_US // 1000, callback=self.tick_handler
            )
            self.ticking = True

    def stop_tick(self):
        """Stop the tick."""
        self.ticking = False
        self.timer.deinit()

    @micropython.native
    def tick(self, _timer):
        """Ask for the interrupt level when a wait is over, strike a step over its budget.

        A soft callback: it runs at a branch of what runs at the main level. The strike is the
        last thing it does, so that the next branch is the struck task's.
        """
        w = self.words
        now = self.now()
        self.watchdog.feed()
        if w[DEADLINES] and (now - w[NEXT_DEADLINE]) & TIME_HALF == 0:
            self.request()
        task = w[RUNNING_TASK] if w[ARMED] else 0
        if task == 0:
            return
        if (now - w[SLICE_END]) & TIME_HALF == 0 and not w[OUTER]:
            if w[READY_BITS] & (1 << w[task + PRIORITY]):
                self.request()
        if (now - w[STEP_DEADLINE]) & TIME_HALF == 0:
            struck = w[STRUCK]
            if struck == 0 or not self.pad():  # it was caught
                w[STRUCK] = struck + 1
            if struck:  # it will end, but does as it likes before
                make_safe(self.kernel, task)
            w[STEP_DEADLINE] = (now + STRIKE_AGAIN_US) & TIME_MASK
            if w[STRUCK] > STRIKES_MAX:
                self.panic(KILLS_CAUGHT)
            self.strike()

    @micropython.native
    def request(self):
        """Have the interpreter enter the interrupt level at its next branch."""
        w = self.words
        if w[SCHEDULED] == 0:
            w[SCHEDULED] = 1
            try:
                micropython.schedule(self.interrupt_handler, self.kernel)
            except RuntimeError:  # the interpreter's queue is full: the next tick asks again
                w[SCHEDULED] = 0

    @micropython.native
    def interrupt(self, kernel):
        """Enter the interrupt level, with the clock set."""
        self.now()
        self.enter(kernel)

    @micropython.native
    def strike(self):
        """Make the interpreter raise KeyboardInterrupt at its next branch.

        A Ctrl-C character that arrives on a second console does just that. Whatever was the
        second console before, WebREPL perhaps, is so again.
        """
        before = os.dupterm(self.ring)
        self.ring.write(b"\x03")
        os.dupterm_notify(None)
        os.dupterm(before)

    def is_operators(self, error):
        """Tell whether that KeyboardInterrupt is a Ctrl-C, if it is no kill.

        It is the interpreter's one object for both: a service that has kept a kill has it too.
        """
        return error is self.caught

    def pad(self):
        """Give a pending kill a branch to land on; return whether one has landed."""
        try:
            for _ in range(2):
                pass
        except KeyboardInterrupt:
            return True
        return False

    def idle(self, limit_us):
        """Sleep until a line fires, console input, or for `limit_us` (-1: without limit).

        Sleeps no longer than the watchdog allows: the kernel's loop idles again.
        """
        self.watchdog.feed()
        if 0 <= limit_us < 1000:
            time.sleep_us(limit_us)
        else:
            self._sleep(_FEED_MS if limit_us < 0 else min(limit_us // 1000, _FEED_MS))
        self.start_tick()

    def _sleep(self, milliseconds):
        if milliseconds * 1000 > _IDLE_WITHOUT_TICK_US:
            self.stop_tick()
        console = self.console
        listens = console is not None and not console.masked
        poller = self.listening if listens else self.quiet
        for stream, _ in poller.ipoll(milliseconds):
            if stream is not self.wake:
                console.fire()

    def line(self, kernel, offset, source, argument, trigger, on_trap=None):
        """Return the interrupt source of a manifest line, masked."""
        if on_trap is not None:
            raise ValueError("the esp32 port has no hard interrupts: no driver can be hard")
        if source == "pin":
            return PinLine(kernel, offset, argument, trigger)
        if source == "timer" and self.free_timers:
            return TimerLine(kernel, offset, self.free_timers.pop(0), argument)
        if source == "console":
            self.console = ConsoleLine(kernel, offset)
            self.outlet = Outlet(self)
            return self.console
        raise ValueError("the esp32 port has no interrupt source '" + source + "' left")

    def set_guest(self, guest):
        """Take note of who has the main level from now on: 0 (the kernel), PROGRAM or PROMPT."""
        self.guest = guest
        if guest != PROMPT and self.console is not None:
            self.console.wake()  # what was held back may come

    def let_interrupt(self):
        """Have a Ctrl-C interrupt what has called `resume`: here it always does."""

    def leave_guest(self):
        """Begin the interrupt level above a guest."""

    def back_to_guest(self):
        """End the interrupt level above a guest: interrupt the guest if a Ctrl-C was for it."""
        if self.words[STOPPED]:
            self.words[STOPPED] = 0
            self.set_guest(PROMPT)
            self.request()
            self.strike()

    def mask(self, line):
        """Let the line interrupt no more."""
        line.mask()

    def unmask(self, line):
        """Let the line interrupt again."""
        line.unmask()

    def print_exception(self, error, stream):
        """Write the traceback of `error` to a stream of bytes."""
        sys.print_exception(error, stream)

    def panic(self, cause):
        """Say why, keep it, and reset the board."""
        make_all_safe(self.kernel)
        print("bulkhead: panic:", CRASH_NAMES[cause])
        self.keep_crash(cause)
        machine.reset()

    def keep_crash(self, cause):
        """Keep the cause of a reset that will come, and what runs now. Allocates nothing."""
        record = self.record
        pack_crash(record, len(_MARK), self.words, cause, self.uptime_ms())
        record[-1] = sum(self.summed) & 0xFF
        self.rtc.memory(record)

    def crash(self):
        """Return once what ended the last run, in the order of `terms.FAULT_FORMAT`, or None.

        When the watchdog did, that is all that is known: the tick, which could have noted what
        ran, was kept from running.
        """
        kept = self.rtc.memory()
        if kept.startswith(_MARK) and len(kept) == len(self.record):
            self.rtc.memory(b"")
            if kept[-1] == sum(kept[:-1]) & 0xFF:
                return struct.unpack_from(FAULT_FORMAT, kept, len(_MARK))
        if machine.reset_cause() == machine.WDT_RESET:
            return 0, WATCHDOG_FIRED, 0, 0, 0, 0, 0, 0
        return None
