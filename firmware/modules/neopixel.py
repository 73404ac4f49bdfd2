"""Chains of WS2812 lights on a pin, as the `neopixel` of MicroPython's own images.

Interrupts are off while a chain is written, 30 us a light at 800 kHz.
"""

from machine import bitstream
from micropython import const

_HIGH_LOW = const(0)  # the one encoding that machine.bitstream knows
# Nanoseconds high and low of a 0, then of a 1: WS2811 at 400 kHz, WS2812B at 800 (datasheets).
_TIMINGS_NS = ((800, 1700, 1600, 900), (400, 850, 800, 450))


class NeoPixel:
    """`n` lights: `chain[0] = (red, green, blue)`, from 0 to 255; `write` shows what was set."""

    ORDER = (1, 0, 2, 3)  # at which of a light's bytes red, green, blue and white are

    def __init__(self, pin, n, bpp=3, timing=1):
        """Take a `machine.Pin`, and bytes a light: 3, or 4 with white.

        `timing` is 1 for 800 kHz, 0 for 400, or a tuple as `machine.bitstream` takes it.
        """
        self.pin = pin
        self.n = n
        self.bpp = bpp
        self.buf = bytearray(n * bpp)
        self.timing = _TIMINGS_NS[bool(timing)] if isinstance(timing, int) else timing
        pin.init(pin.OUT)

    def __len__(self):
        """Return the number of lights."""
        return self.n

    def __getitem__(self, index):
        """Return the colours of a light as a tuple; raise IndexError."""
        first = index * self.bpp
        return tuple([self.buf[first + self.ORDER[colour]] for colour in range(self.bpp)])

    def __setitem__(self, index, pixel):
        """Set the colours of a light; raise IndexError."""
        first = index * self.bpp
        for colour in range(self.bpp):
            self.buf[first + self.ORDER[colour]] = pixel[colour]

    def fill(self, pixel):
        """Set all lights to the same colours."""
        buffer = self.buf
        for colour in range(self.bpp):
            value = pixel[colour]
            for place in range(self.ORDER[colour], len(buffer), self.bpp):
                buffer[place] = value

    def write(self):
        """Send what was set to the lights."""
        bitstream(self.pin, _HIGH_LOW, self.timing, self.buf)
