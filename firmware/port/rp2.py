"""The RP2040 port: hardware timer tick with the kill, pin interrupts, idle, reset.

Register addresses and fields are those of the RP2040 datasheet (sections 2.19 GPIO, 4.6 timer,
4.7 watchdog). Handlers that run in hardware interrupt context are viper code: they allocate
nothing, raise nothing and reach no branch of the interpreter.
"""

import gc
import io
import select
import sys
import time
from array import array

import machine
import micropython
from kernel.layout import IRQ_PENDING, PROGRAM, PROMPT, SCHEDULED, STOPPED
from kernel.limits import TICK_US, TIME_MASK
from kernel.outputs import make_all_safe, make_safe
from micropython import const
from port.memory import copy, length
from uctypes import addressof

from port.rp2_callbacks import Callbacks
from port.rp2_chip import TIMERAWL
from port.rp2_crash import keep, see_nothing, take
from port.rp2_input import Waiting, drop_interrupt
from port.rp2_lines import ConsoleLine, PinLine, put_pins
from port.rp2_outlet import UsbOutlet
from port.rp2_outputs import hold, release
from port.rp2_prompt import Keyboard
from port.rp2_scheduled import look_requester, looker, requester, starter, striker, waker
from port.rp2_stack import Stack
from port.rp2_tick import (
    CHARACTER, FAR_MS, LOOKS, PLACES, TICKING, WAITED, WANTED, fill_places, find_period, set_tick,
    ticker,
)  # fmt: skip

# Where the interpreter's own words are: at the begin of the SRAM, 2.6.2, below the heap.
_SRAM = const(0x20000000)
_SRAM_END = const(0x20008000)

# The tick goes on for so long as the board idles: to stop it takes 40 us, which an interrupt that
# comes just then waits for.
_IDLE_WITH_TICK_MS = const(12)

# Bound once: in interrupt context an attribute of a module costs 3 us.
_KEY = b"\x03"

# After which an allocation has garbage collected, until it is known how much of the heap is free:
# then it is half of that. Where the board idles the kernel collects before. MicroPython would wait
# until the heap is full; what lives on would then lie all over it, and leave no piece that holds a
# file's buffer or a service's state.
_COLLECT_BYTES = const(98_304)
_LEAST_BYTES = const(4_096)  # of a heap that is nearly full
_RAM_BYTES = const(532_480)  # as much as any of these chips has

_KEYS_AT_ONCE = const(64)  # of console input, where nobody reads it
_CTRL_C = const(3)
_NONE = const(-1)
_PROGRAM = const(-2)  # no character is that: see `image/program_input.py` of the host tools


class Wake(io.IOBase):
    """A pollable object that is readable once an interrupt line has fired."""

    def __init__(self):
        self.words = 0  # an address
        self.queued = bytearray(1)  # of callbacks that wait for the main level

    @micropython.viper
    def ioctl(self, request: int, _argument) -> int:
        """Answer a poll (request 3) with POLLIN when the kernel has something to look at."""
        if request == 3 and (ptr32(self.words)[IRQ_PENDING] or ptr8(self.queued)[0]):
            return 1
        return 0


class Port:
    """The contract of `firmware/port/README.md` on an RP2040."""

    name = "rp2"
    copy = staticmethod(copy)
    length = staticmethod(length)
    hold = staticmethod(hold)
    release = staticmethod(release)
    uptime_ms = staticmethod(time.ticks_ms)  # since reset, modulo 2^30: a method would take longer
    allow_interrupts = staticmethod(machine.enable_irq)
    clock = TIMERAWL

    def __init__(self, prompt=None):
        micropython.alloc_emergency_exception_buf(100)
        if prompt is not None:
            prompt.stay()  # it takes a Ctrl-C that is no interrupt, as from here on, for a key
        # What services import of MicroPython's own. It looks for each on the file system first,
        # which takes 1.4 ms every time; one that is in `sys.modules` is found at once, and nobody
        # can put another of its name in its place.
        for name in ("machine", "micropython", "os", "select", "struct", "sys", "time"):
            sys.modules[name] = __import__(name)
        from port.rp2_found import find_interrupt_character, find_ring

        # The REPL sets it as well, and has no name for what it is: so it is read where it is kept.
        self.interrupt_character = find_interrupt_character(_SRAM, _SRAM_END)
        if not self.interrupt_character:
            raise RuntimeError("no interrupt character: take the image of `bulkhead build`")
        self.timer = machine.Timer(-1)
        self.set_timer = self.timer.init
        self.period = array("i", [0])  # where the tick's period is not found
        # A method is looked for in all attributes first: 15 us. These are on an interrupt's way.
        self.start = self.start_tick
        self.wait = self.wait_us
        self.sleep = self.sleep_on
        self.keyboard = Keyboard()
        self.places = array("i", [0] * PLACES)
        self.strike = striker(addressof(self.places), self.keyboard.type)
        self.places[CHARACTER] = self.interrupt_character
        ring = find_ring(_SRAM, _SRAM_END, self.keyboard)
        self.waiting = Waiting(ring) if ring else None
        self.wake = Wake()
        # Two sets to sleep on: with console input, and without it while its line is masked.
        self.input = select.poll()
        self.input.register(sys.stdin, select.POLLIN)
        self.quiet = select.poll()
        self.quiet.register(self.wake, select.POLLIN)
        self.listening = select.poll()
        self.listening.register(self.wake, select.POLLIN)
        self.listening.register(sys.stdin, select.POLLIN)
        self.console = self.outlet = None
        self.prompt = prompt
        self.callbacks = Callbacks(self)
        self.is_late = False  # a callback is to end, which keeps the prompt from a Ctrl-C
        self.is_left = False  # a program runs that was started at the prompt and left
        self.guest = 0
        self.key = bytearray(1)
        self.make_safe = make_safe
        self.pins_first = True
        put_pins(False)
        self.kernel = None
        self.enter = None
        self.words = None
        self.shares = None
        self.stack = 0
        self.counted = 0  # address of what counts allocations
        # Made once, at boot: making a closure allocates.
        self.request = self.look = self.wakes = self.tick_handler = None
        self.interrupt = None
        try:
            self.strike()
            for _ in range(2):
                pass
        except KeyboardInterrupt as error:  # the interpreter's one object for all of them
            self.interrupt = error

    def attach(self, kernel, enter):
        """Take the kernel and its entry to the interrupt level."""
        from port.rp2_found import find_allocated, find_collecting, forget

        self.kernel = kernel
        self.enter = enter
        self.words = kernel.words
        gc.collect()  # a port that was there before has its alarms no longer
        self.counted = find_allocated(_SRAM, _SRAM_END, gc.threshold)
        gc.threshold(_COLLECT_BYTES)
        collecting = find_collecting(_SRAM, _SRAM_END)
        period = find_period(self.timer) or addressof(self.period)
        self.shares = Stack(collecting)
        self.stack = self.shares.address
        places = addressof(self.places)
        fill_places(self.places, kernel, collecting, period, self.shares.words)
        self.request = requester(places, enter, kernel)
        self.look = looker(places, self, self.input.ipoll)
        start = starter(places, self)
        self.wakes = waker(places, self, start)
        self.tick_handler = ticker(places, self, self.request, look_requester(places, self.look))
        for handler in (enter, self.tick_handler, self.look, start):
            self.shares.unchecked(handler)
        prompt = self.prompt
        own = () if prompt is None else (prompt.look_handler, prompt.timer)
        self.callbacks.attach(self.places, (enter, kernel, self.look, None, start, None) + own)
        self.wake.queued = self.callbacks.queued
        self.wake.words = addressof(kernel.words)
        forget()
        self.stop_tick()  # from here on the alarm is the tick's

    @micropython.viper
    def now(self) -> int:
        """Return the time in microseconds modulo 2**30."""
        return ptr32(TIMERAWL)[0] & TIME_MASK

    def outputs(self, stores):
        """Return stores that the build has made as `hold` and `release` take them, or None."""
        return array("I", stores) if stores else None

    def collect(self):
        """Collect garbage."""
        gc.collect()

    @micropython.viper
    def allocated(self) -> int:
        """Tell whether anything has been allocated since the last collection, or much: 0, 1, 2.

        Much is half of what starts a collection where it is allocated.
        """
        counted = ptr32(int(self.counted))
        if int(counted) == 0:
            return 1
        blocks = counted[0]
        return 2 if blocks + blocks >= counted[1] else 1 if blocks else 0

    def used_bytes(self):
        """Return the bytes of RAM that are not free heap, garbage included.

        From then on garbage is collected whenever half of what is free has been allocated, though
        the board may not idle: so the other half stays in one piece.
        """
        free = gc.mem_free()
        gc.threshold(max(free // 2, _LEAST_BYTES))
        return _RAM_BYTES - free

    def stall(self, us):
        """Let so much time go by."""
        time.sleep_us(us)

    @micropython.native
    def start_tick(self):
        """Begin to look at deadlines and budgets every TICK_US.

        An operator's Ctrl-C may end this, or `stop_tick`, at any branch: the flag says that the
        timer runs only when it does, and a second try does no harm.
        """
        places = self.places
        places[WANTED] = 0
        if not places[TICKING]:
            set_tick(self.set_timer, TICK_US // 1000, self.tick_handler)
            places[TICKING] = 1

    @micropython.native
    def stop_tick(self):
        """Stop the tick. Its alarm stays: what runs meanwhile cannot take it."""
        self.places[TICKING] = self.places[WANTED] = 0
        set_tick(self.set_timer, FAR_MS, self.tick_handler)
        see_nothing()

    def look_on(self):
        """Take the console input that waits, if it is for us; return whether a line has fired."""
        console = self.console
        guest = self.guest
        if guest == PROMPT:
            self.is_late = self.callbacks.look()
            return False
        if self.words[STOPPED] or console is None or console.masked:
            return False
        if guest and self.waiting is not None:
            takes = self.waiting.is_drivers()
        else:
            takes = self.places[WAITED] or not guest
            self.places[WAITED] = 1
        if takes:
            self.take_input()
        return takes

    def take_input(self):
        """Leave input that waits to the console's driver; without one look in it for Ctrl-C."""
        console = self.console
        if console.has_driver:
            console.fire()
            return
        w = self.words
        for _ in range(_KEYS_AT_ONCE):  # a host that never stops sending holds nobody up
            if w[STOPPED] or not self.input.poll(0):
                return
            sys.stdin.buffer.readinto(self.key)
            if self.key[0] == _CTRL_C:
                w[STOPPED] = 1

    def set_guest(self, guest):
        """Take note of who has the main level from now on: 0 (the kernel), PROGRAM or PROMPT."""
        self.guest = guest
        self.is_left = False
        self.shares.share(guest)
        if self.prompt is not None:
            self.prompt.port = self
            if guest == PROMPT:
                self.prompt.leave_by(b"from bulkhead_resume import resume;resume()\r")
            else:
                self.prompt.stay()
        self.mind_interrupt_character()
        self.places[WAITED] = 0
        if guest != PROMPT and self.console is not None:
            self.console.wake()

    def is_operators(self, error):
        """Tell whether that KeyboardInterrupt is a Ctrl-C, if it is no kill.

        Above the prompt it may be, and where no service has the console: there a look for input
        would cost the tick time. A service that has caught a kill can raise the same object.
        """
        return (self.guest == PROMPT or self.console is None) and error is self.interrupt

    def mind_interrupt_character(self):
        """Have a Ctrl-C be an interrupt where no service has the console, else input.

        Input is for the console's driver, without one for `take_input`. At the prompt it is for
        the REPL, which makes it an interrupt while it runs what was typed.
        """
        if self.console is None and self.guest != PROMPT:
            micropython.kbd_intr(_CTRL_C)
        else:
            micropython.kbd_intr(_PROGRAM if self.guest == PROGRAM else _NONE)

    def let_interrupt(self):
        """Have a Ctrl-C interrupt the program at the prompt that has called `resume`."""
        if self.guest == PROMPT:
            micropython.kbd_intr(_CTRL_C)

    def leave_program(self):
        """Make a guest program of the one at the prompt, whose host has closed the port.

        A Ctrl-C is input, by a character that nothing is; the REPL sets another at the end.
        """
        if self.console is not None:
            self.guest = PROGRAM
            self.is_left = True
            micropython.kbd_intr(_PROGRAM)
            self.console.wake()

    @micropython.native
    def interrupt_program(self):
        """Interrupt the program at the prompt if a Ctrl-C came before it ran; return whether.

        The REPL makes one an interrupt once it runs what was typed. That begins late beside busy
        services, and what comes before it is input, which no program looks at.
        """
        waiting = self.waiting
        if waiting is None or self._character() != _CTRL_C or not drop_interrupt(waiting.at):
            return False
        self.keyboard.type(_KEY)
        return True

    def has_ended(self):
        """Return whether a program that was left has ended: then the prompt is the guest."""
        if self._character() != _NONE:
            return False
        self.is_left = False
        self.guest = PROMPT
        return True

    @micropython.viper
    def _character(self) -> int:
        return ptr32(int(self.interrupt_character))[0]

    def leave_guest(self):
        """Begin the interrupt level above a guest: keep a Ctrl-C that was for it."""
        if self.pad():
            self.words[STOPPED] = 1

    def back_to_guest(self):
        """End the interrupt level above a guest: interrupt the guest if a Ctrl-C was for it.

        At the prompt the REPL has said what a Ctrl-C is: a key, or the end of a program. What a
        step did to the interrupts ends with the level.
        """
        self.allow_interrupts(0)
        if self.words[STOPPED]:
            self.words[STOPPED] = 0
            if self.guest != PROMPT:
                waits = self.is_left and self._character() == _NONE
                self.set_guest(PROMPT)
                if not waits:
                    micropython.kbd_intr(_CTRL_C)
            self.request()
            self.callbacks.end(True)
            self.keyboard.type(_KEY)

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
        """Sleep until an interrupt, console input, or for `limit_us` (-1: without limit).

        Who called looks what is due: no line that fires meanwhile has to ask for that. A service
        whose step has ended with interrupts off, by an exception say, leaves nobody deaf.
        """
        self.allow_interrupts(0)
        w = self.words
        wake = self.wakes
        places = self.places
        w[SCHEDULED] = 1
        if places[WANTED]:
            places[WANTED] = 0
            see_nothing()
        if w[IRQ_PENDING]:
            pass
        elif 0 <= limit_us < 1000:
            self.wait(limit_us)
        else:
            left_ms = limit_us if limit_us < 0 else limit_us // 1000
            console = self.console
            listens = console is not None and not console.masked
            poller = self.listening if listens else self.quiet
            if places[TICKING] and not 0 <= left_ms <= _IDLE_WITH_TICK_MS:
                if self.sleep(poller, _IDLE_WITH_TICK_MS):
                    w[SCHEDULED] = 0
                    return
                left_ms = left_ms if left_ms < 0 else left_ms - _IDLE_WITH_TICK_MS
                self.stop_tick()
            self.sleep(poller, left_ms)
        if not places[TICKING]:
            wake()
        w[SCHEDULED] = 0

    @micropython.native
    def sleep_on(self, poller, limit_ms):
        """Sleep so long, or until something is to be done; return whether something is."""
        w = self.words
        queued = self.callbacks.queued
        for _ in poller.ipoll(limit_ms):
            if not (w[IRQ_PENDING] or queued[0]):  # it is input
                self.take_input()
            return True
        return False

    @micropython.viper
    def wait_us(self, limit_us: int):
        """Wait so long, less than half the range of times, or until a line has fired."""
        w = ptr32(self.words)
        clock = ptr32(TIMERAWL)
        end = clock[0] + limit_us
        while clock[0] - end < 0 and w[IRQ_PENDING] == 0:
            pass

    def line(self, kernel, offset, source, argument, trigger, on_trap=None):
        """Return the interrupt source of a manifest line, masked.

        Where all hard lines are pins these interrupt all else but one another, so that no tick
        holds a hard driver up. Hard steps of two priorities would tear what both write.
        """
        if on_trap:
            self.pins_first = self.pins_first and source == "pin"
            put_pins(self.pins_first)
        if source == "pin":
            return PinLine(kernel, offset, on_trap, argument, trigger)
        if source == "console":
            self.console = ConsoleLine(kernel, offset)
            self.places[LOOKS] = 1
            self.outlet = UsbOutlet(self)
            return self.console
        from port import rp2_sources

        return rp2_sources.line(kernel, offset, source, argument, on_trap)

    @micropython.native
    def mask(self, line):
        """Let the line interrupt no more."""
        line.mask()

    @micropython.native
    def unmask(self, line):
        """Let the line interrupt again."""
        line.unmask()

    def bind(self, line, resume):
        """Have the firings of a hard line resume `resume`."""
        line.bind(resume)

    def print_exception(self, error, stream):
        """Write the traceback of `error` to a stream of bytes."""
        sys.print_exception(error, stream)

    def panic(self, cause):
        """Make outputs safe, keep what ran when the board has to be reset, and reset it."""
        make_all_safe(self.kernel)
        self.keep_crash(cause)
        machine.reset()

    def keep_crash(self, cause):
        """Keep the cause of a reset that will come, and what runs now. Any context."""
        keep(self.words, cause, self.uptime_ms())  # type: ignore[arg-type]

    def crash(self):
        """Return once what ended the last run, in the order of `terms.FAULT_FORMAT`, or None."""
        return take()
