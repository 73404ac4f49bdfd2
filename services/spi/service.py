"""Driver of one SPI bus. A call is one transfer, with the chip's select pin low meanwhile."""

from struct import calcsize, pack, unpack_from

from bulkhead import OK, REFUSED
from bulkhead_system import PINS
from machine import SPI, Pin
from micropython import const

from services.spi.api import NO_CHIP, SET_UP, TRANSFER

_DATA_MAX = const(200)
_HZ_MIN = const(2_000)  # what the divisors reach, RP2040 datasheet 4.4.3.4
_HZ_MAX = const(62_500_000)
_HZ = const(1_000_000)
_SETTINGS = "<IB"


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
    chips = keeper.chips
    operation = yield task.recv()
    while True:
        status, value = answer(bus, chips, operation, task.arg)
        operation = yield task.reply_recv(status, value)


def answer(bus, chips, operation, arg):
    """Do what one call asks; return the status and the value of the reply."""
    if type(arg) is not tuple or not arg or type(arg[0]) is not int:
        return REFUSED, None
    if not 0 <= arg[0] < len(chips):
        return NO_CHIP, None
    chip = chips[arg[0]]
    if operation == TRANSFER and len(arg) == 2:
        data = arg[1]
        if type(data) is bytes and len(data) <= _DATA_MAX:
            return OK, transfer(bus, chip, data)
    elif operation == SET_UP and len(arg) == 3:
        _, hertz, mode = arg
        are_ints = type(hertz) is int and type(mode) is int
        if are_ints and _HZ_MIN <= hertz <= _HZ_MAX and 0 <= mode <= 3:
            chip.hertz, chip.mode = hertz, mode
            return OK, None
    return REFUSED, None


def transfer(bus, chip, data):
    """Exchange bytes with a chip."""
    came = bytearray(len(data))
    bus.init(baudrate=chip.hertz, polarity=chip.mode >> 1, phase=chip.mode & 1)
    chip.select.value(0)
    try:
        bus.write_readinto(data, came)
    finally:
        chip.select.value(1)
    return bytes(came)
