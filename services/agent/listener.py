"""A line to who connects on a local network: one host at a time, frames as they are."""

import time

from bulkhead import DEAD, OK
from micropython import const

from services.console.api import CONNECTED, CONNECTING, PAUSING
from services.net.api import ACCEPT, CLOSE, EMPTY, LISTEN, NEWS, Connection, Lost

_WAIT_MS_MAX = const(1000)
_IDLE_MS = const(30_000)  # who says nothing for so long gives way to others
_ARRIVED_MAX = const(1024)
_OUT_MAX = const(512)


class Listener:
    """See `Broker`, whose place it takes; there is nobody to keep the status for."""

    wants_status = False
    from_others = ()

    def __init__(self, config, _name, net, _others):
        self.config = config
        self.net = net
        self.state = PAUSING
        self.socket = 0  # that listens
        self.connection = None
        self.arrived = b""
        self.has_hung_up = False  # and may find who waited meanwhile
        self.connections = self.lost = 0
        self.due_ms = self.heard_ms = time.ticks_ms()

    def wait_ms(self):
        """Return the milliseconds until there is something to do."""
        if self.state == PAUSING:
            return max(0, time.ticks_diff(self.due_ms, time.ticks_ms()))
        has_more = self.has_hung_up or self.connection and self.connection.has_more
        self.has_hung_up = False
        return 0 if has_more and len(self.arrived) <= _ARRIVED_MAX else _WAIT_MS_MAX

    def look(self, task):
        """Do what there is to do."""
        try:
            if self.state == PAUSING:
                yield from self._listen(task)
            elif self.state == CONNECTING:
                yield from self._accept(task)
            else:
                yield from self._attend(task)
        except Lost:
            yield from self._hang_up(task)

    def has_room(self):
        """Tell whether a writer may go on."""
        return self.connection is None or len(self.connection.out) <= _OUT_MAX

    def write(self, data):
        """Send a frame to the host."""
        try:
            if self.connection:
                self.connection.send(data)
                return
        except Lost:  # it takes nothing: who is idle is ended
            pass
        self.lost += len(data)

    def say(self, text):
        """Do nothing: who connects asks."""

    def _listen(self, task):
        if time.ticks_diff(time.ticks_ms(), self.due_ms) < 0:
            return
        asked = (self.config["listen"], NEWS)
        status = yield task.call(self.net, LISTEN, asked)
        if status == DEAD and (yield task.reopen(self.net)) == OK:
            status = yield task.call(self.net, LISTEN, asked)
        if status != OK:
            self.due_ms = time.ticks_add(time.ticks_ms(), self.config["pause_first_ms"])
            return
        self.socket = task.arg
        self.state = CONNECTING

    def _accept(self, task):
        status = yield task.call(self.net, ACCEPT, (self.socket, NEWS))
        if status == OK:
            self.connection = Connection(self.net, task.arg[0])
            self.connection.has_more = True
            self.connections += 1
            self.heard_ms = time.ticks_ms()
            self.arrived = b""
            self.state = CONNECTED
        elif status != EMPTY:
            yield from self._close(task)

    def _attend(self, task):
        if len(self.arrived) <= _ARRIVED_MAX:
            data = yield from self.connection.look(task)
            if data:
                self.arrived += data
                self.heard_ms = time.ticks_ms()
            elif time.ticks_diff(time.ticks_ms(), self.heard_ms) > _IDLE_MS:
                raise Lost
        yield from self.connection.flush(task)

    def _hang_up(self, task):
        self.lost += len(self.connection.out)
        yield from self.connection.close(task)
        self.connection = None
        self.has_hung_up = True
        self.state = CONNECTING

    def _close(self, task):
        """Listen anew: net was started anew."""
        if self.socket:
            yield task.call(self.net, CLOSE, self.socket)
        self.socket = 0
        self.state = PAUSING
        self.due_ms = time.ticks_add(time.ticks_ms(), self.config["pause_first_ms"])

    def handed_over(self):
        """Return the sockets that an update hands over, and what is half done in them."""
        if not self.connection:
            return 0, self.socket, b"", b"", b""
        return self.connection.socket, self.socket, self.arrived, b"", self.connection.out

    def take_over(self, socket, listens, arrived, _data, out):
        """Go on with sockets that are there."""
        self.socket = listens
        self.state = CONNECTING if listens else PAUSING
        if socket:
            self.connection = Connection(self.net, socket)
            self.connection.out = out
            self.connection.has_more = True
            self.arrived = arrived
            self.state = CONNECTED
