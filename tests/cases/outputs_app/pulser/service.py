"""Have a state machine set its pin high again and again."""

# ruff: noqa: F821 - asm_pio finds the names

import rp2
from machine import Pin


@rp2.asm_pio(set_init=rp2.PIO.OUT_HIGH)
def high():
    wrap_target()
    set(pindirs, 1)
    set(pins, 1)[31]
    wrap()


def main(task):
    """Start it, and wait."""
    rp2.StateMachine(0, high, freq=1_000_000, set_base=Pin(8)).active(1)
    yield task.recv()
