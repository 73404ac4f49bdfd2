"""Serves the dashboard on a loopback port until it is told to stop."""

import asyncio
import secrets
import socket

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from bulkhead_host.dashboard.hub import Hub
from bulkhead_host.dashboard.web import Lookup, application, no_operations
from bulkhead_host.errors import DeviceBusy

HOST = "127.0.0.1"
SILENT_MAX = 128
REQUEST_S = 5
"""How long the first request of a connection may take."""

_GOODBYE_S = 1


class PatientProtocol(H11Protocol):
    """HTTP whose request has to be there in time; of too many that are silent the oldest goes."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, and look after a while whether it has asked for anything."""
        super().connection_made(transport)
        self.began_s = self.loop.time()
        silent = [one for one in self.connections if isinstance(one, type(self)) and one.is_silent]
        if len(silent) > SILENT_MAX:
            min(silent, key=lambda one: one.began_s).transport.abort()
        self.loop.call_later(REQUEST_S, self._end_silence)

    @property
    def is_silent(self) -> bool:
        """Whether it has asked for nothing yet."""
        return self.cycle is None and not self.transport.is_closing()

    def _end_silence(self) -> None:
        if self.is_silent:
            self.transport.abort()


class DashboardServer:
    """An HTTP server of one board's dashboard; `url` has the token that opens it.

    Raises DeviceBusy when the port is taken. Port 0 takes a free one.
    """

    def __init__(self, hub: Hub, *, port: int = 0, operations: Lookup = no_operations) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((HOST, port))
            self._socket.listen()
        except OSError as error:
            self._socket.close()
            raise DeviceBusy(
                f"cannot listen at {HOST}:{port}: {error.strerror}",
                "name another --listen, or 0 for a free one",
            ) from error
        token = secrets.token_urlsafe(24)
        self.url = f"http://{HOST}:{self._socket.getsockname()[1]}/?token={token}"
        self._server = uvicorn.Server(
            uvicorn.Config(
                application(hub, token=token, operations=operations),
                log_level="warning",
                access_log=False,
                http=PatientProtocol,
                timeout_graceful_shutdown=_GOODBYE_S,
            )
        )

    def run(self) -> None:
        """Serve until Ctrl-C or SIGTERM."""
        self._server.run(sockets=[self._socket])
