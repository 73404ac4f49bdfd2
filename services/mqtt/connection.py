"""One TCP connection by the net service; what cannot be done now is done at the next look."""

from bulkhead import DEAD, OK
from kernel.abi import READABLE, WRITABLE
from micropython import const

from services.net.api import CLOSE, DOWN, EMPTY, OPEN, READ, TCP, WRITE

NEWS = const(1)  # the bit that net notifies: there is something to read, or room to write
_AT_ONCE = const(256)
_OUT_MAX = const(1024)


class Lost(OSError):
    """The connection cannot be made, or has ended; `is_down` where the board has no network."""

    is_down = False


class Connection:
    """A connection being made, then made. `look`, `flush` and `begin` raise Lost without one.

    `has_more` says that a look may find more at once: net tells nothing of that.
    """

    def __init__(self, net):
        self.net = net
        self.socket = 0
        self.out = b""
        self.has_more = False
        self.buffer = bytearray(_AT_ONCE)

    def begin(self, task, host, port):
        """Have net begin it."""
        asked = (TCP, host, port, NEWS)
        status = yield task.call(self.net, OPEN, asked)
        if status == DEAD and (yield task.reopen(self.net)) == OK:
            status = yield task.call(self.net, OPEN, asked)
        if status != OK:
            lost = Lost()
            lost.is_down = status in (DOWN, DEAD)
            raise lost
        self.socket = task.arg

    def look(self, task):
        """Return bytes that have come."""
        arg = (self.socket, _AT_ONCE)
        status = yield task.call_lending(self.net, READ, self.buffer, WRITABLE, arg)
        self.has_more = status == OK
        if status == OK:
            return bytes(self.buffer[: task.arg])
        if status != EMPTY:
            raise Lost
        return b""

    def flush(self, task):
        """Send what waits, as far as it is taken."""
        while self.out:
            piece = self.out[:_AT_ONCE]
            arg = (self.socket, len(piece))
            status = yield task.call_lending(self.net, WRITE, piece, READABLE, arg)
            if status == EMPTY:
                return
            if status != OK:
                raise Lost
            self.out = self.out[task.arg :]

    def send(self, data):
        """Have bytes sent, behind those that wait."""
        if len(self.out) > _OUT_MAX:  # the broker sends, and reads nothing
            raise Lost
        self.out += data

    def close(self, task):
        """End it."""
        if self.socket:
            yield task.call(self.net, CLOSE, self.socket)
            self.socket = 0
