"""Have a state machine drive a square wave, by a program whose names are the module's too."""

# ruff: noqa: F821 - asm_pio finds the names

import rp2
from machine import Pin

from services.logger.api import INFO

pins = x = label = "the module's own"


@rp2.asm_pio(set_init=rp2.PIO.OUT_LOW)
def square():
    wrap_target()
    set(pins, 1)[31]
    set(x, 30)
    label("low")
    jmp(x_dec, "low")
    set(pins, 0)[31]
    wrap()


def main(task):
    """Start it, and say what the module's names are."""
    machine = rp2.StateMachine(4, square, freq=10_000, set_base=Pin(2))
    machine.active(1)
    text = "%s, %s, %s; %d words" % (pins, x, label, len(square[0]))
    yield task.send(task.cap("logger"), INFO, text)
    yield task.recv()
