"""Driver of one SPI bus. A call is one transfer, with the chip's select pin low meanwhile.

A client may keep its chip selected between its calls, for HOLD_MS without one of them. The calls
of others wait as long: each client has one at most.
"""

from struct import calcsize, pack, unpack_from

from bulkhead import OK, REFUSED, TIMEOUT
from bulkhead_system import PINS
from machine import SPI, Pin
from micropython import const

from services.spi.api import (
    DATA_MAX,
    HOLD_MS,
    NO_CHIP,
    SET_UP,
    TRANSFER,
    TRANSFER_LENT,
    TRANSFER_MAX,
)

_HZ_MIN = const(2_000)  # what the divisors reach, RP2040 datasheet 4.4.3.4
_HZ_MAX = const(62_500_000)
_HZ = const(1_000_000)
_SETTINGS = "<IB"
_PIECE_MS = const(5)  # of what is lent, in one C call


class Chip:
    """One chip on the bus: its select pin, and how it wants to be talked to."""

    def __init__(self, place):
        self.select = Pin(place, Pin.OUT, value=1)
        self.hertz = _HZ
        self.mode = 0


class Chips:
    """The chips, which keep their settings over an update."""

    def __init__(self, selects):
        self.chips = [Chip(place) for place in selects]

    def export_state(self):
        """Return the settings of each."""
        return b"".join([pack(_SETTINGS, chip.hertz, chip.mode) for chip in self.chips])

    def import_state(self, _version, state):
        """Take over the settings."""
        for index, chip in enumerate(self.chips):
            chip.hertz, chip.mode = unpack_from(_SETTINGS, state, index * calcsize(_SETTINGS))


def main(task):
    """Serve `api`."""
    sck, mosi, miso, *selects = list(dict(PINS)[task.name()])
    # Which of the two blocks a pin belongs to: RP2040 datasheet, 1.4.3.
    bus = SPI(sck >> 3 & 1, _HZ, sck=Pin(sck), mosi=Pin(mosi), miso=Pin(miso))
    keeper = Chips(selects)
    task.carry_over(keeper)
    desk = Desk(task, bus, keeper.chips)
    operation = yield task.recv()
    while True:
        if desk.is_free():
            status, value = yield from desk.answer(task.badge(), operation, task.arg, 0)
            if desk.is_free():
                operation = yield task.reply_recv(status, value)
                continue
            yield task.reply(status, value)
        elif operation == TIMEOUT:
            yield from desk.release()
        elif desk.is_for(task.badge()):
            status, value = yield from desk.answer(task.badge(), operation, task.arg, 0)
            yield task.reply(status, value)
            if desk.is_free():
                yield from desk.release()
        else:
            desk.waiting.append((task.caller(), task.badge(), operation, task.arg))
        operation = yield task.recv() if desk.is_free() else task.recv(timeout_ms=HOLD_MS)


class Desk:
    """Whose chip is selected between calls, and who waits for that to end."""

    def __init__(self, task, bus, chips):
        self.task = task
        self.bus = bus
        self.chips = chips
        self.chip = None  # that is kept selected
        self.badge = 0  # whose it is
        self.waiting = []  # caller, badge, operation, arg

    def is_free(self):
        """Tell whether no chip is kept selected."""
        return self.chip is None

    def is_for(self, badge):
        """Tell whether a client is the one whose chip is."""
        return self.badge == badge

    def release(self):
        """Leave the chip, and answer those who have waited; one of them may keep another."""
        if self.chip is not None:
            self.chip.select.value(1)
            self.chip = None
        while self.waiting and self.chip is None:
            caller, badge, operation, arg = self.waiting.pop(0)
            status, value = yield from self.answer(badge, operation, arg, caller)
            yield self.task.reply_to(caller, status, value)

    def answer(self, badge, operation, arg, caller):
        """Do what one call asks; return the status and the value of the reply."""
        if type(arg) is not tuple or not arg or type(arg[0]) is not int:
            return REFUSED, None
        if not 0 <= arg[0] < len(self.chips):
            return NO_CHIP, None
        chip = self.chips[arg[0]]
        if operation == SET_UP:
            return set_up(chip, arg), None
        keep = len(arg) == 3 and arg[2]
        data = arg[1] if type(keep) is bool and 2 <= len(arg) <= 3 else None
        if operation == TRANSFER and type(data) is bytes and len(data) <= DATA_MAX:
            return OK, self.transfer(chip, badge, data, keep)
        if operation == TRANSFER_LENT and type(data) is int and 0 < data <= TRANSFER_MAX:
            status = yield from self.transfer_lent(chip, badge, data, keep, caller)
            return status, None
        return REFUSED, None

    def transfer_lent(self, chip, badge, count, keep, caller):
        """Exchange what the caller has lent; return the status."""
        data = bytearray(count)
        if (yield self.task.lease_read(0, data, caller)) != OK or self.task.count() != count:
            return REFUSED
        came = bytearray(count)
        size = max(chip.hertz * _PIECE_MS // 8000, 1)
        for at in range(0, count, size):
            piece = data[at : at + size]
            came[at : at + size] = self.transfer(chip, badge, piece, keep or at + size < count)
            yield self.task.sleep(0)  # so that a step is short
        if (yield self.task.lease_write(0, came, caller)) != OK or self.task.count() != count:
            return REFUSED
        return OK

    def transfer(self, chip, badge, data, keep):
        """Exchange bytes with a chip, and return what came; keep it selected or not."""
        if self.chip is not chip:
            if self.chip is not None:
                self.chip.select.value(1)
            self.bus.init(baudrate=chip.hertz, polarity=chip.mode >> 1, phase=chip.mode & 1)
            chip.select.value(0)
        came = bytearray(len(data))
        is_done = False
        try:
            if data:
                self.bus.write_readinto(data, came)
            is_done = True
        finally:
            if not (keep and is_done):
                chip.select.value(1)
        self.chip, self.badge = (chip, badge) if keep else (None, 0)
        return bytes(came)


def set_up(chip, arg):
    """Set speed and mode of a chip; return the status."""
    if len(arg) != 3:
        return REFUSED
    _, hertz, mode = arg
    are_ints = type(hertz) is int and type(mode) is int
    if not are_ints or not _HZ_MIN <= hertz <= _HZ_MAX or not 0 <= mode <= 3:
        return REFUSED
    chip.hertz, chip.mode = hertz, mode
    return OK
