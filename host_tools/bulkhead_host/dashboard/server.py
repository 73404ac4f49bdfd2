"""Serves the dashboard on a loopback port until it is told to stop."""

import secrets
import socket

import uvicorn

from bulkhead_host.dashboard.hub import Hub
from bulkhead_host.dashboard.web import application
from bulkhead_host.errors import DeviceBusy

HOST = "127.0.0.1"
_GOODBYE_S = 1


class DashboardServer:
    """An HTTP server of one board's dashboard; `url` has the token that opens it.

    Raises DeviceBusy when the port is taken. Port 0 takes a free one.
    """

    def __init__(self, hub: Hub, *, port: int = 0) -> None:
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
                application(hub, token=token),
                log_level="warning",
                access_log=False,
                timeout_graceful_shutdown=_GOODBYE_S,
            )
        )

    def run(self) -> None:
        """Serve until Ctrl-C or SIGTERM."""
        self._server.run(sockets=[self._socket])
