"""A board that `bulkhead serve` shares, as a port of pyserial's: its token is shown on opening."""

import errno
import socket

from serial.serialutil import SerialException
from serial.urlhandler import protocol_socket

from bulkhead_host.link.door import ACCEPTED, CONNECT_S, FULL, parse_door


class Serial(protocol_socket.Serial):
    """A connection that has been let in; all else is `socket://`'s."""

    def open(self) -> None:
        """Connect and show the token.

        Raises ValueError for a URL without token or place, and `SerialException` else; its cause
        is a PermissionError where the token was refused.
        """
        self.logger = None
        try:
            self._socket = _let_in(str(self.portstr))
        except OSError as error:
            raise SerialException(f"Could not open port: {error}") from error
        self._socket.setblocking(False)
        self.is_open = True

    def close(self) -> None:
        """Hang up."""
        if self.is_open:
            self._socket.close()
            self.is_open = False


def _let_in(url: str) -> socket.socket:
    """Return a connection to a server that has taken the token of its URL."""
    door = parse_door(url)
    connection = door.connect()
    try:
        connection.settimeout(CONNECT_S)
        connection.sendall(door.token.encode() + b"\n")
        answer = connection.recv(1)
        if answer == ACCEPTED:
            return connection
        if answer == FULL:
            raise OSError(errno.EBUSY, "too many tools use it")
    except ConnectionError:  # it hangs up on who shows another
        pass
    except BaseException:
        connection.close()
        raise
    connection.close()
    raise PermissionError(errno.EACCES, "its token is another one")
