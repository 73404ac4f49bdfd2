"""Driver of the pump: it runs for a time, and never longer than that."""

import time

from bulkhead import NOTIFIED, OK, REFUSED, TIMEOUT
from bulkhead_board import GP17
from machine import Pin

from services.logger.api import INFO, WARNING
from services.pump.api import CUT_OFF, RUN, SECONDS_MAX, STATE, STOP, WATER_LOW


class Pump:
    """Until when it runs, and how long it has."""

    def __init__(self):
        self.until = None
        self.since = time.ticks_ms()
        self.is_cut_off = False
        self.total_ms = 0

    def export_state(self):
        """Return what an update hands over."""
        return (self.until, self.since, self.is_cut_off, self.total_ms)

    def import_state(self, _version, state):
        """Go on where the last version has stopped."""
        self.until, self.since, self.is_cut_off, self.total_ms = state

    def left_ms(self):
        """Return how long it still runs, None if it does not."""
        if self.until is None:
            return None
        return max(0, time.ticks_diff(self.until, time.ticks_ms()))

    def stop(self):
        """Note that it has stopped."""
        if self.until is not None:
            self.total_ms += time.ticks_diff(time.ticks_ms(), self.since)
        self.until = None

    def run(self, seconds):
        """Note that it runs for so long."""
        self.stop()
        self.since = time.ticks_ms()
        self.until = time.ticks_add(self.since, seconds * 1000)


def main(task):
    """Serve `api`."""
    pump = Pump()
    pin = Pin(GP17) if task.carry_over(pump) else Pin(GP17, Pin.OUT, value=0)
    logger = task.cap("logger")
    while True:
        operation = yield task.recv(pump.left_ms())
        arg = task.arg
        if operation == TIMEOUT:
            pin.off()
            pump.stop()
            yield task.send(logger, INFO, "pump off")
        elif operation == NOTIFIED:
            pump.is_cut_off = bool(task.bits() & WATER_LOW)
            if pump.is_cut_off:
                pin.off()
                pump.stop()
                yield task.send(logger, WARNING, "CUT OFF: the tank is empty")
            else:
                yield task.send(logger, INFO, "water is back")
        elif operation == RUN and type(arg) is int and 1 <= arg <= SECONDS_MAX:
            if pump.is_cut_off:
                yield task.reply(CUT_OFF)
            else:
                pin.on()
                pump.run(arg)
                yield task.reply(OK)
                yield task.send(logger, INFO, "pump on for %d s" % arg)
        elif operation == STOP:
            pin.off()
            pump.stop()
            yield task.reply(OK)
        elif operation == STATE:
            left = pump.left_ms()
            yield task.reply(OK, (left is not None, left or 0, pump.is_cut_off, pump.total_ms))
        else:
            yield task.reply(REFUSED)
