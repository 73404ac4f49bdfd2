"""Serves one board to several tools on a TCP port, through resets of the board."""

import os
import select
import socket
from collections.abc import Callable
from typing import Any

from bulkhead_host.errors import DeviceBusy, DeviceNotFound, DeviceTimeout
from bulkhead_host.link.follow import RETRY_S, Connect
from bulkhead_host.link.share import Guest, Share
from bulkhead_host.link.transport import LinkLost, Transport

_READ_SIZE = 4096
_WAIT_S = 0.5  # renewals and typing are looked at this often at least
_POLL_S = 0.01  # for lines that select cannot wait for


class ShareServer:
    """Owns the line to a board while it serves it. Not safe to use from two threads, but `stop`.

    `connect` opens the line, and `reconnect` does when it was lost. `report` takes a sentence for
    a person. Raises DeviceBusy when the TCP port is in use.
    """

    def __init__(
        self,
        connect: Connect,
        *,
        reconnect: Connect,
        host: str,
        port: int,
        report: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._reconnect = reconnect
        self._report = report
        self._line: Transport | None = connect()
        self.share = Share(self._line.clock_s)
        self._clock_s = self._line.clock_s
        self._guests: dict[socket.socket, Guest] = {}
        self._retry_s = 0.0
        self._is_stopping = False
        self._wake_receiver, self._wake_sender = socket.socketpair()
        try:
            self._listener = socket.create_server((host, port))
        except OSError as error:
            self._line.close()
            raise DeviceBusy(
                f"cannot serve {host}:{port}: {os.strerror(error.errno or 0)}",
                "name another port, or 0 for a free one",
            ) from error
        self._listener.setblocking(False)
        self._host = host

    @property
    def name(self) -> str:
        """The URL for the tools."""
        return f"socket://{self._host}:{self._listener.getsockname()[1]}"

    def run(self) -> None:
        """Serve until `stop`."""
        try:
            while not self._is_stopping:
                self._step()
        finally:
            for client in list(self._guests):
                self._hang_up(client)
            self._listener.close()
            if self._line is not None:
                self._line.close()

    def stop(self) -> None:
        """End `run`; for another thread or a signal handler."""
        self._is_stopping = True
        self._wake_sender.send(b"!")

    def _step(self) -> None:
        self._renew_line()
        for readable in self._wait():
            if readable is self._listener:
                self._welcome()
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
        waitable: list[Any] = [self._listener, self._wake_receiver, *heard]
        descriptor = getattr(self._line, "descriptor", None)
        if descriptor is not None:
            waitable.append(descriptor)
        is_polled = self._line is not None and descriptor is None
        full = [client for client, guest in self._guests.items() if guest.outbox]
        wait_s = _POLL_S if is_polled else RETRY_S if self._line is None else _WAIT_S
        readable: list[object] = select.select(waitable, full, [], wait_s)[0]
        return readable

    def _welcome(self) -> None:
        client, address = self._listener.accept()
        client.setblocking(False)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._guests[client] = guest = self.share.join(f"{address[0]}:{address[1]}")
        self._report(f"{guest.name} joins")

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
        self.share.leave(guest)
        client.close()
        self._report(f"{guest} left")

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
