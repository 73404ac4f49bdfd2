"""MicroPython's qemu port: the kernel on other instruction sets, Thumb-2 and RV32.

It is for the kernel's cases, the attacks and counts of instructions, and runs no application. The
timer interrupt, the kill and `time` are C (`qemu/hard_tick`), for the port has no `machine.Timer`,
no interrupt character and no clock. What it lacks beside a board:

- No hardware interrupts but the tick: lines are fired by software, and no line is hard by itself.
- No pins, buses, files, flash and watchdog; `panic` ends the emulator, and nothing is kept.
- No console service: no `select`, no `sys.stdin.buffer`, so no outlet. A Ctrl-C is no interrupt.
- No `asyncio`; of `time` what `qemu/hard_tick/time.c` has.
- One limit of the stack for all, MicroPython's own, instead of a share for each.
- A kill comes up to a tick late, the clock is exact to 20 us between two looks at it.
"""

import hard_tick
import machine
import micropython
from kernel.abi import KILLS_CAUGHT
from kernel.layout import (
    ARMED, BUDGET_US, DEADLINES, IRQ_PENDING, NEXT_DEADLINE, NOW, OUTER, PRIORITY, PROMPT,
    READY_BITS, RUNNING_TASK, SCHEDULED, SLICE_END, STEP_DEADLINE, STOPPED, STRUCK,
)  # fmt: skip
from kernel.limits import (
    COLLECTION_US, STRIKE_AGAIN_US, STRIKES_MAX, TICK_US, TIME_HALF, TIME_MASK,
)  # fmt: skip
from kernel.outputs import make_safe
from micropython import schedule

from port.hosted import HostedPort
from port.soft import SoftLine


class Port(HostedPort):
    """The contract of `firmware/port/README.md` in an emulator."""

    name = "qemu"
    now = staticmethod(hard_tick.now)
    strike = staticmethod(hard_tick.strike)

    def __init__(self):
        super().__init__(hard_tick.clock, machine.reset)
        micropython.alloc_emergency_exception_buf(100)
        self.request = self.tick = None
        self.make_safe = make_safe

    def attach(self, kernel, enter):
        """Take the kernel and its entry to the interrupt level."""
        self.kernel = kernel
        self.words = kernel.words
        self.request = requester(kernel.words, enter, kernel)
        self.tick = ticker(kernel.words, self, self.request)

    def stall(self, us):
        """Let so much time go by."""
        start = self.now()
        while (self.now() - start) & TIME_MASK < us:
            pass

    def start_tick(self):
        """Begin to look at deadlines and budgets every TICK_US."""
        hard_tick.start(self.tick, TICK_US)

    def stop_tick(self):
        """Stop looking."""
        hard_tick.stop()

    def pad(self):
        """Give a pending kill a branch to land on; return whether one has landed."""
        try:
            for _ in range(2):
                pass
        except KeyboardInterrupt:
            return True
        return False

    @micropython.native
    def idle(self, limit_us):
        """Sleep until a line fires, or for `limit_us` (-1: without limit)."""
        w = self.words
        start = self.now()
        while not w[IRQ_PENDING]:
            if limit_us >= 0 and (self.now() - start) & TIME_MASK >= limit_us:
                return
            hard_tick.wait()

    def line(self, kernel, offset, source, _argument, _trigger, on_trap=None):
        """Return the interrupt source of a manifest line, masked."""
        line = SoftLine(kernel, offset, on_trap)
        if source == "console":
            self.console = line
        return line

    def leave_guest(self):
        """Begin the interrupt level above a guest: keep a Ctrl-C that was for it."""
        if self.pad():
            self.words[STOPPED] = 1

    def back_to_guest(self):
        """End the interrupt level above a guest: interrupt the guest if a Ctrl-C was for it."""
        if self.words[STOPPED]:
            self.words[STOPPED] = 0
            self.set_guest(PROMPT)
            self.request()
            self.strike()

    def let_interrupt(self):
        """Nothing: no Ctrl-C is an interrupt here."""

    def is_operators(self, _error):
        """Tell whether that KeyboardInterrupt is a Ctrl-C: none is an interrupt here."""
        return False


def requester(words, enter, kernel):
    """Return what has the interpreter enter the interrupt level at its next branch."""

    @micropython.viper
    def request():
        w = ptr32(words)
        w[SCHEDULED] = 1
        try:
            schedule(enter, kernel)
        except RuntimeError:  # the interpreter's queue is full: the next tick asks again
            w[SCHEDULED] = 0

    return request


def ticker(words, port, request):
    """Return the tick's handler: see `rp2_tick`, whose look at the kernel's words it is."""

    @micropython.viper
    def tick(collects: int):
        """Ask for the interrupt level when a wait is over, strike a step over its budget."""
        w = ptr32(words)
        now = ptr32(hard_tick.clock)[0] & TIME_MASK
        task = w[RUNNING_TASK] if w[ARMED] else 0
        if w[DEADLINES] and (now - w[NEXT_DEADLINE]) & TIME_HALF == 0:
            if w[SCHEDULED] == 0:
                request()
        elif w[IRQ_PENDING] and w[SCHEDULED] == 0:  # there was no way to run on top before
            request()
        if task:
            if (now - w[SLICE_END]) & TIME_HALF == 0 and w[OUTER] + w[SCHEDULED] == 0:
                if w[READY_BITS] & (1 << w[task + PRIORITY]):
                    request()
            if collects:  # not charged, up to a limit
                longer = (w[STEP_DEADLINE] + TICK_US) & TIME_MASK
                if (longer - w[NOW]) & TIME_MASK <= w[task + BUDGET_US] + COLLECTION_US:
                    w[STEP_DEADLINE] = longer
            if (now - w[STEP_DEADLINE]) & TIME_HALF == 0:
                struck = w[STRUCK]
                if struck == 0 or int(port.pad()) == 0:  # it was caught
                    w[STRUCK] = struck + 1
                if struck:  # it will end, but does as it likes before, or is in a long C call
                    port.make_safe(port.kernel, task)
                w[STEP_DEADLINE] = (now + STRIKE_AGAIN_US) & TIME_MASK
                if w[STRUCK] > STRIKES_MAX:
                    port.panic(KILLS_CAUGHT)
                port.strike()

    return tick
