"""A call over a broker, by the board's clock: from the broker's order to the broker's answer.

The application is `firmware/bench/networked` with its agent; the broker and the host's client are
in this process, and take no time of the board's. An order of a session comes by PPP to `net`, the
agent and the console, which calls `echo`, and goes back the same way, with its MACs; the line of
115,200 baud takes its part of that. The nonces are the same each time.
"""

from statistics import median

from bulkhead_host import abi
from bulkhead_host.bench.images import Images
from bulkhead_host.bench.network import PORT, Broker, networked
from bulkhead_host.emulator.board import EmulatedBoard
from bulkhead_host.emulator.net.network import Network
from bulkhead_host.errors import BulkheadError, DeviceTimeout
from bulkhead_host.link.client import Client
from bulkhead_host.link.key import KEY_BYTES

_KEY = bytes(range(KEY_BYTES))
_NAME = "bench"
_ECHO = 1
_TIMES = 20
_TIMEOUT_MS = 20_000
_US_PER_MS = 1000


class Line:
    """A host's line by a broker in this process; see `Transport`. Keeps when it was used last."""

    name = "the broker"
    pace_min = 1.0

    def __init__(self, board: EmulatedBoard, board_name: str) -> None:
        self.board_name = board_name
        self._board = board
        self.broker = Broker(self._take)
        self._arrived = b""
        self.sent_us = self.arrived_us = 0

    def read(self, timeout_s: float) -> bytes:
        """Return what has come; run the board until something has."""
        if not self._arrived and timeout_s > 0:
            try:
                self._board.run_until(self._has_arrived, timeout_ms=timeout_s * 1000)
            except DeviceTimeout:
                return b""
        data, self._arrived = self._arrived, b""
        return data

    def write(self, data: bytes) -> None:
        """Send a frame."""
        self.sent_us = self._board.clock_us
        self.broker.publish(f"bulkhead/{self.board_name}/to".encode(), data)

    def clock_s(self) -> float:
        """Return the board's time."""
        return self._board.desk_s

    def close(self) -> None:
        """Do nothing."""

    def _has_arrived(self) -> bool:
        return bool(self._arrived)

    def _take(self, topic: bytes, payload: bytes) -> None:
        if topic == f"bulkhead/{self.board_name}/from".encode():
            self._arrived += payload
            self.arrived_us = self._board.clock_us


def measure(_images: Images) -> dict[str, float]:
    """Return broker_call_ms, the median of 20 calls."""
    image = networked("net", "agent", "echo")
    with EmulatedBoard(image=image.path, key=_KEY, seed=0) as board:
        line = Line(board, _NAME)
        network = Network(board, tcp={PORT: lambda: line.broker}, reaches_host=False)
        board.run_until(lambda: line.broker.has_subscriber, timeout_ms=_TIMEOUT_MS)
        client = Client(line, key=_KEY, first_sequence=0)
        client.hello()  # opens the session
        taken_ms = [_call(client, line, number) for number in range(_TIMES)]
        network.close()
    return {"broker_call_ms": median(taken_ms)}


def _call(client: Client, line: Line, number: int) -> float:
    """Return how long a call was under way."""
    if client.call("echo", _ECHO, number) != (abi.OK, number):
        raise BulkheadError("echo did not answer")
    return (line.arrived_us - line.sent_us) / _US_PER_MS
