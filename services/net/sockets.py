"""The sockets of all clients: none is ever waited for, each is one client's.

MicroPython's own sockets outlast an update of this service and a crash, as an attribute of the
folder's module: the next incarnation finds them, and goes on with them or closes them.
"""

import select
import socket  # type: ignore[import-not-found, unused-ignore]
from errno import EAGAIN, EINPROGRESS
from struct import calcsize, pack, unpack_from

from bulkhead import OK
from micropython import const

from services import net as outlasting

from services.net.api import (
    EMPTY,
    ENDED,
    PORTS_MAX,
    PORTS_OF_ONE_MAX,
    READABLE,
    SOCKETS_MAX,
    SOCKETS_OF_ONE_MAX,
    TCP,
    UDP,
    WRITABLE,
)

_RAW = "kept_sockets"
_NUMBER = "kept_number"
_NUMBER_MAX = const(0xFFFFFF)
_BACKLOG = const(1)
_BOTH = const(3)
_OVER = select.POLLERR | select.POLLHUP
_ROW = "<IBBIBB"  # number, badge, kind, bits, flags, what it is armed for
_CONNECTED = const(1)
_LISTENS = const(2)
_LOST = const(4)


def raws():
    """Return MicroPython's sockets by their numbers."""
    found = getattr(outlasting, _RAW, None)
    if found is None:
        found = {}
        setattr(outlasting, _RAW, found)
    return found


def next_number():
    """Return a socket's number: a restart does not give one again that a client may still have."""
    number = getattr(outlasting, _NUMBER, 0) % _NUMBER_MAX + 1
    setattr(outlasting, _NUMBER, number)
    return number


class Socket:
    """One of a client's. `raw` is MicroPython's, None while the host's name is looked up.

    `armed` are the events that the client has not been told of; `wanted` those that a caller
    waits for, whose token is `waiter`.
    """

    def __init__(self, number, badge, kind, bits):
        self.number = number
        self.badge = badge
        self.kind = kind
        self.bits = bits
        self.raw = None
        self.port = 0
        self.tls_host = ""  # who it has to prove to be, once there is a connection
        self.question = None
        self.is_connected = self.listens = self.is_lost = False
        self.armed = _BOTH
        self.ready = 0
        self.waiter = self.wanted = 0

    def make(self):
        """Get a socket of MicroPython's. Raises OSError when it has none."""
        kind = socket.SOCK_DGRAM if self.kind == UDP else socket.SOCK_STREAM
        self.keep(socket.socket(socket.AF_INET, kind))

    def keep(self, raw):
        """Have a socket of MicroPython's."""
        raw.setblocking(False)
        self.raw = raws()[self.number] = raw

    def connect(self, address):
        """Begin to connect; what fails is told by `look`."""
        try:
            self.raw.connect(socket.getaddrinfo(address, self.port)[0][-1])
            self.is_connected = self.kind == UDP
        except OSError as error:
            self.is_lost = error.errno != EINPROGRESS

    def listen(self, port):
        """Take connections. Raises OSError when it cannot."""
        self.raw.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.raw.bind(socket.getaddrinfo("0.0.0.0", port)[0][-1])
        self.raw.listen(_BACKLOG)
        self.is_connected = self.listens = True

    def see(self, events):
        """Take what `poll` says of it."""
        if not self.is_connected:
            if events & _OVER:
                self.is_lost = True
            elif events & select.POLLOUT:
                self.is_connected = True
        self.ready = 0
        if self.is_lost:
            self.ready = _BOTH
        elif self.is_connected:
            if events & (select.POLLIN | _OVER):
                self.ready = READABLE
            if events & (select.POLLOUT | _OVER):
                self.ready |= WRITABLE

    def read(self, buffer):
        """Return a status, and how many bytes were read."""
        status, count = self._move("readinto", buffer)
        if status == OK and count == 0 and self.kind == TCP:
            return ENDED, 0
        if status == EMPTY:
            self.armed |= READABLE
        return status, count

    def write(self, data):
        """Return a status, and how many bytes were taken."""
        status, count = self._move("write", data)
        if status == EMPTY:
            self.armed |= WRITABLE
        return status, count

    def poll(self):
        """Return a status, and what can be done without waiting."""
        if self.is_lost:
            return ENDED, 0
        if self.ready:
            return OK, self.ready
        self.armed = _BOTH
        return EMPTY, 0

    def accept(self):
        """Return a status, MicroPython's socket of a connection, and its address."""
        try:
            raw, address = self.raw.accept()
        except OSError:
            self.armed |= READABLE
            return EMPTY, None, None
        return OK, raw, address

    def news(self):
        """Return the events that the client is to be told of, once."""
        news = self.ready & self.armed
        self.armed &= ~news
        return news

    def close(self):
        """End it."""
        if self.question:
            self.question.end()
        if self.raw:
            self.raw.close()
        raws().pop(self.number, None)

    def _move(self, way, buffer):
        if self.is_lost:
            return ENDED, 0
        if not self.is_connected or self.listens:
            return EMPTY, 0
        try:
            count = getattr(self.raw, way)(buffer)
        except (OSError, ValueError, MemoryError) as error:
            # TLS has ValueError of a certificate that is not right, MemoryError of a full heap.
            if error.args[:1] == (EAGAIN,):
                return EMPTY, 0
            self.is_lost = True
            return ENDED, 0
        return (EMPTY, 0) if count is None else (OK, count)


class Table:
    """All sockets by their numbers; `ca` is the certificate that TLS trusts, DER in base64."""

    def __init__(self, ca=""):
        self.ca = ca
        self.context = None
        self.rows = {}
        self.poller = select.poll()
        self.lost = 0

    def of(self, badge, number):
        """Return a client's socket, None if it has none of that number."""
        found = self.rows.get(number)
        return found if found is not None and found.badge == badge else None

    def has_room(self, badge, *, to_listen=False):
        """Tell whether a client may have one more: connections and ports are counted apart."""
        alike = [one.badge for one in self.rows.values() if one.listens == to_listen]
        most, of_one = SOCKETS_MAX, SOCKETS_OF_ONE_MAX
        if to_listen:
            most, of_one = PORTS_MAX, PORTS_OF_ONE_MAX
        return len(alike) < most and alike.count(badge) < of_one

    def add(self, badge, kind, bits):
        """Return a new socket, which has none of MicroPython's yet."""
        found = Socket(next_number(), badge, kind, bits)
        self.rows[found.number] = found
        return found

    def watch(self, one):
        """Look at a socket from now on."""
        self.poller.register(one.raw, select.POLLIN | select.POLLOUT)

    def look(self):
        """See what each socket has for its client."""
        events = {id(found[0]): found[1] for found in self.poller.poll(0)}
        for one in self.rows.values():
            one.see(events.get(id(one.raw), 0) if one.raw else 0)
            if one.tls_host and one.is_connected:
                self._secure(one)

    def _secure(self, one):
        """Encrypt a connection; the handshake is made by what is read and written first.

        Where the heap has no room for that, this connection is lost, and no other.
        """
        host, one.tls_host = one.tls_host, ""
        self.poller.unregister(one.raw)
        try:
            from services.net.secure import context, wrap

            if self.context is None:
                self.context = context(self.ca)
            one.keep(wrap(self.context, one.raw, host))
        except (OSError, ValueError, MemoryError):
            one.is_lost = True
        self.watch(one)

    def remove(self, one):
        """Close a socket, and forget it."""
        if one.raw:
            self.poller.unregister(one.raw)
        one.close()
        self.rows.pop(one.number, None)

    def remove_all_of(self, badge):
        """Close the sockets of a client: it has died, or begins anew."""
        for one in list(self.rows.values()):
            if one.badge == badge:
                self.remove(one)

    def lose_all(self):
        """Let all connections be lost: the board has no address. Who listens goes on with it."""
        for one in self.rows.values():
            if one.listens:
                continue
            self.lost += 1
            one.is_lost = True
            if one.question:
                one.question.end()

    def close_strangers(self):
        """Close sockets that an incarnation has left which is no more."""
        for number, raw in list(raws().items()):
            if number not in self.rows:
                raw.close()
                raws().pop(number)

    def pack(self):
        """Return what an update hands over: not what is looked up, or to be encrypted, still."""
        parts = []
        for one in self.rows.values():
            if one.raw is None or one.tls_host:
                continue
            flags = one.is_connected | one.listens << 1 | one.is_lost << 2
            parts.append(pack(_ROW, one.number, one.badge, one.kind, one.bits, flags, one.armed))
        return b"".join(parts)

    def unpack(self, data):
        """Go on with sockets that are still there."""
        for at in range(0, len(data), calcsize(_ROW)):
            number, badge, kind, bits, flags, armed = unpack_from(_ROW, data, at)
            one = Socket(number, badge, kind, bits)
            one.raw = raws().get(number)
            if one.raw is None:
                continue
            one.is_connected = flags & _CONNECTED != 0
            one.listens = flags & _LISTENS != 0
            one.is_lost = flags & _LOST != 0
            one.armed = armed | _BOTH
            self.rows[number] = one
            self.watch(one)
