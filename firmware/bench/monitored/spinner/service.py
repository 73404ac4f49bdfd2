"""Compute without end, and show by a pin how far: one edge for each piece of work."""

from machine import Pin
from micropython import const

PROGRESS_PIN = const(9)
_TURNS = const(100)  # about a millisecond
_PIECES = const(50)


def main(task):
    """Spin."""
    pin = Pin(PROGRESS_PIN, Pin.OUT)
    while True:
        pieces = _PIECES
        while pieces:
            pieces -= 1
            turns = _TURNS
            while turns:
                turns -= 1
            pin.toggle()
        yield task.sleep(0)
