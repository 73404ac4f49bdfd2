"""Take the power away at an edge, also at one that comes as this code is exchanged.

The last thing that the old code does is to raise the marker's pin.
"""

from machine import Pin


class Power:
    """The level is in the pin."""

    def __init__(self):
        self.mark = Pin(17, Pin.OUT, value=0).on

    def export_state(self):
        """Return that there is power, or is none."""
        self.mark()
        return True

    def import_state(self, _version, _state):
        """Leave the pin alone."""


def main(task):
    """Serve the line."""
    pressed = task.cap("pressed")
    power = Pin(16) if task.carry_over(Power()) else Pin(16, Pin.OUT, value=1)
    power_off = power.off
    yield task.acknowledge(pressed)
    while True:
        yield task.recv()
        power_off()
        yield task.acknowledge(pressed)
