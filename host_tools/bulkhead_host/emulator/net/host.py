"""Sockets of the host's loopback, where the board's connections go unless something is nearer.

Nothing waits in them: they are looked at every millisecond of the board's. While one is open the
board does not run ahead of the wall clock, since who is behind it lives by that.
"""

import contextlib
import errno
import select
import socket
import time
from collections.abc import Callable

from bulkhead_host.emulator.net.events import Event, Events
from bulkhead_host.emulator.net.tcp import WINDOW, Connection

LOOPBACK = "127.0.0.1"
_LOOK_MS = 1.0
_READ_BYTES = 2048
_BACKLOG_BYTES_MAX = 4096
_CONNECTING = (0, errno.EINPROGRESS, errno.EWOULDBLOCK)
_DATAGRAM_SOCKETS_MAX = 32


class HostSocket:
    """A TCP connection to a port of the loopback; see `FarEnd`."""

    def __init__(self, sockets: "Sockets", port: int) -> None:
        self._sockets = sockets
        self._port = port
        self._out = bytearray()
        self._is_open = self._is_finished = self._has_ended = False

    def open(self, connection: Connection) -> None:
        """Begin to connect."""
        self._connection = connection
        self.socket = socket.socket()
        self.socket.setblocking(False)
        if self.socket.connect_ex((LOOPBACK, self._port)) not in _CONNECTING:
            self.socket.close()
            connection.refuse()
            return
        self._sockets.add(self)

    def receive(self, data: bytes) -> None:
        """Send bytes to the host."""
        self._out += data
        self._write()

    def room(self) -> int:
        """Return how many bytes it takes; a host that reads nothing closes the window."""
        return max(0, WINDOW - len(self._out))

    def finish(self) -> None:
        """Send the end to the host, behind what waits."""
        self._is_finished = True
        self._write()

    def lose(self) -> None:
        """Close the socket."""
        self._sockets.remove(self)
        self.socket.close()

    def look(self) -> None:
        """Take what the host has sent, and send what waits."""
        if not self._is_open:
            if not select.select([], [self.socket], [], 0)[1]:
                return
            if self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                self.lose()
                self._connection.refuse()
                return
            self._is_open = True
            self._connection.accept()
        self._write()
        while not self._has_ended and self._connection.backlog < _BACKLOG_BYTES_MAX:
            try:
                data = self.socket.recv(_READ_BYTES)
            except BlockingIOError:
                break
            except OSError:
                self.lose()
                self._connection.refuse()
                return
            if data:
                self._connection.send(data)
            else:
                self._has_ended = True
                self._connection.close()
        if self._connection.is_over:
            self.lose()

    def _write(self) -> None:
        if not self._is_open:
            return
        try:
            if self._out:
                del self._out[: self.socket.send(self._out)]
            if self._is_finished and not self._out:
                self._is_finished = False
                self.socket.shutdown(socket.SHUT_WR)
        except BlockingIOError:
            return
        except OSError:
            self._out.clear()  # `look` finds out


class Sockets:
    """All sockets of one board."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._open: list[HostSocket] = []
        self._datagrams: dict[tuple[int, int], socket.socket] = {}
        self._on_datagram: dict[socket.socket, Callable[[bytes], None]] = {}
        self._timer: Event | None = None
        self._begun = (0.0, 0.0)

    def add(self, one: HostSocket) -> None:
        """Look at a socket from now on."""
        self._open.append(one)
        self._plan()

    def remove(self, one: HostSocket) -> None:
        """Look at it no more."""
        if one in self._open:
            self._open.remove(one)

    def send(
        self, port: int, of_board: int, data: bytes, on_answer: Callable[[bytes], None]
    ) -> None:
        """Send a datagram to a port of the loopback, from a socket that stands for the board's."""
        found = self._datagrams.pop((port, of_board), None)
        if found is None:
            found = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            found.setblocking(False)
            found.connect((LOOPBACK, port))
        self._datagrams[port, of_board] = found  # the newest is the last
        self._on_datagram[found] = on_answer
        if len(self._datagrams) > _DATAGRAM_SOCKETS_MAX:
            self._forget(next(iter(self._datagrams)))
        with contextlib.suppress(OSError):  # nobody is there, which a datagram does not learn
            found.send(data)
        self._plan()

    def close(self) -> None:
        """Close all."""
        for one in list(self._open):
            one.lose()
        for key in list(self._datagrams):
            self._forget(key)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _forget(self, key: tuple[int, int]) -> None:
        one = self._datagrams.pop(key)
        self._on_datagram.pop(one)
        one.close()

    def _plan(self) -> None:
        if self._timer is None and (self._open or self._datagrams):
            self._begin()
            self._timer = self._events.after(_LOOK_MS, self._look)

    def _begin(self) -> None:
        self._begun = (self._events.now_ms, time.monotonic() * 1000)

    def _look(self) -> None:
        self._timer = None
        if not self._open and not self._datagrams:
            return
        ahead_ms = self._events.now_ms - self._begun[0] - time.monotonic() * 1000 + self._begun[1]
        waiting = [*(one.socket for one in self._open), *self._on_datagram]
        if ahead_ms > 0:
            select.select(waiting, [], [], ahead_ms / 1000)
        else:  # what it lost to the emulator's slowness it does not catch up
            self._begin()
        for one in list(self._open):
            one.look()
        for each, on_answer in list(self._on_datagram.items()):
            try:
                on_answer(each.recv(_READ_BYTES))
            except OSError:  # nothing has come, or nobody is there
                continue
        if self._timer is None:
            self._timer = self._events.after(_LOOK_MS, self._look)
