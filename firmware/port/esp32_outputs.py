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
        _put(pin, state, True)


def release(pins):
    """Let pads go, each in its safe state, whatever was done to its pin meanwhile."""
    for pin, state in pins:
        _put(pin, state, False)


def _put(pin, state, held):
    """Make a pin safe, and only then hold its pad, or let it go."""
    if state < _OUTPUTS:
        pin.init(Pin.OUT, None, value=state, hold=held)
    else:
        pin.init(Pin.IN, _PULLS[state - _OUTPUTS], hold=held)
