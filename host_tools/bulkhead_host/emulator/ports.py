"""Where a served board meets other programs: a pseudo-terminal, or a TCP port.

Both carry plain bytes, one client at a time, and keep going when clients come and go. Output
that nobody reads is dropped, as a board's is when no program has its port open. A client that is
there but reads slowly is waited for, up to a limit.
"""

import contextlib
import os
import select
import socket
import time
from pathlib import Path
from typing import Protocol

from bulkhead_host.errors import BulkheadError, DeviceBusy, UsageError

try:
    import termios
    import tty
except ImportError:  # not a POSIX system
    tty = None  # type: ignore[assignment]

BACKLOG_BYTES_MAX = 64 * 1024
"""Output kept for a client that does not read."""

STALLED_AFTER_S = 0.5
"""A client that reads nothing for this long loses output, as MicroPython's own time-out has it."""

_READ_SIZE = 4096
# How HTTP begins, and TLS; nothing that is typed at a board does.
_METHODS = ("GET", "POST", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE")
_BROWSER = (*(f"{method} ".encode() for method in _METHODS), b"\x16\x03")


class Port(Protocol):
    """One end of a serial line."""

    @property
    def name(self) -> str:
        """What a client passes to pyserial: a path or a URL."""

    def update(self) -> bool:
        """Look for a client that came or went; return whether one is there."""

    def waitable(self) -> list[int]:
        """Return the file descriptors that become readable when there is something to do."""

    def read(self) -> bytes:
        """Return what the client has sent, without waiting."""

    def write(self, data: bytes) -> int:
        """Give bytes to the client without waiting; return how many it took."""

    def close(self) -> None:
        """Remove the port."""


class Outbox:
    """Output on its way to a port's client."""

    def __init__(self, port: Port) -> None:
        self._port = port
        self._pending = bytearray()
        self._moved_at = time.monotonic()
        self.dropped_bytes = 0

    @property
    def must_wait(self) -> bool:
        """True while so much is pending that the board must not produce more."""
        return len(self._pending) > BACKLOG_BYTES_MAX

    def put(self, data: bytes) -> None:
        """Add output."""
        self._pending += data

    def discard(self) -> None:
        """Drop what is pending: nobody is there."""
        self._pending.clear()

    def flush(self) -> None:
        """Give the client what it takes; drop what a stalled one leaves."""
        now = time.monotonic()
        taken = self._port.write(bytes(self._pending)) if self._pending else 0
        del self._pending[:taken]
        if taken or not self._pending:
            self._moved_at = now
        elif self.must_wait and now - self._moved_at > STALLED_AFTER_S:
            excess = len(self._pending) - BACKLOG_BYTES_MAX
            del self._pending[:excess]
            self.dropped_bytes += excess


class PtyPort:
    """A pseudo-terminal in raw mode; `link` is a stable name for it, a symbolic link.

    Raises BulkheadError where the system has none.
    """

    def __init__(self, *, link: Path | None = None) -> None:
        if tty is None:
            raise _no_pty()
        try:
            self._master, slave = os.openpty()
        except OSError as error:
            raise _no_pty() from error
        tty.setraw(slave)
        self._path = os.ttyname(slave)
        # Linux reports a hang-up once the other side has been closed: that is "no client".
        os.close(slave)
        os.set_blocking(self._master, False)
        self._is_attached = False
        self._link = _make_link(link, self._path) if link is not None else None

    @property
    def name(self) -> str:
        """The path a client opens: the link where there is one."""
        return str(self._link or self._path)

    def update(self) -> bool:
        """Look whether a client has the terminal open; clean up behind one that left."""
        poller = select.poll()
        poller.register(self._master, select.POLLIN)
        events = poller.poll(0)
        is_attached = not (events and events[0][1] & select.POLLHUP)
        if self._is_attached and not is_attached:
            # What the last client sent last, it still means to be heard; what it has not read,
            # the next one must not find.
            termios.tcflush(self._master, termios.TCOFLUSH)
            with contextlib.suppress(termios.error):
                tty.setraw(self._master)
        self._is_attached = is_attached
        return is_attached

    def waitable(self) -> list[int]:
        """Return the terminal while a client is there; without one it never stops being ready."""
        return [self._master] if self._is_attached else []

    def read(self) -> bytes:
        """Return what the client has sent."""
        try:
            return os.read(self._master, _READ_SIZE)
        except (BlockingIOError, OSError):
            return b""

    def write(self, data: bytes) -> int:
        """Give bytes to the client."""
        try:
            return os.write(self._master, data)
        except (BlockingIOError, OSError):
            return 0

    def close(self) -> None:
        """Remove the terminal and the link."""
        if self._link is not None and self._link.is_symlink():
            self._link.unlink()
        os.close(self._master)


class TcpPort:
    """A TCP port for pyserial's `socket://HOST:PORT`; number 0 takes a free one.

    A second client is turned away while one is connected, and so is a browser: any page can have
    it send what a board would take for keys. Raises DeviceBusy when the port is in
    use, UsageError when the address cannot be served.
    """

    def __init__(self, *, host: str = "127.0.0.1", port: int) -> None:
        try:
            self._listener = socket.create_server((host, port))
        except OSError as error:
            raise DeviceBusy(
                f"cannot serve {host}:{port}: {os.strerror(error.errno or 0)}",
                "name another port, or 0 for a free one",
            ) from error
        self._listener.setblocking(False)
        self._client: socket.socket | None = None
        self._has_spoken = False
        self._host = host

    @property
    def name(self) -> str:
        """The URL a client opens."""
        return f"socket://{self._host}:{self._listener.getsockname()[1]}"

    def update(self) -> bool:
        """Take a waiting client; turn others away."""
        self._notice_goodbye()
        try:
            client, _ = self._listener.accept()
        except (BlockingIOError, OSError):
            return self._client is not None
        if self._client is not None:
            client.close()
            return True
        client.setblocking(False)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._client = client
        self._has_spoken = False
        return True

    def waitable(self) -> list[int]:
        """Return the listener, and the client if there is one."""
        clients = [self._client.fileno()] if self._client is not None else []
        return [self._listener.fileno(), *clients]

    def read(self) -> bytes:
        """Return what the client has sent; notice when it is gone."""
        if self._client is None:
            return b""
        try:
            data = self._client.recv(_READ_SIZE)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""
        if not data or (not self._has_spoken and data.startswith(_BROWSER)):
            self._hang_up()
            return b""
        self._has_spoken = True
        return data

    def write(self, data: bytes) -> int:
        """Give bytes to the client."""
        if self._client is None:
            return 0
        try:
            return self._client.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            self._hang_up()
            return 0

    def close(self) -> None:
        """Hang up and stop listening."""
        self._hang_up()
        self._listener.close()

    def _notice_goodbye(self) -> None:
        if self._client is None:
            return
        try:
            is_gone = not self._client.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            is_gone = False
        except OSError:
            is_gone = True
        if is_gone:
            self._hang_up()

    def _hang_up(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None


def _no_pty() -> BulkheadError:
    return BulkheadError(
        "this system has no pseudo-terminal to give", "serve a TCP port: bulkhead sim --tcp 8266"
    )


def _make_link(link: Path, target: str) -> Path:
    if link.exists() and not link.is_symlink():
        raise UsageError(f"{link} exists and is no symbolic link", "name another --link")
    fresh = link.with_name(f".{link.name}-{os.getpid()}")
    try:
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(target)
        fresh.replace(link)
    except OSError as error:
        raise UsageError(f"cannot make the link {link}: {error.strerror}") from error
    return link
