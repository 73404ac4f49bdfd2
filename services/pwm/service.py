"""Driver of square waves. The two pins of one slice, gp6 and gp7, have one frequency."""

from struct import calcsize, pack, unpack_from

from bulkhead import OK, REFUSED
from bulkhead_system import PINS
from machine import PWM, Pin
from micropython import const

from services.pwm.api import NO_PIN, OFF, PULSE, SET

_HZ_MIN = const(8)  # what the 8-bit divider and the 16-bit counter reach, datasheet 4.5.2
_HZ_MAX = const(1_000_000)
_FULL = const(65535)
_SECOND_US = const(1_000_000)
_HZ = const(1000)  # of a wave that nobody has set
_DUTY = "<H"


class Waves:
    """The waves, which go on while the code of this service is replaced."""

    def __init__(self, places):
        self.pins = [Pin(place) for place in places]
        self.waves = []

    def begin(self):
        """Have every pin low."""
        for pin in self.pins:
            pin.init(Pin.OUT, value=0)
        self.waves = [PWM(pin, freq=_HZ, duty_u16=0) for pin in self.pins]

    def export_state(self):
        """Return the share of the time that each is high; the frequency is in the chip."""
        return b"".join([pack(_DUTY, wave.duty_u16()) for wave in self.waves])

    def import_state(self, _version, state):
        """Take over waves that go on: what is set is what they have."""
        self.waves = [PWM(pin) for pin in self.pins]
        for index, wave in enumerate(self.waves):
            wave.duty_u16(unpack_from(_DUTY, state, index * calcsize(_DUTY))[0])


def main(task):
    """Serve `api`."""
    keeper = Waves(dict(PINS)[task.name()])
    if not task.carry_over(keeper):
        keeper.begin()
    operation = yield task.recv()
    while True:
        operation = yield task.reply_recv(answer(keeper.waves, operation, task.arg), None)


def answer(waves, operation, arg):
    """Do what one call asks; return the status of the reply."""
    index, hertz, high = arg if operation in (SET, PULSE) and is_wave(arg) else (arg, 0, 0)
    if operation not in (SET, OFF, PULSE) or type(index) is not int:
        return REFUSED
    if high > (_FULL if operation == SET else _SECOND_US // max(hertz, 1)):
        return REFUSED
    if not 0 <= index < len(waves):
        return NO_PIN
    if hertz:
        waves[index].freq(hertz)
    if operation == PULSE:
        high = (high * hertz * _FULL + _SECOND_US // 2) // _SECOND_US
    waves[index].duty_u16(high)
    return OK


def is_wave(arg):
    """Tell whether a value is what SET takes, or PULSE."""
    if type(arg) is not tuple or len(arg) != 3:
        return False
    index, hertz, high = arg
    if type(index) is not int or type(hertz) is not int or type(high) is not int:
        return False
    return _HZ_MIN <= hertz <= _HZ_MAX and 0 <= high
