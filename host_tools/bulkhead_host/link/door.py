"""Where `bulkhead serve` lets tools in: a Unix socket or a TCP port, by a token.

A tool sends the token and a newline first, and is answered by `ACCEPTED`, or by `FULL` where there
are as many tools as there may be; whoever sends anything else, as a browser does, is hung up on
without a word. `serve://TOKEN@HOST:PORT` and
`serve://TOKEN@/PATH` name both.
"""

import os
import secrets
import shutil
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from bulkhead_host.errors import DeviceBusy, UsageError

SCHEME = "serve"
ACCEPTED = b"\x06"
FULL = b"\x15"
CONNECT_S = 5.0
TOKEN_BYTES_MAX = 128

HAS_UNIX_SOCKETS = hasattr(socket, "AF_UNIX")


@dataclass(frozen=True, kw_only=True)
class Door:
    """An address and its token: a `path`, or `host` and `port`."""

    token: str
    host: str = ""
    port: int = 0
    path: str = ""

    @property
    def place(self) -> str:
        """The address without its token."""
        return self.path or f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """What a tool takes as its port."""
        return f"{SCHEME}://{self.token}@{self.place}"

    def connect(self) -> socket.socket:
        """Return a connection on which no token has been shown."""
        if not self.path:
            made = socket.create_connection((self.host, self.port), timeout=CONNECT_S)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return made
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            made.settimeout(CONNECT_S)
            made.connect(self.path)
        except BaseException:
            made.close()
            raise
        return made


def parse_door(url: str) -> Door:
    """Return what a URL names; raise ValueError when it names none."""
    parts = urlsplit(url)
    token, _, _ = parts.netloc.rpartition("@")
    if parts.scheme != SCHEME or not token:
        raise ValueError("it shows no token")
    if parts.path and not parts.hostname:
        return Door(token=token, path=parts.path)
    if not parts.hostname or not parts.port:
        raise ValueError("it names no TCP port and no socket")
    return Door(token=token, host=parts.hostname, port=parts.port)


class Doorway:
    """Listens at a door; `close` takes it away.

    `where` is the path of a Unix socket or a host and a port, and None for a Unix socket in a
    folder of its own, or a free port of the loopback where the system has none. Raises
    `DeviceBusy` when it is in use, and `UsageError` when it cannot be.
    """

    def __init__(self, where: Path | tuple[str, int] | None) -> None:
        token = secrets.token_urlsafe(24)
        self._folder: Path | None = None
        if where is None and HAS_UNIX_SOCKETS:
            self._folder = Path(tempfile.mkdtemp(prefix="bulkhead-"))  # for this user alone
            where = self._folder / "board"
        try:
            if isinstance(where, Path):
                self.listener = _unix_listener(where)
                self.door = Door(token=token, path=str(where.absolute()))
            else:
                host, port = where or ("127.0.0.1", 0)
                self.listener = socket.create_server((host, port), backlog=socket.SOMAXCONN)
                self.door = Door(token=token, host=host, port=self.listener.getsockname()[1])
        except OSError as error:
            self._remove_folder()
            place = where if isinstance(where, Path) else ":".join(map(str, where or ()))
            raise DeviceBusy(
                f"cannot serve {place}: {error.strerror or error}",
                "name another --listen, or PORT 0 for a free one",
            ) from error
        self.listener.setblocking(False)

    def close(self) -> None:
        """Stop listening and remove the socket."""
        self.listener.close()
        if self.door.path:
            Path(self.door.path).unlink(missing_ok=True)
        self._remove_folder()

    def _remove_folder(self) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def _unix_listener(path: Path) -> socket.socket:
    """Return a socket at a path, for this user alone; one that nobody serves gives way."""
    if not HAS_UNIX_SOCKETS:
        raise UsageError("this system has no Unix sockets", "name a port: --listen 8266")
    if path.is_socket() and _is_dead(path):
        path.unlink()
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        made.bind(str(path))
        made.listen(socket.SOMAXCONN)
    except BaseException:
        made.close()
        raise
    finally:
        os.umask(before)
    return made


def _is_dead(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
        try:
            caller.connect(str(path))
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
    return False
