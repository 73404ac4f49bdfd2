"""Drive a pin as it is told, and not before; give it to the next version as it is."""

from bulkhead import OK
from machine import Pin


class Level:
    """The level is in the pin."""

    def export_state(self):
        """Return that the pin is set up."""
        return True

    def import_state(self, _version, _state):
        """Leave the pin alone."""


def main(task):
    """Take the level from each call."""
    pin = Pin(22) if task.carry_over(Level()) else Pin(22, Pin.OUT, value=0)
    yield task.recv()
    while True:
        pin.value(task.arg)
        yield task.reply_recv(OK)
