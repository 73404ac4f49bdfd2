"""What a dead service drove, made safe by `machine.Pin` on an ESP32.

Setting a pin's direction gives the pad back to plain GPIO, off the LED PWM, RMT or a bus; the
pad's own hold, `hold=True`, keeps it so whatever is done to the pin meanwhile. It takes tens of
microseconds a pin, and allocates: here nothing of it runs in a hardware interrupt.
"""

from machine import Pin
from micropython import const

_OUTPUTS = const(2)  # the states low and high
_PULLS = (None, Pin.PULL_UP, Pin.PULL_DOWN)  # of those that follow


def outputs(pairs):
    """Return pins and their safe states as `hold` and `release` take them, or None."""
    found = []
    for at in range(0, len(pairs), 2):
        found.append((Pin(pairs[at]), pairs[at + 1]))
    return found or None


def hold(pins):
    """Put pins into their safe states, and hold their pads."""
    for pin, state in pins:
        if state < _OUTPUTS:
            pin.init(Pin.OUT, None, value=state, hold=True)
        else:
            pin.init(Pin.IN, _PULLS[state - _OUTPUTS], hold=True)


def release(pins):
    """Let pads go, at the level they have."""
    for pin, _ in pins:
        pin.init(hold=False)
