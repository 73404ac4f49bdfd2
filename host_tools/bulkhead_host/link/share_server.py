"""Serves one board to several tools that show its token, through resets of the board."""

import selectors
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path

from bulkhead_host.errors import BulkheadError, DeviceBusy, DeviceNotFound, DeviceTimeout
from bulkhead_host.link.door import ACCEPTED, FULL, Door, Doorway
from bulkhead_host.link.follow import RETRY_S, Connect
from bulkhead_host.link.hall import Hall
from bulkhead_host.link.share import Guest, Share
from bulkhead_host.link.transport import LinkLost, Transport

_READ_SIZE = 4096
_WAIT_S = 0.5  # renewals and typing are looked at this often at least
_POLL_S = 0.01  # for lines that select cannot wait for
_CLOSED_S = 0.2  # a board looks every 25 ms whether its port is open

GUESTS_MAX = 32
"""Tools at once."""


class ShareServer:
    """Owns the line to a board while it serves it. Not safe to use from two threads, but `stop`.

    `connect` opens the line, and `reconnect` does when it was lost. `report` takes a sentence for
    a person. Raises as `Doorway` does, which gets `where`.
    """

    def __init__(
        self,
        connect: Connect,
        *,
        reconnect: Connect,
        where: Path | tuple[str, int] | None = None,
        report: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._reconnect = reconnect
        self._report = report
        self._line: Transport | None = connect()
        self.share = Share(self._line.clock_s)
        self._clock_s = self._line.clock_s
        self._guests: dict[socket.socket, Guest] = {}
        self._hall = Hall(report)
        self._numbers = count(1)
        self._retry_s = 0.0
        self._is_stopping = False
        self._wake_receiver, self._wake_sender = socket.socketpair()
        try:
            self._doorway = Doorway(where)
        except BulkheadError:
            self._line.close()
            raise

    @property
    def door(self) -> Door:
        """Where tools are let in, and by which token."""
        return self._doorway.door

    def run(self) -> None:
        """Serve until `stop`."""
        try:
            while not self._is_stopping:
                self._step()
        finally:
            if self._line is not None:
                self._line.close()
                self._line = None
            for client in list(self._guests):
                self._hang_up(client)
            self._hall.close()
            self._doorway.close()
            self._wake_receiver.close()
            self._wake_sender.close()

    def stop(self) -> None:
        """End `run`; for another thread or a signal handler."""
        self._is_stopping = True
        self._wake_sender.send(b"!")

    def _step(self) -> None:
        self._renew_line()
        for client, sent in self._hall.let_in(self.door.token):
            self._welcome(client, sent)
        for readable in self._wait():
            if readable is self._doorway.listener:
                self._hall.open_to(self._doorway.listener)
            elif isinstance(readable, socket.socket) and readable in self._guests:
                self._take(readable)
        if self._line is not None:
            try:
                self.share.from_board(self._line.read(0))
                self._send(self.share.due())
            except LinkLost as error:
                self._lose(error)
        self._give()

    def _wait(self) -> list[object]:
        """Wait for something to do; return what can be read."""
        typist = self.share.typist
        heard = [
            client
            for client, guest in self._guests.items()
            if self._line is not None and typist in (None, guest)
        ]
        waiting: list[socket.socket | int] = [self._wake_receiver, *heard, *self._hall.waiting]
        if not self._hall.is_resting:
            waiting.append(self._doorway.listener)
        descriptor = getattr(self._line, "descriptor", None)
        if descriptor is not None:
            waiting.append(descriptor)
        full = [client for client, guest in self._guests.items() if guest.outbox]
        is_polled = self._line is not None and descriptor is None
        wait_s = _POLL_S if is_polled or self._hall.is_resting else _WAIT_S
        return _ready(waiting, full, min(wait_s, RETRY_S if self._line is None else _WAIT_S))

    def _welcome(self, client: socket.socket, sent: bytes) -> None:
        """Take a tool that has shown the token, with what it has sent since."""
        if len(self._guests) >= GUESTS_MAX:
            self._report(f"there are {GUESTS_MAX} tools already: one more is turned away")
            with client, suppress(OSError):
                client.send(FULL)
            return
        self._guests[client] = guest = self.share.join(f"tool {next(self._numbers)}")
        guest.put(ACCEPTED)
        self._report(f"{guest.name} joins")
        self._hear(client, sent)

    def _take(self, client: socket.socket) -> None:
        try:
            data = client.recv(_READ_SIZE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._hang_up(client)
            return
        self._hear(client, data)

    def _hear(self, client: socket.socket, data: bytes) -> None:
        try:
            self._send(self.share.from_guest(self._guests[client], data))
        except LinkLost as error:
            self._lose(error)

    def _send(self, data: bytes) -> None:
        if data and self._line is not None:
            try:
                self._line.write(data)
            except DeviceTimeout as error:  # the tools ask again
                self._report(error.cause)

    def _give(self) -> None:
        for client, guest in list(self._guests.items()):
            try:
                del guest.outbox[: client.send(guest.outbox) if guest.outbox else 0]
            except BlockingIOError:
                continue
            except OSError:
                self._hang_up(client)

    def _hang_up(self, client: socket.socket) -> None:
        guest = self._guests.pop(client)
        client.close()
        self._report(f"{guest} left")
        if self.share.leave(guest) and self._line is not None:
            # A board leaves its prompt when its port is closed, as by who has it alone.
            self._line.close()
            self._line = None
            self._retry_s = self._clock_s() + _CLOSED_S

    def _lose(self, error: LinkLost) -> None:
        if self._line is not None:
            self._line.close()
        self._line = None
        self._retry_s = 0.0
        self._report(f"{error.cause}: waiting for it")

    def _renew_line(self) -> None:
        if self._line is not None or self._clock_s() < self._retry_s:
            return
        try:
            self._line = self._reconnect()
        except (DeviceNotFound, DeviceBusy):
            self._retry_s = self._clock_s() + RETRY_S
            return
        self.share.reconnect()
        self._report(f"{self._line.name} is back")


def _ready(
    reading: Sequence[socket.socket | int], writing: Sequence[socket.socket], wait_s: float
) -> list[object]:
    """Return what can be read; wait for that, or until something can be written."""
    with selectors.DefaultSelector() as selector:
        for one in {*reading, *writing}:
            events = selectors.EVENT_READ if one in reading else 0
            events |= selectors.EVENT_WRITE if one in writing else 0
            selector.register(one, events)
        return [
            key.fileobj for key, events in selector.select(wait_s) if events & selectors.EVENT_READ
        ]
