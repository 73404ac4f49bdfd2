"""Operations of the gpio service, and a pin for drivers that know `machine.Pin`.

A pin is its place, from 0, among the manifest's `pins`.
"""

from bulkhead import OK
from micropython import const

READ = const(1)  # arg: pin -> OK, arg: its level, 0 or 1
WRITE = const(2)  # arg: (pin, level) -> OK; what it drives, or will as an output
TOGGLE = const(3)  # arg: pin -> OK, arg: its new level
MODE = const(4)  # arg: (pin, mode) -> OK
EDGES = const(5)  # arg: pin -> OK, arg: (edges so far, level, storms so far); NO_LINE
# arg: (pin, bits) -> OK: each edge notifies the caller of `bits`, 0 ends that; NO_LINE, NO_ROOM,
SUBSCRIBE = const(6)  # NO_RIGHT
NO_PIN = const(1)  # the manifest lists fewer
NO_LINE = const(2)  # it has no [[line]] on this pin
NO_RIGHT = const(3)  # it does not let gpio notify the caller: caller = ["notify"] under [uses]
NO_ROOM = const(4)  # SUBSCRIBERS_MAX are told of this pin's edges

# Modes. A pin starts as INPUT, with the pull of its line if it has one.
INPUT = const(0)
PULL_UP = const(1)
PULL_DOWN = const(2)
OUTPUT = const(3)
OPEN_DRAIN = const(4)

SUBSCRIBERS_MAX = const(4)  # of one pin

# After so many edges of one pin within STORM_MS its line rests for the remainder, uncounted; then
# its subscribers are told once more.
STORM_EDGES = const(50)
STORM_MS = const(100)

_OPEN_DRAIN = const(2)  # as machine.Pin has it


class Pin:
    """What a driver takes for a `machine.Pin`: a reset, data/command or busy line.

        spi = Spi(task, task.cap("spi"))
        dc = Pin(spi.replay, task.cap("gpio"), 0)
        display = yield from spi.run(ILI9341, spi, spi.select, dc, reset)

    It shares the `Replay` of the driver's bus, so that levels and transfers keep their order.
    """

    IN = 0
    OUT = 1

    def __init__(self, replay, gpio, pin):
        self.replay = replay
        self.gpio = gpio
        self.pin = pin

    def init(self, mode=-1, pull=None, *, value=None, **_settings):
        """Set mode and pull, and the level first, so that an output begins with it."""
        if value is not None:
            self.value(value)
        if mode == self.OUT:
            self._post(MODE, (self.pin, OUTPUT))
        elif mode == _OPEN_DRAIN:
            self._post(MODE, (self.pin, OPEN_DRAIN))
        elif mode == self.IN:
            self._post(MODE, (self.pin, INPUT if pull is None else pull))

    def value(self, level=None):
        """Set the level, or return it."""
        if level is not None:
            self._post(WRITE, (self.pin, 1 if level else 0))
            return None
        self.replay.settle()
        status, found = self.replay.ask(self.gpio, READ, self.pin)
        self._checked(status)
        return found

    def __call__(self, level=None):
        """Do as `value`."""
        return self.value(level)

    def on(self):
        """Set the level to 1."""
        self.value(1)

    def off(self):
        """Set the level to 0."""
        self.value(0)

    def toggle(self):
        """Change the level."""
        self._post(TOGGLE, self.pin)

    def irq(self, *_arguments, **_settings):
        """Raise ValueError: a service learns of edges by SUBSCRIBE."""
        raise ValueError("a pin of gpio has no irq: SUBSCRIBE of services.gpio.api tells of edges")

    high = on
    low = off

    def _post(self, operation, arg):
        self.replay.settle()
        self._checked(self.replay.post(self.gpio, operation, arg))

    def _checked(self, status):
        if status == NO_PIN:
            raise ValueError("the manifest of gpio has no pin %d" % self.pin)
        if status != OK:
            raise OSError(status)


# Within the class these would be taken for the constants of their names.
setattr(Pin, "OPEN_DRAIN", _OPEN_DRAIN)  # noqa: B010
setattr(Pin, "PULL_UP", PULL_UP)  # noqa: B010
setattr(Pin, "PULL_DOWN", PULL_DOWN)  # noqa: B010
