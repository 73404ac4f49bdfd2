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


def main(sys):
    """Serve `api`."""
    logger = sys.cap("logger")
    heat = Heat()
    place = dict(PINS)["heater"][0]
    pin = Pin(place) if sys.carry_over(heat) else Pin(place, Pin.OUT, value=0)
    while True:
        left_ms = max(time.ticks_diff(heat.until_ms, time.ticks_ms()), 0)
        operation = yield sys.recv(left_ms if pin.value() else None)
        if operation == TIMEOUT:
            pin.off()
            yield sys.send(logger, WARNING, "nobody asks for heat: off")
        elif operation == HEAT and type(sys.arg) is bool:
            pin.value(sys.arg)
            heat.until_ms = time.ticks_add(time.ticks_ms(), HOLD_MS)
            yield sys.reply(OK)
        else:
            yield sys.reply(REFUSED)
