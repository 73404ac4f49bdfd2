"""Driver of a chain of WS2812 lights.

Interrupts are off while the chain is written, 30 us a light: `SHOW` of 256 lights takes 8 ms, and
of 33 one tick.
"""

from bulkhead import OK, REFUSED
from bulkhead_system import PINS
from machine import Pin, bitstream
from micropython import const

from services.neopixel.api import FILL, SET, SHOW

_LIGHTS_MAX = const(256)
# Nanoseconds high and low of a 0, then of a 1 (WS2812B datasheet).
_TIMING_NS = (400, 850, 800, 450)


class Chain:
    """The bytes of the lights, as set."""

    def __init__(self):
        self.data = bytearray()

    def export_state(self):
        """Return them."""
        return bytes(self.data)

    def import_state(self, _version, state):
        """Take them over."""
        self.data = bytearray(state)


def main(task):
    """Serve `api`."""
    (place,) = dict(PINS)[task.name()]
    pin = Pin(place, Pin.OUT, value=0)
    chain = Chain()
    task.carry_over(chain)
    operation = yield task.recv()
    while True:
        status = OK
        if operation == SHOW:
            bitstream(pin, 0, _TIMING_NS, chain.data)
        elif operation == SET and is_colour(task.arg, 0, _LIGHTS_MAX - 1):
            light, red, green, blue = task.arg
            data = chain.data
            data.extend(bytes(max(0, 3 * light + 3 - len(data))))
            data[3 * light : 3 * light + 3] = bytes((green, red, blue))
        elif operation == FILL and is_colour(task.arg, 1, _LIGHTS_MAX):
            count, red, green, blue = task.arg
            chain.data = bytearray(bytes((green, red, blue)) * count)
        else:
            status = REFUSED
        operation = yield task.reply_recv(status)


def is_colour(arg, low, high):
    """Tell whether a value is a number of lights, or one of them, and a colour."""
    if type(arg) is not tuple or len(arg) != 4:
        return False
    for value in arg:
        if type(value) is not int or not 0 <= value:
            return False
    return low <= arg[0] <= high and max(arg[1:]) <= 255
