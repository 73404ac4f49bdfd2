"""Drive one pin by a wave that is inverted, one by a wave that is always high."""

from machine import PWM, Pin


def main(task):
    """Leave both high, and wait."""
    PWM(Pin(6), freq=20_000, duty_u16=0, invert=True)
    PWM(Pin(7), freq=20_000, duty_u16=65535)
    yield task.recv()
