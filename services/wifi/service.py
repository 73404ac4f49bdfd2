"""Keep the board in a wireless network: connect, see when that is lost, and connect again."""

import time
from struct import calcsize, pack, unpack_from

import network  # type: ignore[import-not-found, unused-ignore]
from bulkhead import NOTIFIED, OK, REFUSED, TIMEOUT
from bulkhead_system import CONFIG
from micropython import const

from services.wifi.api import (
    BUSY,
    CONNECT,
    CONNECTED,
    CONNECTING,
    DISCONNECT,
    NAME_BYTES_MAX,
    OFF,
    PASSWORD_BYTES_MAX,
    PAUSING,
    STATUS,
    WAIT,
    WAITERS_MAX,
)

_LOOK_MS = const(100)  # while it connects
_LOOK_CONNECTED_MS = const(1000)
_WAITER = "<BI"  # (badge, token)


class Station:
    """The chip, what it is to connect to, and how that goes."""

    def __init__(self, config):
        self.config = config
        self.chip = network.WLAN(network.STA_IF)
        self.state = OFF
        self.wanted = None
        self.pause_ms = config["pause_first_ms"]
        self.until_ms = self.look_at_ms = time.ticks_ms()
        self.waiters = {}  # tokens by badge: who asks again waits once

    def begin(self):
        """Connect to the network of the manifest, if that names one."""
        if self.config["network"]:
            self.connect(self.config["network"], self.config["password"])

    def export_state(self):
        """Return what an update hands over: the chip stays in its network meanwhile."""
        network, password = self.wanted or ("", "")
        waiters = [pack(_WAITER, *pair) for pair in self.waiters.items()]
        times = (self.state, self.pause_ms, self.until_ms, self.look_at_ms)
        return times + (network, password, b"".join(waiters))

    def import_state(self, _version, state):
        """Go on where the last version has stopped."""
        self.state, self.pause_ms, self.until_ms, self.look_at_ms = state[:4]
        self.wanted = state[4:6] if state[4] else None
        for at in range(0, len(state[6]), calcsize(_WAITER)):
            badge, token = unpack_from(_WAITER, state[6], at)
            self.waiters[badge] = token

    def connect(self, name, password):
        """Begin to connect; forget how the last network went."""
        self.wanted = (name, password)
        self.pause_ms = self.config["pause_first_ms"]
        self._begin()

    def disconnect(self):
        """Leave the network."""
        self.wanted = None
        self.state = OFF
        if self.chip.active():
            self.chip.disconnect()
            self.chip.active(False)

    def address(self):
        """Return the board's address, an empty str if it has none."""
        return self.chip.ifconfig()[0] if self.state == CONNECTED else ""

    def wait_ms(self):
        """Return the milliseconds until it is time to look, None if there is no need."""
        if self.state == OFF:
            return None
        return max(0, time.ticks_diff(self.look_at_ms, time.ticks_ms()))

    def look(self):
        """See how it goes; return whether the board is connected since this look."""
        was = self.state
        if self.state in (CONNECTING, CONNECTED) and self.chip.isconnected():
            self.state = CONNECTED
            self.pause_ms = self.config["pause_first_ms"]
        elif self.state == CONNECTED:
            self._begin()
        elif time.ticks_diff(time.ticks_ms(), self.until_ms) < 0:
            pass
        elif self.state == CONNECTING:
            self.chip.disconnect()
            self.state = PAUSING
            self.until_ms = time.ticks_add(time.ticks_ms(), self.pause_ms)
            self.pause_ms = min(2 * self.pause_ms, self.config["pause_last_ms"])
        else:
            self._begin()
        pause_ms = _LOOK_CONNECTED_MS if self.state == CONNECTED else _LOOK_MS
        self.look_at_ms = time.ticks_add(time.ticks_ms(), pause_ms)
        return self.state == CONNECTED and was != CONNECTED

    def _begin(self):
        self.state = CONNECTING
        self.until_ms = time.ticks_add(time.ticks_ms(), self.config["try_ms"])
        self.chip.active(True)
        try:
            self.chip.disconnect()
            self.chip.connect(*self.wanted)
        except OSError:  # the chip refuses, as it does while it scans: this try fails in time
            pass


def main(task):
    """Serve `api`."""
    station = Station(dict(dict(CONFIG)[task.name()]))
    if not task.carry_over(station):
        station.begin()
    while True:
        wait_ms = station.wait_ms()
        operation = TIMEOUT if wait_ms == 0 else (yield task.recv(wait_ms))
        if operation == TIMEOUT:
            if station.look():
                waiters, station.waiters = station.waiters, {}
                for token in waiters.values():
                    yield task.reply_to(token, OK, station.address())
        elif operation == WAIT and station.state != CONNECTED:
            if len(station.waiters) < WAITERS_MAX or task.badge() in station.waiters:
                station.waiters[task.badge()] = task.caller()
            else:
                yield task.reply(BUSY)
        elif operation != NOTIFIED and task.caller():
            status, value = answer(station, operation, task.arg)
            yield task.reply(status, value)


def answer(station, operation, arg):
    """Do what one call asks; return the status and the value of the reply."""
    if operation == STATUS:
        return OK, (station.state, station.address())
    if operation == WAIT:
        return OK, station.address()
    if operation == CONNECT and type(arg) is tuple and len(arg) == 2:
        if is_text(arg[0], NAME_BYTES_MAX) and arg[0] and is_text(arg[1], PASSWORD_BYTES_MAX):
            station.connect(*arg)
            return OK, None
    elif operation == DISCONNECT:
        station.disconnect()
        return OK, None
    return REFUSED, None


def is_text(value, bytes_max):
    """Tell whether a value is a text of at most so many bytes."""
    return type(value) is str and len(value.encode()) <= bytes_max
