"""Operations of the net service, and a connection for a client that waits for it.

    stream = Stream(task, task.cap("net"))
    status = yield from stream.connect("10.0.2.2", 80)
    status = yield from stream.write(b"GET / HTTP/1.0\\r\\n\\r\\n")
    status = yield from stream.read(buffer)  # stream.count: bytes read

Whom a client may reach is what its manifest has under [net]. A socket is a number. What would
have to wait is answered EMPTY; a client that gave bits when it opened the socket is notified of
them when there is something to do, once for each EMPTY, and one that gave none calls WAIT. Data
are lent, not sent: at most COUNT_MAX bytes a call.
"""

import time

from bulkhead import DEAD, OK, TIMEOUT
from kernel.abi import READABLE as _LENT_TO_READ
from kernel.abi import WRITABLE as _LENT_TO_WRITE
from micropython import const

# What fails for want of room is NO_ROOM, without an address of the board's DOWN, and what names a
# socket that the caller has not GONE. Opening is answered at once: READ and WRITE are EMPTY until
# there is a connection.
OPEN = const(1)  # arg: (TCP or UDP, host, port, bits) -> OK, arg: socket; NOT_ALLOWED, NO_ANSWER
LISTEN = const(2)  # arg: (port, bits) -> OK, arg: socket; NOT_ALLOWED
ACCEPT = const(3)  # arg: (socket, bits) -> OK, arg: (socket, host, port); EMPTY
READ = const(4)  # arg: (socket, count), lent: WRITABLE -> OK, arg: bytes read; EMPTY, ENDED
WRITE = const(5)  # arg: (socket, count), lent: READABLE -> OK, arg: bytes taken; EMPTY, ENDED
WAIT = const(6)  # arg: (socket, READABLE or WRITABLE) -> once that is not EMPTY: OK; ENDED
CLOSE = const(7)  # arg: socket, or None for all that the client has -> OK
STATUS = const(8)  # -> OK, arg: (state, address, sockets in use, sockets lost with the link)
UP = const(9)  # -> once the board has an address: OK, arg: the address
RESOLVE = const(10)  # arg: name -> OK, arg: the address; NO_ANSWER, NOT_ALLOWED
TIME = const(11)  # -> OK, arg: ms since 1970, by the manifest's time server; NO_ANSWER
POLL = const(12)  # arg: socket -> OK, arg: READABLE | WRITABLE, what is not EMPTY; EMPTY, ENDED
EMPTY = const(1)  # nothing can be read, or taken, now
ENDED = const(2)  # the peer has closed the connection, refused it, or is not to be reached
GONE = const(3)  # there is no such socket of this client: closed, or net was started anew
NOT_ALLOWED = const(4)  # the client's manifest does not name it under [net]
NO_ROOM = const(5)  # as many sockets are open as may, or as many clients wait
DOWN = const(6)  # the board has no address
NO_ANSWER = const(7)  # no server has answered, or there is no such name

# Kinds of sockets.
TCP = const(1)
UDP = const(2)

# What WAIT waits for, and POLL finds.
READABLE = const(1)
WRITABLE = const(2)

# States of the interface.
OFF = const(0)  # there is none
CONNECTING = const(1)
CONNECTED = const(2)
PAUSING = const(3)  # the last try has failed; the next comes

COUNT_MAX = const(512)  # bytes of one call
SOCKETS_MAX = const(4)  # lwIP has room for five connections, of which one may be ending
SOCKETS_OF_ONE_MAX = const(2)  # of one client
PORTS_MAX = const(4)  # that are listened at; lwIP has room for eight, apart from connections
PORTS_OF_ONE_MAX = const(2)  # of one client
WAITERS_MAX = const(8)  # clients
NEWS = const(1)  # the bit of a `Connection`
_AT_ONCE = const(256)
_OUT_MAX = const(1024)


class Stream:
    """A TCP connection of a client that does nothing else meanwhile.

    Each method is for `yield from`, and returns a status: OK, ENDED, GONE, TIMEOUT, or why there
    is none. A net that was started anew has forgotten the connection: GONE.
    """

    def __init__(self, task, net):
        self.task = task
        self.net = net
        self.socket = 0
        self.count = 0

    def connect(self, host, port, timeout_ms=10_000):
        """Connect, as long as the manifest names this host and port."""
        task = self.task
        asked = (TCP, host, port, 0)
        status = yield task.call(self.net, OPEN, asked)
        if status == DEAD and (yield task.reopen(self.net)) == OK:
            status = yield task.call(self.net, OPEN, asked)
        if status != OK:
            return status
        self.socket = task.arg
        status = yield from self._wait(WRITABLE, timeout_ms)
        if status != OK:
            yield from self.close()
        return status

    def read(self, buffer, timeout_ms=10_000):
        """Read what there is into a buffer, at least a byte: `count`."""
        status = yield from self._move(READ, buffer, _LENT_TO_WRITE, READABLE, timeout_ms)
        return status

    def write(self, data, timeout_ms=10_000):
        """Write all of `data`; `count` is how many bytes were taken."""
        taken = 0
        status = OK
        while status == OK and taken < len(data):
            piece = memoryview(data)[taken : taken + COUNT_MAX]
            status = yield from self._move(WRITE, piece, _LENT_TO_READ, WRITABLE, timeout_ms)
            taken += self.count
        self.count = taken
        return status

    def close(self):
        """Close the connection; does nothing when there is none."""
        socket, self.socket = self.socket, 0
        if socket:
            yield self.task.call(self.net, CLOSE, socket)

    def _move(self, operation, buffer, lent, wanted, timeout_ms):
        task = self.task
        self.count = 0
        begun_ms = time.ticks_ms()
        arg = (self.socket, min(len(buffer), COUNT_MAX))
        while True:
            status = yield task.call_lending(self.net, operation, buffer, lent, arg)
            if status == OK:
                self.count = task.arg
            if status != EMPTY:
                return _told(status)
            left_ms = timeout_ms - time.ticks_diff(time.ticks_ms(), begun_ms)
            if left_ms <= 0:
                return TIMEOUT
            status = yield from self._wait(wanted, left_ms)
            if status != OK:
                return status

    def _wait(self, wanted, timeout_ms):
        status = yield self.task.call(self.net, WAIT, (self.socket, wanted), timeout_ms)
        return _told(status)


def _told(status):
    return GONE if status == DEAD else status


class Lost(OSError):
    """The connection cannot be made, or has ended; `is_down` where the board has no network."""

    is_down = False


class Connection:
    """A TCP connection of a client that has other things to do; `Stream` is for one that waits.

    What cannot be done now is done at the next look: net notifies NEWS when there is something to
    read, or room to write. `look`, `flush` and `begin` raise Lost without a connection.
    `has_more` says that a look may find more at once: net tells nothing of that.
    """

    def __init__(self, net, socket=0):
        self.net = net
        self.socket = socket
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
        status = yield task.call_lending(self.net, READ, self.buffer, _LENT_TO_WRITE, arg)
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
            status = yield task.call_lending(self.net, WRITE, piece, _LENT_TO_READ, arg)
            if status == EMPTY:
                return
            if status != OK:
                raise Lost
            self.out = self.out[task.arg :]

    def send(self, data):
        """Have bytes sent, behind those that wait."""
        if len(self.out) > _OUT_MAX:  # the peer sends, and reads nothing
            raise Lost
        self.out += data

    def close(self, task):
        """End it."""
        if self.socket:
            yield task.call(self.net, CLOSE, self.socket)
            self.socket = 0
