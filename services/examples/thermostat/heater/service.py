"""Driver of the heater: a dead man's switch.

Heat lasts for HOLD_MS and has to be asked for again and again, so the heater is off whatever
becomes of the service that thinks, and after its own restart.
"""

import time

from bulkhead import OK, REFUSED, TIMEOUT
from bulkhead_system import PINS
from machine import Pin

from services.heater.api import HEAT, HOLD_MS
from services.logger.api import WARNING


class Heat:
    """When the heat ends; whether there is any is in the pin, which an update leaves alone."""

    def __init__(self):
        self.until_ms = time.ticks_ms()

    def export_state(self):
        """Return when it ends."""
        return self.until_ms

    def import_state(self, _version, state):
        """Let it end when it would have."""
        self.until_ms = state


def main(task):
    """Serve `api`."""
    logger = task.cap("logger")
    heat = Heat()
    place = dict(PINS)["heater"][0]
    pin = Pin(place) if task.carry_over(heat) else Pin(place, Pin.OUT, value=0)
    while True:
        left_ms = max(time.ticks_diff(heat.until_ms, time.ticks_ms()), 0)
        operation = yield task.recv(left_ms if pin.value() else None)
        if operation == TIMEOUT:
            pin.off()
            yield task.send(logger, WARNING, "nobody asks for heat: off")
        elif operation == HEAT and type(task.arg) is bool:
            pin.value(task.arg)
            heat.until_ms = time.ticks_add(time.ticks_ms(), HOLD_MS)
            yield task.reply(OK)
        else:
            yield task.reply(REFUSED)
