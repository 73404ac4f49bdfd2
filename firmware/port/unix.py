"""The unix port: MicroPython's own unix build, with a thread for the tick.

It has no hardware interrupts; lines of source `console` and `test` are fired by software. The
kill is the SIGINT that a Ctrl-C at a terminal would be; MicroPython cannot send itself one, so a
shell that reads a fifo does, and says so in another. The clock is a word that the tick thread
keeps, exact to a tick: each of its rounds counts as what it slept, and while a step runs it counts
the processor's time, so that a busy machine makes this board slow and does not use up a budget. A
board that idles has few and long rounds: hundreds of them fit on a machine.
"""

import _thread
import binascii
import os
import select
import sys
import time
from array import array

import micropython
from kernel.abi import KILLS_CAUGHT
from kernel.layout import (
    ARMED, DEADLINES, IRQ_PENDING, NEXT_DEADLINE, OUTER, PRIORITY, PROMPT, READY_BITS,
    RUNNING_TASK, SCHEDULED, SLICE_END, STEPS, STEP_DEADLINE, STOPPED, STRUCK,
)  # fmt: skip
from kernel.limits import STRIKES_MAX, TICK_US, TIME_HALF, TIME_MASK
from kernel.outputs import make_safe
from micropython import const

from port.hosted import HostedPort
from port.outlet import Outlet
from port.soft import SoftLine

# Long enough for the signal of the last strike to have come, on a busy machine too: one that comes
# after the kill it was meant for would be an operator's.
_STRIKE_AGAIN_US = const(150_000)
# For so long a kill waits for an entry to the interrupt level: code without branches puts that
# off, and a signal ends it all the same.
_ENTRY_US = const(20_000)
_PAD_MS = const(300)
# A signal that has been sent is taken within microseconds.
_PAD_BRANCHES = const(20_000)
# A step that sleeps uses no processor: this share of the wall's time counts all the same.
_ASLEEP_SHARE = const(8)
# How long the tick's rounds are while the board idles: a part of what it has to wait, and no more
# than a step that input has begun may run without a tick.
_REST_SHARE = const(4)
_REST_TICK_US = const(20_000)
_REST_US = const(200_000)  # without limit

# The shell ends, and removes the fifos, when this process ends and so closes its side.
_STRIKER = (
    "mkfifo {0} {0}.done; (while read _; do kill -INT $PPID; echo; done <{0} >{0}.done;"
    " rm -f {0} {0}.done) &"
)


def _end():
    os.system("kill -KILL $PPID")


class Port(HostedPort):
    """The contract of `firmware/port/README.md` on a unix system."""

    name = "unix"

    def __init__(self):
        super().__init__(array("i", [0]), _end)
        micropython.kbd_intr(3)
        self.clock_stands = False
        self.uptime_us = 0
        fifo = "/tmp/bulkhead-%s" % binascii.hexlify(os.urandom(8)).decode()
        os.system(_STRIKER.format(fifo))
        self.striker = open(fifo, "wb")
        self.struck = open(fifo + ".done", "rb")
        self.answer = bytearray(1)  # what is read from it: the tick allocates nothing
        self.sent = self.landed = 0  # signals asked for, and those that have been sent
        self.interrupt = self._caught()
        self.enter = None
        self.ticking = False
        self.has_thread = False
        self.round_us = TICK_US
        self.interrupts_guest = False
        self.lines = []
        self.input = select.poll()
        self.input.register(sys.stdin, select.POLLIN)

    def attach(self, kernel, enter):
        """Take the kernel and its entry to the interrupt level."""
        self.kernel = kernel
        self.enter = enter
        self.words = kernel.words

    def uptime_ms(self):
        """Return the milliseconds that the clock has counted, modulo 2^30."""
        return (self.uptime_us // 1000) & TIME_MASK

    def stall(self, us):
        """Let so much time go by on this port's clock, which a busy machine keeps back."""
        start = self.now()
        while (self.now() - start) & TIME_MASK < us:
            time.sleep_us(TICK_US)

    def start_tick(self):
        """Begin to look at deadlines and budgets every TICK_US."""
        self.ticking = True
        if not self.has_thread:
            self.has_thread = True
            _thread.start_new_thread(self._tick_thread, ())

    def stop_tick(self):
        """Stop looking."""
        self.ticking = False

    def pad(self):
        """Give a pending kill, whose signal may be on its way, a branch to land on.

        Return whether one has landed within the time that a signal takes; that time does not
        count.
        """
        try:  # before anything else: the signal comes when it likes
            self.clock_stands = True
            while self.has_thread and self.landed != self.sent:
                pass
            for _ in range(_PAD_BRANCHES):
                pass
            landed = False
        except KeyboardInterrupt:
            landed = True
        self.clock_stands = False
        return landed

    def idle(self, limit_us):
        """Sleep until a line fires, console input waits, or for `limit_us` (-1: without limit)."""
        console = self.console
        start = self.now()
        try:
            while not self.words[IRQ_PENDING]:
                left_us = _REST_US
                if limit_us >= 0:
                    left_us = min(left_us, limit_us - ((self.now() - start) & TIME_MASK))
                    if left_us <= 0:
                        return
                self.round_us = max(TICK_US, min(left_us // _REST_SHARE, _REST_TICK_US))
                if console is None or console.masked:
                    time.sleep_us(left_us)
                elif self.input.poll(max(1, left_us // 1000)):
                    console.fire()
        finally:
            self.round_us = TICK_US

    def line(self, kernel, offset, source, _argument, _trigger, on_trap=None):
        """Return the interrupt source of a manifest line, masked."""
        line = SoftLine(kernel, offset, on_trap)
        if source == "console":
            self.console = line
            self.outlet = Outlet(self)
        self.lines.append(line)
        return line

    def unmask(self, line):
        """Let the line interrupt again; console input that waits already fires it."""
        line.unmask()
        if line is self.console and not (self.guest or self.words[STOPPED]) and self.input.poll(0):
            line.fire()

    def leave_guest(self):
        """Begin the interrupt level above a guest."""

    def back_to_guest(self):
        """End the interrupt level above a guest: interrupt the guest if a Ctrl-C was for it."""
        if self.words[STOPPED]:
            self.words[STOPPED] = 0
            self.set_guest(PROMPT)
            self.interrupts_guest = True

    def request(self):
        """Have the interpreter enter the interrupt level at its next branch."""
        w = self.words
        if w[SCHEDULED] == 0:
            w[SCHEDULED] = 1
            try:
                micropython.schedule(self.enter, self.kernel)
            except RuntimeError:  # the interpreter's queue is full: the next tick asks again
                w[SCHEDULED] = 0

    def strike(self):
        """Have a signal raise KeyboardInterrupt in whatever runs when it comes.

        The tick thread is told when it has been sent.
        """
        self.sent += 1
        self.striker.write(b"\n")

    def is_operators(self, error):
        """Tell whether that KeyboardInterrupt is a Ctrl-C, if it is no kill.

        It is the interpreter's one object for both: a service that has kept a kill has it too.
        """
        return error is self.interrupt

    def _caught(self):
        try:
            self.strike()
            while True:
                pass
        except KeyboardInterrupt as error:
            return error

    def _interrupt_guest(self):
        """Strike the guest, and nothing above it: STRUCK keeps the interrupt level away."""
        self.interrupts_guest = False
        self.words[STRUCK] = 1
        self.strike()
        time.sleep_ms(_PAD_MS)
        self.words[STRUCK] = 0
        self.request()

    def _tick_thread(self):
        while True:
            try:
                self._tick()
            except KeyboardInterrupt:  # the signal went to this thread: strike again
                pass
            except MemoryError:  # a service has filled the heap: it is struck all the same
                pass

    def _tick(self):
        w = self.words
        clock = self.clock
        seen = time.ticks_us()
        worked = time.ticks_cpu()
        while True:
            round_us = self.round_us
            time.sleep_us(round_us)
            while self.landed != self.sent:
                self.landed += self.struck.readinto(self.answer)
            before, worked_before = seen, worked
            seen, worked = time.ticks_us(), time.ticks_cpu()
            if self.clock_stands:
                continue
            gone_us = time.ticks_diff(seen, before)
            if w[ARMED] and w[RUNNING_TASK]:
                worked_us = time.ticks_diff(worked, worked_before)
                gone_us = max(worked_us, gone_us // _ASLEEP_SHARE)
            gone_us = min(gone_us, round_us)
            self.uptime_us += gone_us
            now = (clock[0] + gone_us) & TIME_MASK
            clock[0] = now
            if not self.ticking:
                continue
            if self.interrupts_guest and w[ARMED]:
                self._interrupt_guest()
                seen = time.ticks_us()
            task = w[RUNNING_TASK]
            steps = w[task + STEPS]
            late_us = (now - w[STEP_DEADLINE]) & TIME_MASK
            if w[ARMED] and task and late_us < TIME_HALF:
                # A kill would be lost in an entry to the interrupt level: that comes first.
                enters = w[SCHEDULED] and not (w[OUTER] or self.guest)
                if not enters or late_us >= _ENTRY_US:
                    self._judge(task, steps, now)
                continue
            if w[DEADLINES] and (now - w[NEXT_DEADLINE]) & TIME_HALF == 0:
                self.request()
            if w[ARMED] and not w[OUTER] and w[READY_BITS] & (1 << w[task + PRIORITY]):
                if (now - w[SLICE_END]) & TIME_HALF == 0:
                    self.request()

    def _judge(self, task, steps, now):
        """Strike a step that is over its budget, unless it ends meanwhile.

        Unlike an interrupt this thread runs beside the step it judges. Whoever ends a step looks
        at STRUCK after that, and `pad` waits for what has been asked for. So ask first, and count;
        then see that the step still runs, once both processors see what the other has written.
        """
        w = self.words
        struck = w[STRUCK]
        self.sent += 1
        w[STRUCK] = struck + 1
        if struck:
            make_safe(self.kernel, task)  # it will end, but does as it likes before
        time.sleep_us(0)
        if w[ARMED] and w[RUNNING_TASK] == task and w[task + STEPS] == steps:
            w[STEP_DEADLINE] = (now + _STRIKE_AGAIN_US) & TIME_MASK
            if w[STRUCK] > STRIKES_MAX:
                self.panic(KILLS_CAUGHT)
            self.striker.write(b"\n")
        else:
            w[STRUCK] = struck
            self.sent -= 1
