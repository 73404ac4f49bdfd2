"""Operations of the spi service, and a bus for drivers that know `machine.SPI`.

A chip is the place, from 0, of its select pin. Data of a message are at most 200 bytes; what is
lent is more.
"""

from bulkhead import OK
from bulkhead.replay import Replay
from micropython import const

# arg: (chip, data) or (chip, data, keep) -> OK, arg: as many bytes that came; NO_CHIP. With keep
# True the chip stays selected for the caller's next transfer, HOLD_MS at most: others wait.
TRANSFER = const(1)
SET_UP = const(2)  # arg: (chip, Hz from 2,000, mode from 0 to 3) -> OK; first 1 MHz, mode 0
TRANSFER_LENT = const(3)  # arg: (chip, count, keep), lent: READABLE and WRITABLE -> as TRANSFER
NO_CHIP = const(1)  # the manifest lists fewer select pins

DATA_MAX = const(200)  # bytes in a message
TRANSFER_MAX = const(2048)  # bytes that are lent
HOLD_MS = const(100)  # without a transfer of the caller whose chip is selected


class Spi:
    """What a driver takes for a `machine.SPI`, while `run` makes its transfers by calls.

        spi = Spi(task, task.cap("spi"), chip=0)
        matrix = yield from spi.run(Matrix8x8, spi, spi.select, 4)
        yield from spi.run(matrix.show)

    `select` is the chip's select pin; a transfer while it is high selects the chip by itself. How
    a function can wait for a call is told in `bulkhead.replay`. ValueError says which limit was
    met.
    """

    MSB = 0
    LSB = 1

    def __init__(self, task, spi, chip=0, replay=None):
        self.replay = Replay(task) if replay is None else replay
        self.replay.parts.append(self)
        self.run = self.replay.run
        self.keep_time = self.replay.keep_time
        self.keep_state = self.replay.keep_state
        self.spi = spi
        self.chip = chip
        self.hertz = 1_000_000
        self.mode = 0
        self.select = Select(self)
        self.is_selected = False
        self.was_kept = False  # by the service, at the last transfer
        self.waiting = b""  # what is written together

    def init(self, baudrate=None, polarity=None, phase=None, bits=8, firstbit=MSB, **_pins):
        """Set speed and mode of the chip; the pins are the manifest's."""
        if bits != 8 or firstbit != self.MSB:
            raise ValueError("spi moves 8 bits, the highest first")
        hertz = self.hertz if baudrate is None else int(baudrate)
        polarity = self.mode >> 1 if polarity is None else polarity
        phase = self.mode & 1 if phase is None else phase
        self.settle()
        wanted = (self.chip, hertz, int(polarity) << 1 | int(phase))
        if self.replay.post(self.spi, SET_UP, wanted) != OK:
            raise ValueError("spi has no %d Hz in mode %d" % wanted[1:])
        self.hertz, self.mode = wanted[1:]

    def deinit(self):
        """Leave the bus to others."""

    def write(self, data):
        """Write bytes."""
        self.waiting += bytes(data)
        if not self.is_selected or len(self.waiting) >= DATA_MAX:
            self.settle()

    def read(self, count, write=0x00):
        """Read bytes, and write as many of one value."""
        return self._exchange(bytes((write,)) * int(count))

    def readinto(self, buffer, write=0x00):
        """Read into a buffer, and write as many bytes of one value."""
        buffer[:] = self._exchange(bytes((write,)) * len(buffer))

    def write_readinto(self, data, buffer):
        """Write bytes and read as many at the same time."""
        if len(data) != len(buffer):
            raise ValueError("buffers must be the same length")
        buffer[:] = self._exchange(bytes(data))

    # For `Select` and `Replay`.

    def begin(self):
        """Begin again: nothing is selected."""
        self.is_selected = False
        self.was_kept = False
        self.waiting = b""

    def chosen(self, level):
        """Have the select pin at a level."""
        if self.is_selected and level:
            self.is_selected = False
            if self.waiting or self.was_kept:
                self._post(keep=False)
            self.was_kept = False
        elif not level:
            self.replay.settle()
            self.is_selected = True

    def settle(self):
        """Make the transfers that only wrote."""
        if self.waiting:
            self._post(keep=self.is_selected)

    def _post(self, *, keep):
        data, self.waiting = self.waiting, b""
        self.was_kept = keep
        while True:
            piece, data = data[:TRANSFER_MAX], data[TRANSFER_MAX:]
            # Between the pieces of what is one for the driver the chip stays selected.
            self._checked(self.replay.post(*self._call(piece, keep or bool(data))))
            if not data:
                return

    def _exchange(self, data):
        """Make a transfer that reads; return what came for `data`."""
        self.replay.settle()
        if len(data) > TRANSFER_MAX:
            raise ValueError(
                "spi reads %d bytes at most at once, and these are %d" % (TRANSFER_MAX, len(data))
            )
        self.was_kept = self.is_selected
        status, value = self.replay.ask(*self._call(data, self.is_selected))
        self._checked(status)
        return value

    def _call(self, data, keep):
        if len(data) <= DATA_MAX:
            return self.spi, TRANSFER, (self.chip, data, keep), None
        return self.spi, TRANSFER_LENT, (self.chip, len(data), keep), data

    def _checked(self, status):
        if status == NO_CHIP:
            raise ValueError("the manifest of spi has no select pin %d" % self.chip)
        if status != OK:
            raise OSError(status)


class Select:
    """What a driver takes for the `machine.Pin` that selects its chip."""

    IN = 0
    OUT = 1

    def __init__(self, spi):
        self.spi = spi

    def init(self, _mode=OUT, _pull=None, *, value=None, **_settings):
        """Set the level, if one is given."""
        if value is not None:
            self.value(value)

    def value(self, level=None):
        """Set the level, or return it."""
        if level is None:
            return 0 if self.spi.is_selected else 1
        self.spi.chosen(1 if level else 0)
        return None

    def __call__(self, level=None):
        """Do as `value`."""
        return self.value(level)

    def on(self):
        """Leave the chip."""
        self.value(1)

    def off(self):
        """Select the chip."""
        self.value(0)

    high = on
    low = off
