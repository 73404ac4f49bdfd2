"""Drive a pin, and wait to fill the heap as it is told."""

from machine import Pin


def main(task):
    """Drive it, and wait."""
    Pin(21, Pin.OUT, value=1)
    yield task.recv()
