"""The pins of an RP2040 as cases see them, and the stores that make them safe, made by hand.

What each register is: RP2040 datasheet, 2.3.1.7 (SIO), 2.19.6.1 (control words), 2.19.6.3 (pads).
"""

import struct

import machine

_CONTROL = 0x40014004
_SIO = 5
_CONTROLS = {0: 0x3205, 1: 0x3305, 3: 0x2005}  # low, high, input with pull up


class Pins:
    """Pins of the board that nothing is wired to, `count` from the first: nobody holds them."""

    def __init__(self, count=8):
        for gpio in range(count):  # the case before has left its own held
            machine.mem32[_CONTROL + 8 * gpio] = _SIO

    def stores(self, pairs):
        """Return the words that `port.rp2_outputs` takes, as bytes; none for no pairs."""
        if not pairs:
            return b""
        plain, controls = [], []
        for at in range(0, len(pairs), 2):
            gpio, state = pairs[at], pairs[at + 1]
            if state < 2:
                plain += [(0xD0000014 if state else 0xD0000018, 1 << gpio)]
            plain += [(0xD0000024 if state < 2 else 0xD0000028, 1 << gpio)]
            plain += [(0x4001C004 + 4 * gpio, 0x5A if state == 3 else 0x52)]
            controls += [(_CONTROL + 8 * gpio, _CONTROLS[state])]
        end = 3 + 2 * len(plain + controls)
        ends = struct.pack("<III", 3 + 2 * len(plain), end, end)
        return ends + b"".join([struct.pack("<II", *pair) for pair in plain + controls])

    def set_up(self, gpio, level):
        """Make a pin an output."""
        machine.Pin(gpio, machine.Pin.OUT, value=level)

    def drive(self, gpio, level):
        """Set the level of an output."""
        machine.Pin(gpio).value(level)

    def level(self, gpio):
        """Return the level at a pin."""
        return machine.Pin(gpio).value()
