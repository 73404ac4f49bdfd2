"""The simulated port: CPython, a seeded jumping clock, an interrupt possible at every bytecode.

Time is a number. It advances by `US_PER_BYTECODE` for each bytecode a task executes, and jumps to
the next deadline when the kernel idles; it never follows the wall clock. Bytecodes are seen
through CPython's tracing: the kernel's own modules are not traced, as on the device compiled
code reaches no branch, so preemptions and kills land exactly where they could there.

A test may ask for more: `interrupt_when(predicate)`, lines fired at a given time, and
`chance` of an extra entry to the interrupt level at every bytecode, drawn from the seed.
"""

import collections
import ctypes
import dis
import functools
import os
import random
import sys
import threading
import traceback

import micropython
from kernel.layout import (
    ARMED, DEADLINES, NEXT_DEADLINE, OUTER, PRIORITY, PROMPT, READY_BITS, RUNNING_TASK, SCHEDULED,
    SLICE_END, STEP_DEADLINE, STOPPED, STRUCK,
)  # fmt: skip
from kernel.abi import KILLS_CAUGHT
from kernel.outputs import make_all_safe, make_safe
from kernel.limits import STRIKE_AGAIN_US, STRIKES_MAX, TICK_US, TIME_HALF, TIME_MASK

from port.callbacks import Callbacks
from port.crash_memory import CrashMemory
from port.soft import SoftLine, SoftPins

US_PER_BYTECODE = 1
# What collecting and counting take on a Pico, where little lives.
COLLECT_US = 1_000
COUNT_US = 9_000
KERNEL_FOLDERS = ("/firmware/kernel/", "/firmware/port/", "/firmware/bulkhead/")
BUILT_IN = os.path.dirname(traceback.__file__)  # in place of what is compiled into MicroPython
KERNEL = "/firmware/kernel/"
INJECTED = "/firmware/bulkhead/injections.py"  # runs as the task it is injected into

# Where a pending exception is taken, as on a branch of MicroPython's bytecode. Both raise it after
# the jump (CPython's eval breaker), in the frame that jumps.
_BRANCHES = frozenset(code for name, code in dis.opmap.items() if name == "JUMP_BACKWARD")
# Every jump is a branch on a board.
_JUMPS = frozenset(dis.hasjrel + dis.hasjabs)


class Interrupt(KeyboardInterrupt):
    """What the interpreter raises for a kill or a Ctrl-C: no service raises it itself."""


Interrupt.__module__, Interrupt.__qualname__ = "builtins", KeyboardInterrupt.__name__


class Deadlock(Exception):
    """Nothing is ready, no deadline is set and no event is planned: the run would never end."""


class Clock:
    """What the kernel reads as its microsecond clock: one word, without wrapping of its own."""

    def __init__(self):
        self.us = 0
        self.tracer = None

    def __getitem__(self, _index):
        if self.tracer is not None and sys.gettrace() is not self.tracer:
            sys.settrace(self.tracer)
        return self.us


class SimOutlet:
    """Console output: what was written, and how much more is taken."""

    def __init__(self, port):
        self.port = port
        self.written = b""
        self.room = 1 << 30

    def write(self, data, start):
        """Take bytes: as many as there is room for, -1 while the prompt has the line."""
        if self.port.guest == PROMPT or self.port.kernel.words[STOPPED]:
            return -1
        data = data[start : start + self.room]
        self.room -= len(data)
        self.written += data
        return len(data)


class SimPort:
    """The port's contract on simulated time."""

    name = "sim"
    stack = 0  # MicroPython keeps no limit here that the port knows
    shares = None
    callbacks = Callbacks()
    much_bytes = 100_000  # half of what would start a collection

    def __init__(self, *, seed=0, chance=0.0):
        self.clock = Clock()
        self.random = random.Random(seed)
        self.chance = chance
        self.kernel = None
        self.enter = None
        self.next_tick = TICK_US
        self.in_interrupt = False
        self.pending = False  # a kill on its way: taken at the next bytecode of a task
        self.kill = None
        self.guest = 0
        self.console = None
        self.outlet = SimOutlet(self)
        self.pins = pins = SoftPins()
        self.outputs, self.hold, self.release = pins.outputs, pins.hold, pins.release
        self.crash_memory = CrashMemory()
        self.was_reset = False
        self.live_bytes = 50_000
        self.garbage_bytes = 0
        self.counted_bytes = 0  # of what lived when garbage was collected last
        self.collections = []  # when, in ms
        self.events = []  # (time in us, order, function), sorted
        self.until = None  # simulated time at which the run ends
        self.after_step = None
        self.lines = []
        self.strays = []  # where in the kernel a kill would have landed

    def attach(self, kernel, enter):
        """Take the kernel and its entry to the interrupt level."""
        self.kernel = kernel
        self.enter = enter

    def now(self):
        """Return the time in microseconds modulo 2**30."""
        return self.clock.us & TIME_MASK

    def uptime_ms(self):
        """Return the milliseconds since the start, modulo 2**30."""
        return (self.clock.us // 1000) & TIME_MASK

    def collect(self):
        """Let the simulated heap's garbage go, which takes a while."""
        self.collections.append(self.uptime_ms())
        self.garbage_bytes = 0
        self.counted_bytes = self.live_bytes
        self.clock.us += COLLECT_US

    def allocated(self):
        """Tell whether the heap has changed since the last collection: 0, 1, or 2 for much."""
        grown = self.live_bytes + self.garbage_bytes - self.counted_bytes
        return 2 if grown >= self.much_bytes else int(grown != 0)

    def used_bytes(self):
        """Return the bytes of the simulated heap in use, garbage included: as a case says."""
        self.clock.us += COUNT_US
        return self.live_bytes + self.garbage_bytes

    def stall(self, us):
        """Let so much time go by."""
        self.clock.us += us

    def start_tick(self):
        """Begin to see bytecodes."""
        self.kill = _kill_at_branch()
        self.clock.tracer = self._trace_call
        sys.settrace(self._trace_call)

    def stop_tick(self):
        """See no more bytecodes."""
        self.clock.tracer = None
        sys.settrace(None)

    def idle(self, limit_us):
        """Jump to the next deadline or planned event."""
        target = None if limit_us < 0 else self.clock.us + limit_us
        if self.events and (target is None or self.events[0][0] < target):
            target = self.events[0][0]
        if self.until is not None and (target is None or target >= self.until):
            self.clock.us = self.until
            self.kernel.words[STOPPED] = 1
            return
        if target is None:
            raise Deadlock("nothing is ready and nothing will be")
        self.clock.us = max(self.clock.us, target)
        self._play_events()

    def run(self, milliseconds):
        """Run the kernel for that much simulated time."""
        from kernel.levels import main_level

        self.until = self.clock.us + milliseconds * 1000
        main_level(self.kernel)
        self.stop_tick()
        if self.strays:
            raise AssertionError(f"a kill lands in the kernel: {self.strays}")
        if self.was_reset:
            raise SystemExit("the board was reset")

    def at(self, milliseconds, function):
        """Call `function` at that simulated time, in interrupt context."""
        self.events.append((milliseconds * 1000, len(self.events), function))
        self.events.sort()

    def pad(self):
        """Let a pending kill land; return whether one has."""
        landed = self.pending
        self.pending = False
        return landed

    def line(self, kernel, offset, source, _argument, _trigger, on_trap=None):
        """Return the source of a line, for `fire`."""
        self.lines.append(SoftLine(kernel, offset, on_trap))
        if source == "console":
            self.console = self.lines[-1]
        return self.lines[-1]

    def mask(self, line):
        """Let `line` fire no more until it is unmasked: `fire` looks at the kernel's word."""

    def unmask(self, line):
        """Let `line` fire again."""

    def bind(self, line, resume):
        """Have the firings of a hard line resume `resume`."""
        line.bind(resume)

    def fire(self, line):
        """Be the interrupt of `line`: no bytecode of its handler is seen, nor costs time."""
        tracer, self.clock.tracer = self.clock.tracer, None
        traced = sys.gettrace()
        sys.settrace(None)
        line.fire()
        sys.settrace(traced)
        self.clock.tracer = tracer

    def strike(self):
        """Raise KeyboardInterrupt at the next branch of a task."""
        self.pending = True

    def is_operators(self, error):
        """Tell whether that KeyboardInterrupt is a Ctrl-C, if it is no kill."""
        return isinstance(error, Interrupt)

    def set_guest(self, guest):
        """Take note of who has the main level from now on: 0 (the kernel), PROGRAM or PROMPT."""
        self.guest = guest

    def leave_guest(self):
        """Begin the interrupt level above a guest."""

    def back_to_guest(self):
        """End the interrupt level above a guest: interrupt the guest if a Ctrl-C was for it."""
        w = self.kernel.words
        if w[STOPPED]:
            w[STOPPED] = 0
            self.set_guest(PROMPT)
            self.request()
            self.pending = True

    def request(self):
        """Enter the interrupt level at the next bytecode."""
        self.kernel.words[SCHEDULED] = 1

    def panic(self, cause):
        """End the run: the board would reset."""
        make_all_safe(self.kernel)
        self.keep_crash(cause)
        self.was_reset = True
        self.kernel.words[STOPPED] = 1
        if not self.kernel.words[ARMED]:
            raise SystemExit(f"the board was reset, cause {cause}")

    def keep_crash(self, cause):
        """Keep why the run ends, and what ran, until it is asked for."""
        self.crash_memory.keep(self.kernel.words, cause, self.uptime_ms())

    def crash(self):
        """Return once what ended the last run, in the order of `terms.FAULT_FORMAT`, or None."""
        return self.crash_memory.take()

    def copy(self, into, at, source, start, count):
        """Copy bytes from one buffer to another."""
        data = memoryview(source).cast("B")[start : start + count]
        memoryview(into).cast("B")[at : at + count] = data

    def length(self, buffer):
        """Return the bytes of a memoryview or an array."""
        return memoryview(buffer).nbytes

    def print_exception(self, error, stream):
        """Write the traceback of `error` to a stream of bytes."""
        text = "".join(traceback.format_exception(error))
        stream.write(text.encode())

    def _play_events(self):
        while self.events and self.events[0][0] <= self.clock.us:
            self.events.pop(0)[2]()

    def _trace_call(self, frame, event, _argument):
        if event != "call":
            return None
        if not self.kernel.words[ARMED]:
            return self._trace_kernel_call(frame)
        path = frame.f_code.co_filename
        if any(part in path for part in KERNEL_FOLDERS) and not path.endswith(INJECTED):
            return None
        if path.startswith(BUILT_IN):
            return None
        return _see(frame, self._trace_opcode)

    def _trace_kernel_call(self, frame):
        """See the branches of the kernel's bytecode while a kill is on its way."""
        if self.pending and _is_bytecode_of_the_kernel(frame.f_code):
            return _see(frame, self._trace_kernel)
        return None

    def _trace_kernel(self, frame, _event, _argument):
        """Tell of a kill that would land in the kernel: it has to be padded before."""
        w = self.kernel.words
        code = frame.f_code
        if self.pending and w[STRUCK] and not w[ARMED] and code.co_code[frame.f_lasti] in _JUMPS:
            self.strays.append(f"{code.co_name}, line {frame.f_lineno}")
        return self._trace_kernel

    def _trace_opcode(self, frame, event, _argument):
        if event != "opcode" or not self.kernel.words[ARMED]:
            return self._trace_opcode
        if (self.pending or self.was_reset) and frame.f_code.co_code[frame.f_lasti] in _BRANCHES:
            self.pending = False
            self.kill.clear()
            self.kill[self]
            return self._trace_opcode
        self.clock.us += US_PER_BYTECODE
        self._play_events()
        if self.until is not None and self.clock.us >= self.until:
            self.until = None
            self.kernel.words[STOPPED] = 1
            self.pending = True
        if self.chance and self.random.random() < self.chance:
            self.kernel.words[SCHEDULED] = 1
        if self.clock.us >= self.next_tick:
            self.next_tick = self.clock.us + TICK_US
            self._tick()
        if self.kernel.words[SCHEDULED] and not self.in_interrupt and not self.pending:
            self.in_interrupt = True
            try:
                sys.call_tracing(self._interrupt, ())
            finally:
                self.in_interrupt = False
        return self._trace_opcode

    def _interrupt(self):
        """Enter the interrupt level, with tracing on again: CPython 3.11 leaves it off here."""
        sys.settrace(self._trace_call)
        self.enter(self.kernel)

    def _tick(self):
        """Do what the hardware timer's handler does on a board."""
        w = self.kernel.words
        now = self.now()
        equals = w[READY_BITS] >> w[w[RUNNING_TASK] + PRIORITY] & 1
        if w[DEADLINES] and _passed(now, w[NEXT_DEADLINE]):
            w[SCHEDULED] = 1
        if w[ARMED] and not w[OUTER] and equals and _passed(now, w[SLICE_END]):
            w[SCHEDULED] = 1
        if w[ARMED] and w[RUNNING_TASK] and _passed(now, w[STEP_DEADLINE]):
            struck = w[STRUCK]
            if not self.pending:  # the last one has come to where it can be caught
                w[STRUCK] = struck + 1
            if struck:  # it will end, but does as it likes before, or is in a long C call
                make_safe(self.kernel, w[RUNNING_TASK])
            w[STEP_DEADLINE] = (now + STRIKE_AGAIN_US) & TIME_MASK
            self.pending = True
            below = sys._getframe()
            while below is not None:
                if _is_bytecode_of_the_kernel(below.f_code):
                    _see(below, self._trace_kernel)
                below = below.f_back
            if w[STRUCK] > STRIKES_MAX:
                self.panic(KILLS_CAUGHT)


def _kill_at_branch():
    """Return a mapping; looking up a key it lacks raises Interrupt at the next branch.

    That is the jump the trace function was called for. Raising from the trace function itself
    would end all tracing, and so would calling PyThreadState_SetAsyncExc in it, since the return
    from a call is a branch too: a lookup is none.
    """
    set_exception = ctypes.pythonapi.PyThreadState_SetAsyncExc
    thread = ctypes.c_ulong(threading.get_ident())
    return collections.defaultdict(
        functools.partial(set_exception, thread, ctypes.py_object(Interrupt))
    )


def _see(frame, trace):
    """Have `trace` called at every bytecode of `frame`."""
    frame.f_trace = trace  # first: CPython 3.13 looks for it
    frame.f_trace_opcodes = True
    frame.f_trace_lines = False
    return trace


def _is_bytecode_of_the_kernel(code):
    return KERNEL in code.co_filename and code not in micropython.COMPILED


def _passed(now, deadline):
    return (now - deadline) & TIME_HALF == 0
