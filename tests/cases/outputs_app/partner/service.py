"""Fall with the hard driver of its group."""

from machine import Pin


def main(task):
    """Drive a pin, and wait."""
    Pin(17, Pin.OUT, value=1)
    yield task.recv()
