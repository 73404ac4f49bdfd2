"""The RP2040's interrupt lines: what all share, pins and the console; others are in `rp2_sources`.

A line's handler is a viper closure: it allocates nothing, raises nothing and reaches no branch of
the interpreter, and what it needs it has at hand, since looking up one attribute takes 2 us. The
handler of a masked line can still be called: MicroPython's GPIO interrupt looks at the latched
edges of all pins, whichever fired. So it looks at LINE_MASKED first.

Every source but the timer is masked by one store to its interrupt enable register, through the
register's clear alias, and let go through its set alias (RP2040 datasheet, 2.1.2).
"""

import time

import machine
import micropython
from kernel.abi import GUEST_BIT, NOTIFIED, OUTPUT_BIT
from kernel.hard import NOT_ATTENDING, RAISED
from kernel.layout import (
    FIRED, IRQ_PENDING, LINE_BITS, LINE_BITS_AT, LINE_FIRED, LINE_FIRED_AT, LINE_HARD, LINE_MASKED,
    LINE_MASK_AT, LINE_MASK_WITH, LINE_OWNER, LINE_PLACES, LINE_STEP_AT, PROGRAM, REGISTER_BITS,
    SCHEDULED, STACK_HARD, STACK_LIMIT, STOPPED,
)  # fmt: skip
from kernel.limits import TIME_MASK
from micropython import const, schedule  # an attribute of a module costs 3 us
from port.rp2_chip import INTE0, INTR_BELOW, PINS_PRIORITY
from port.rp2_scheduled import QUEUE_MOST
from port.rp2_tick import CLOCK, FULL, QUEUE, SHARE, THREAD, WORDS
from uctypes import addressof

_CLEAR = const(0x3000)
# The SDK gives all interrupts priority 0x80; that of pins is the second byte of its word.
_PINS_FIRST = const(0x4000)
_PINS_LIKE_ALL = const(0x8000)


def handler(record, enter, kernel, ask):
    """Return the interrupt handler of the line whose words are at an address.

    It masks the line, records the time and asks for the interrupt level, by `ask`, MicroPython's
    `schedule`. A closure of four values called with one finds room on the stack; one more would
    take it from the heap. It has one address of the caller's, since to take one costs 1 us.
    """

    @micropython.viper
    def fire(_source):
        line = ptr32(record)
        if line[LINE_MASKED]:
            return
        at = ptr32(line[LINE_PLACES])
        w = ptr32(at[WORDS])
        line[LINE_FIRED_AT] = ptr32(at[CLOCK])[0] & TIME_MASK
        ptr32(line[LINE_MASK_AT])[0] = line[LINE_MASK_WITH]
        line[LINE_MASKED] = FIRED
        line[LINE_FIRED] = 1
        w[IRQ_PENDING] = 1
        if w[SCHEDULED] == 0:
            if at[QUEUE]:
                if ptr8(at[QUEUE])[0] >= QUEUE_MOST:  # the next tick asks again
                    return
            w[SCHEDULED] = 1
            try:
                ask(enter, kernel)
            except RuntimeError:  # where the queue's length is not known
                w[SCHEDULED] = 0

    return fire


def put_pins(first):
    """Have pins interrupt all other handlers, or wait for them as they for pins."""
    priorities = machine.mem32[PINS_PRIORITY] & ~0xFF00
    machine.mem32[PINS_PRIORITY] = priorities | (_PINS_FIRST if first else _PINS_LIKE_ALL)


error = None  # what `fire` catches: viper has `except ... as` with a global name only


def hard_handler(record, pad, on_trap):
    """Return the interrupt handler of a hard line, and the function that says what it resumes.

    `record` is the address of the line's words. What is pending for the code that was
    interrupted - a kill, a Ctrl-C - would be raised at the first branch of the driver's bytecode:
    `pad`, a C function that looks for such, takes it instead. From then on the driver runs;
    `on_trap` does the rest.
    A closure of four, as above.
    """
    resume = None

    def bind(method):
        nonlocal resume
        resume = method

    @micropython.viper
    def fire(_source):
        global error
        w = ptr32(record)
        if w[LINE_MASKED]:
            return
        at = ptr32(w[LINE_PLACES])
        clock = ptr32(at[CLOCK])
        w[LINE_FIRED_AT] = clock[0] & TIME_MASK
        w[LINE_MASKED] = FIRED
        share = ptr32(at[SHARE])
        thread = ptr32(at[THREAD])
        limit = thread[STACK_LIMIT]
        thread[STACK_LIMIT] = at[FULL]  # what was interrupted may have used its share
        if w[LINE_HARD] == 0:
            on_trap(NOT_ATTENDING, 0, None)
            thread[STACK_LIMIT] = limit
            return
        ptr32(w[LINE_BITS_AT])[0] = w[LINE_BITS]
        landed = 0
        try:
            pad(0)
        except:  # noqa: E722  (it raises nothing else, and to find its name takes 8 us)
            landed = 1
        w[LINE_STEP_AT] = clock[0] & TIME_MASK
        try:
            share[STACK_HARD] = 1
            trap = resume(NOTIFIED)
            share[STACK_HARD] = 0
            status = int(on_trap(trap, landed, None))
            while status >= 0:
                share[STACK_HARD] = 1
                trap = resume(status)
                share[STACK_HARD] = 0
                status = int(on_trap(trap, landed, None))
        except BaseException as error:
            share[STACK_HARD] = 0
            on_trap(RAISED, landed, error)
        thread[STACK_LIMIT] = limit

    return fire, bind


class Line:
    """What all sources share: `bits` of the register at `enable` let it interrupt."""

    def __init__(self, kernel, offset, on_trap, enable, bits):
        w = self.words = kernel.words
        self.offset = offset
        w[offset + LINE_MASK_AT] = enable + _CLEAR
        w[offset + LINE_MASK_WITH] = bits
        w[offset + LINE_PLACES] = addressof(kernel.port.places)
        record = addressof(w) + 4 * offset
        if on_trap is None:
            self.handler = handler(record, kernel.port.enter, kernel, schedule)
        else:
            w[offset + LINE_BITS_AT] = addressof(w) + 4 * (w[offset + LINE_OWNER] + REGISTER_BITS)
            self.handler, self.bind = hard_handler(record, time.sleep_ms, on_trap)
        kernel.port.shares.unchecked(self.handler)
        self.mask()

    @micropython.viper
    def mask(self):
        """Let the source interrupt no more."""
        w = ptr32(self.words)
        line = int(self.offset)
        ptr32(w[line + LINE_MASK_AT])[0] = w[line + LINE_MASK_WITH]

    @micropython.viper
    def unmask(self):
        """Let the source interrupt again, at once if there is cause."""
        w = ptr32(self.words)
        line = int(self.offset)
        ptr32(w[line + LINE_MASK_AT] - 0x1000)[0] = w[line + LINE_MASK_WITH]


class PinLine(Line):
    """Edges of a GPIO. Those seen while it is masked are forgotten."""

    def __init__(self, kernel, offset, on_trap, number, trigger):
        edge, _, pull = trigger.partition(" ")
        events = {"falling": 4, "rising": 8, "both": 12}[edge]
        pulls = {"up": machine.Pin.PULL_UP, "down": machine.Pin.PULL_DOWN, "": None, "none": None}
        enable = INTE0 + 4 * (number >> 3)
        super().__init__(kernel, offset, on_trap, enable, events << 4 * (number & 7))
        self.pin = machine.Pin(number, machine.Pin.IN, pulls[pull])
        self.pin.irq(handler=self.handler, trigger=events, hard=True)
        self.mask()

    @micropython.viper
    def unmask(self):
        """Forget latched edges and let the pin interrupt again."""
        w = ptr32(self.words)
        line = int(self.offset)
        enable = w[line + LINE_MASK_AT] - _CLEAR
        bits = w[line + LINE_MASK_WITH]
        ptr32(enable - INTR_BELOW)[0] = bits  # INTR: writing 1 clears an edge
        ptr32(enable + 0x2000)[0] = bits


class ConsoleLine:
    """Console input as an interrupt line.

    USB input raises no interrupt that Python can see: the port looks when the board idles, when
    the driver acknowledges, and while something runs every 16 ms, from the tick. What the prompt
    reads is no business of the driver's; of what is for a guest program, see `rp2_input`.
    """

    def __init__(self, kernel, offset):
        self.words = kernel.words
        self.offset = offset
        self.port = kernel.port
        self.bits = 0
        self.masked = False
        self.has_driver = False

    def mask(self):
        """Fire no more until unmasked: the driver has ended, so Ctrl-C is the port's to find."""
        self.masked = False
        self.has_driver = False

    def unmask(self):
        """Fire when input waits, at once if it does already."""
        if not self.bits:
            self.bits = self.words[self.offset + LINE_BITS]
        self.masked = False
        self.has_driver = True
        if self.port.waiting is not None and self.port.waiting.count:
            self.port.waiting.give_back(self.port.guest == PROGRAM)
        if not self.port.guest and not self.words[STOPPED]:
            for _ in self.port.input.ipoll(0):
                self.fire()

    def fire(self):
        """Be the interrupt of this line: input waits that is the driver's."""
        if self.port.prompt is not None:
            self.port.prompt.see()
        self._fire(self.bits | GUEST_BIT if self.port.guest == PROGRAM else self.bits)

    @micropython.native
    def wake(self):
        """Tell the driver that what was held back may come. Input is not its for that."""
        if self.has_driver:
            self._fire(OUTPUT_BIT)

    @micropython.native
    def _fire(self, bits):
        if not self.masked:
            self.masked = True
            w = self.words
            w[self.offset + LINE_BITS] = bits
            w[self.offset + LINE_FIRED_AT] = self.port.now()
            w[self.offset + LINE_MASKED] = FIRED
            w[self.offset + LINE_FIRED] = 1
            w[IRQ_PENDING] = 1
