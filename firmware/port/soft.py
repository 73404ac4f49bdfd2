"""Lines and pins in software, for ports that have none: unix, qemu, sim.

A line that software fires is the tests' on a board, too.
"""

import micropython
from kernel.abi import NOTIFIED, OUTPUT_BIT
from kernel.hard import NOT_ATTENDING, RAISED
from kernel.layout import (
    ARMED, FIRED, IRQ_PENDING, LINE_BITS, LINE_FIRED, LINE_FIRED_AT, LINE_HARD, LINE_MASKED,
    LINE_OWNER, LINE_STEP_AT, REGISTER_BITS, SCHEDULED,
)  # fmt: skip


# Added to what a pin is in `SoftPins.states` while it is held.
HELD = 8
_PINS = 64


class SoftPins:
    """The pins of a port that has none: what they would be, by number, for tests to look at."""

    def __init__(self):
        self.states = bytearray(_PINS)

    def outputs(self, pairs):
        """Return pins and their safe states as `hold` and `release` take them, or None."""
        return tuple(pairs) if pairs else None

    def hold(self, outputs):
        """Put pins into their safe states, and note that they are held there."""
        for at in range(0, len(outputs), 2):
            self.states[outputs[at]] = outputs[at + 1] + HELD

    def release(self, outputs):
        """Note that the pins are a service's again, as they are."""
        for at in range(0, len(outputs), 2):
            self.states[outputs[at]] = outputs[at + 1]

    def set_up(self, gpio, level):
        """Be a `machine.Pin` for output."""
        self.states[gpio] = level

    def drive(self, gpio, level):
        """Be its `value(level)`, which moves nothing that is held."""
        if self.states[gpio] < HELD:
            self.states[gpio] = level

    def level(self, gpio):
        """Return a pin's level, 0 or 1; an input's by its pull, as if there were no wire."""
        return 1 if self.states[gpio] % HELD in (1, 3) else 0


class SoftLine:
    """An interrupt line that software fires. `on_trap` is its attendant's, of a hard line."""

    def __init__(self, kernel, offset, on_trap=None):
        self.words = kernel.words
        self.offset = offset
        self.port = kernel.port
        self.on_trap = on_trap
        self.resume = None
        self.bits = 0

    @property
    def masked(self):
        """True from a firing to its acknowledgement, and before the driver has asked for any."""
        return self.words[self.offset + LINE_MASKED] != 0

    def mask(self):
        """Fire no more until unmasked: `fire` looks at the kernel's word."""

    def unmask(self):
        """Let the line fire again."""

    def bind(self, resume):
        """Take what a firing is to resume."""
        self.resume = resume

    def wake(self):
        """Tell the console's driver that what was held back may come."""
        self.fire(OUTPUT_BIT)

    def fire(self, bits=0):
        """Be the interrupt of this line, with other notification bits than its own if given."""
        if self.masked:
            return
        w = self.words
        self.bits = self.bits or w[self.offset + LINE_BITS]
        w[self.offset + LINE_BITS] = bits or self.bits
        w[self.offset + LINE_FIRED_AT] = self.port.now()
        w[self.offset + LINE_MASKED] = FIRED
        if self.on_trap is None:
            w[self.offset + LINE_FIRED] = 1
            w[IRQ_PENDING] = 1
        else:
            self._fire_hard(w, self.offset)
        if w[IRQ_PENDING] and not w[SCHEDULED]:
            self.port.request()

    def _fire_hard(self, w, line):
        """Do what a handler in hardware interrupt context does, without any interrupting it.

        This is bytecode, which a kill struck again by the step itself could hit: that waits. One
        that came before lands in `pad`: no branch is between.
        """
        armed = w[ARMED]
        w[ARMED] = 0
        landed = self.port.pad()
        w[w[line + LINE_OWNER] + REGISTER_BITS] = w[line + LINE_BITS]
        w[line + LINE_STEP_AT] = self.port.now()
        lock_heap()
        try:
            if w[line + LINE_HARD]:
                status = self.on_trap(self.resume(NOTIFIED), 0, None)
                while status >= 0:
                    status = self.on_trap(self.resume(status), 0, None)
            else:
                self.on_trap(NOT_ATTENDING, 0, None)
        except BaseException as error:
            self.on_trap(RAISED, 0, error)
        finally:
            unlock_heap()
        w[ARMED] = armed
        if landed:
            self.port.strike()


def _nothing():
    pass


lock_heap = getattr(micropython, "heap_lock", _nothing)
unlock_heap = getattr(micropython, "heap_unlock", _nothing)
