"""A far end for the emulated network: it says what it hears, louder and many times, and ends."""

from collections.abc import Callable

from bulkhead_host.emulator.net.tcp import Connection


class Loud:
    """One connection: what comes goes back in capitals, `times` times; then it is closed."""

    def __init__(self, times: int) -> None:
        self._times = times

    def open(self, connection: Connection) -> None:
        self._connection = connection
        connection.accept()

    def receive(self, data: bytes) -> None:
        self._connection.send(data.upper() * self._times)
        self._connection.close()

    def room(self) -> int:
        return 1000

    def finish(self) -> None:
        """Do nothing: it has closed by then."""

    def lose(self) -> None:
        """Do nothing: nothing is kept."""


def loud(times: int) -> Callable[[], Loud]:
    """Return what makes the far end of each connection."""
    return lambda: Loud(times)
