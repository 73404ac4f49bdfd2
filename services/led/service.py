"""Driver of the board's LED."""

from bulkhead import OK, REFUSED
from bulkhead_board import LED
from machine import Pin

from services.led.api import SET, STATE, TOGGLE


class Kept:
    """The level is in the pin itself, so an update has nothing to hand over but that."""

    def export_state(self):
        """Return that the pin is set up."""
        return True

    def import_state(self, _version, state):
        """Leave the pin alone, so that the LED does not flicker."""


def main(task):
    """Serve `api`: one LED, its level kept in the pin itself."""
    pin = Pin(LED) if task.carry_over(Kept()) else Pin(LED, Pin.OUT, value=0)
    operation = yield task.recv()
    while True:
        status = OK
        if operation == TOGGLE:
            pin.toggle()
        elif operation == SET and type(task.arg) in (int, bool) and task.arg in (0, 1):
            pin.value(task.arg)
        elif operation != STATE:
            status = REFUSED
        operation = yield task.reply_recv(status, pin.value() if status == OK else None)
