"""Keep the room at the temperature that is wanted, and remember that over a power failure.

It heats from half a degree below to half a degree above. Without a reading it does not heat.
"""

import time

from bulkhead import DEAD, OK, REFUSED, TIMEOUT
from micropython import const

from services.heater.api import HEAT
from services.logger.api import INFO
from services.store.api import get, put
from services.thermometer.api import READ
from services.thermostat.api import HIGHEST, LOWEST, OUT_OF_RANGE, SET, STATE

_PERIOD_MS = const(1_000)
_NEAR = const(50)
_DEFAULT = const(2100)


class Room:
    """What is wanted of the room, what is known of it, and what is done."""

    def __init__(self):
        self.wanted = _DEFAULT
        self.temperature = None
        self.is_heated = False
        self.next_ms = time.ticks_ms()

    def export_state(self):
        """Return all of it."""
        return (self.wanted, self.temperature, self.is_heated, self.next_ms)

    def import_state(self, _version, state):
        """Go on where the last version has stopped."""
        self.wanted, self.temperature, self.is_heated, self.next_ms = state

    def decide(self, temperature):
        """Take a reading, None for none; tell whether heating begins or ends."""
        was_heated = self.is_heated
        self.temperature = temperature
        if temperature is None or temperature > self.wanted + _NEAR:
            self.is_heated = False
        elif temperature < self.wanted - _NEAR:
            self.is_heated = True
        return self.is_heated != was_heated


def main(task):
    """Serve `api`, and look at the room every second."""
    room = Room()
    if not task.carry_over(room):
        room.wanted = yield from get(task, "wanted", _DEFAULT)
    while True:
        operation = yield task.recv(max(time.ticks_diff(room.next_ms, time.ticks_ms()), 0))
        if operation == TIMEOUT:
            room.next_ms = time.ticks_add(room.next_ms, _PERIOD_MS)
            yield from control(task, room)
        elif operation == STATE:
            yield task.reply(OK, (room.temperature, room.wanted, room.is_heated))
        elif operation == SET and type(task.arg) is int:
            wanted = task.arg
            if not LOWEST <= wanted <= HIGHEST:
                yield task.reply(OUT_OF_RANGE)
                continue
            room.wanted = wanted
            yield task.reply(OK)
            yield from put(task, "wanted", wanted)
        else:
            yield task.reply(REFUSED)


def control(task, room):
    """Read the sensor, decide, and tell the heater, which hears it every second."""
    status = yield from ask(task, "thermometer", READ)
    if room.decide(task.arg if status == OK else None):
        shown = "%d.%02d C" % divmod(room.temperature, 100) if room.temperature else "no reading"
        text = "%s: heat %s" % (shown, "on" if room.is_heated else "off")
        yield task.send(task.cap("logger"), INFO, text)
    yield from ask(task, "heater", HEAT, room.is_heated)


def ask(task, name, operation, arg=None):
    """Call a service, once more if it has just been started again; return the status."""
    service = task.cap(name)
    status = yield task.call(service, operation, arg)
    if status == DEAD and (yield task.reopen(service)) == OK:
        status = yield task.call(service, operation, arg)
    return status
