"""One TCP connection that never waits: what cannot be done now is done at the next look."""

import select
import socket  # type: ignore[import-not-found, unused-ignore]
from errno import EAGAIN, EINPROGRESS

from micropython import const

_AT_ONCE = const(256)
_OUT_MAX = const(1024)


class Lost(OSError):
    """The connection cannot be made, or has ended."""


class Connection:
    """A connection being made, then made. Every method raises Lost when there is none."""

    def __init__(self, host, port):
        self.out = b""
        self.is_open = False
        self.poller = select.poll()
        self.socket = None
        try:
            address = socket.getaddrinfo(host, port)[0][-1]  # a name: one long C call
            self.socket = socket.socket()
            self.socket.setblocking(False)
            self.poller.register(self.socket, select.POLLIN | select.POLLOUT)
            self.socket.connect(address)
        except OSError as error:
            if error.errno != EINPROGRESS:
                self.close()
                raise Lost from None

    def look(self):
        """Send what waits, as far as it is taken; return bytes that came."""
        events = self._events()
        if not self.is_open:
            if events & (select.POLLERR | select.POLLHUP):
                raise Lost
            if not events & select.POLLOUT:
                return b""
            self.is_open = True
        try:
            if self.out and events & select.POLLOUT:
                self.out = self.out[self.socket.send(self.out) :]
            if not events & (select.POLLIN | select.POLLHUP | select.POLLERR):
                return b""
            data = self.socket.recv(_AT_ONCE)
        except OSError as error:
            if error.errno == EAGAIN:
                return b""
            raise Lost from None
        if not data:
            raise Lost
        return data

    def send(self, data):
        """Have bytes sent, behind those that wait."""
        if len(self.out) > _OUT_MAX:  # the broker sends, and reads nothing
            raise Lost
        self.out += data

    def close(self):
        """End it."""
        if self.socket:
            self.socket.close()

    def _events(self):
        for found in self.poller.poll(0):
            return found[1]
        return 0
