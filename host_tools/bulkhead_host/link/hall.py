"""Those who have connected and shown no token yet: few of them, and not for long."""

import secrets
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bulkhead_host.link.door import TOKEN_BYTES_MAX

WAITING_MAX = 32
"""Connections without a token; the oldest gives way to a new one."""

TOKEN_S = 2.0
"""How long a token may take, by this computer's clock."""

_REST_S = 0.1


@dataclass(eq=False)
class _Caller:
    until_s: float
    sent: bytes = b""


class Hall:
    """Takes connections and lets in who shows the token; the others are hung up on."""

    def __init__(
        self, report: Callable[[str], None], *, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._report = report
        self._clock_s = clock_s
        self._callers: dict[socket.socket, _Caller] = {}
        self._rest_until_s = 0.0
        self.refused = 0

    @property
    def waiting(self) -> list[socket.socket]:
        """The connections that may have something to say."""
        return list(self._callers)

    @property
    def is_resting(self) -> bool:
        """Whether no connection is taken now: the system had none left to give."""
        return self._clock_s() < self._rest_until_s

    def open_to(self, listener: socket.socket) -> None:
        """Take the connections that wait at a listener."""
        for _ in range(WAITING_MAX):
            try:
                client, _ = listener.accept()
            except BlockingIOError:
                return
            except ConnectionError:
                continue
            except OSError:  # too many files are open
                self._rest_until_s = self._clock_s() + _REST_S
                return
            client.setblocking(False)
            if client.family != getattr(socket, "AF_UNIX", None):
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if len(self._callers) >= WAITING_MAX:
                self._refuse(next(iter(self._callers)))
            self._callers[client] = _Caller(self._clock_s() + TOKEN_S)

    def let_in(self, token: str) -> Iterator[tuple[socket.socket, bytes]]:
        """Yield who has shown the token, with what was sent behind it."""
        wanted = token.encode()
        for client, caller in list(self._callers.items()):
            if not self._hear(client, caller):
                self._refuse(client)
                continue
            shown, has_line, rest = caller.sent.partition(b"\n")
            if has_line and secrets.compare_digest(shown, wanted):
                del self._callers[client]
                yield client, rest
            elif has_line or len(shown) > TOKEN_BYTES_MAX or self._clock_s() > caller.until_s:
                self._refuse(client)

    def close(self) -> None:
        """Hang up on all."""
        for client in self._callers:
            client.close()
        self._callers.clear()

    def _hear(self, client: socket.socket, caller: _Caller) -> bool:
        """Read what a caller has sent; return whether it is there still."""
        try:
            data = client.recv(TOKEN_BYTES_MAX)
        except BlockingIOError:
            return True
        except OSError:
            return False
        caller.sent += data
        return bool(data)

    def _refuse(self, client: socket.socket) -> None:
        del self._callers[client]
        client.close()
        self.refused += 1
        if self.refused & (self.refused - 1) == 0:  # the 1st, 2nd, 4th, ...: not each of a flood
            self._report(f"turned away who showed no token: {self.refused} so far")
