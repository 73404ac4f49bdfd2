"""One connection to a broker for all boards of a fleet, and a line to each of them."""

import json
import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from bulkhead_host import abi
from bulkhead_host.fleet.presence import Presence, parse_presence
from bulkhead_host.link.client import Client
from bulkhead_host.link.network import ROOT, BrokerLine, NetworkLine, Place, parse_place
from bulkhead_host.link.transport import LinkLost

AT_ONCE = 24
"""Boards that are asked at the same time."""

QUIET_S = 1.0
"""A broker that has sent no status for so long has sent those that it keeps."""

_ROLLOUTS = f"{ROOT}-rollouts"
_MAC_BYTES = 16
_T = TypeVar("_T")
_Item = TypeVar("_Item")


class Hub:
    """A fleet's broker. Raises `DeviceNotFound` when that does not serve."""

    def __init__(self, url: str, *, key: bytes, timeout_s: float = 5.0) -> None:
        self._place = parse_place(url, needs_board=False)
        self._key = key
        self._timeout_s = timeout_s
        self._queues: dict[str, queue.SimpleQueue[bytes]] = {}
        self._statuses: dict[str, bytes] = {}
        self._changed = threading.Condition()
        self._kept: dict[str, bytes] = {}
        topics = [f"{ROOT}/+/from", f"{ROOT}/+/status", f"{_ROLLOUTS}/+"]
        self.line = BrokerLine(self._place, topics, self._take)

    def _take(self, topic: str, payload: bytes) -> None:
        root, board, *parts = topic.split("/")
        if root == _ROLLOUTS:
            with self._changed:
                self._kept[board] = payload
                self._changed.notify_all()
            return
        (part,) = parts
        if part == "status":
            with self._changed:
                self._statuses[board] = payload
                self._changed.notify_all()
        elif (waiting := self._queues.get(board)) is not None:
            waiting.put(payload)

    def presences(self, boards: Sequence[str]) -> list[Presence]:
        """Return the status of each board: those come at once that the broker keeps."""
        with self._changed:
            while not all(board in self._statuses for board in boards):
                if not self._changed.wait(QUIET_S):
                    break
            found = dict(self._statuses)
        return [parse_presence(board, found.get(board), self._key) for board in boards]

    def kept(self, name: str) -> dict[str, Any]:
        """Return what was kept of a rollout; nothing where the broker has none, or another's."""
        with self._changed:
            self._changed.wait_for(lambda: name in self._kept, QUIET_S)
            payload = self._kept.get(name, b"")
        text, mac = payload[:-_MAC_BYTES], payload[-_MAC_BYTES:]
        if not payload or not abi.is_same(mac, self._rollout_mac(name, text)):
            return {}
        found: dict[str, Any] = json.loads(text)
        return found

    def keep(self, name: str, state: Mapping[str, Any]) -> None:
        """Keep what each board of a rollout came to, at the broker."""
        text = json.dumps(state).encode()
        payload = text + self._rollout_mac(name, text)
        self.line.publish(f"{_ROLLOUTS}/{name}", payload, is_retained=True)

    def _rollout_mac(self, name: str, text: bytes) -> bytes:
        return abi.keyed_hash(self._key, b"rollout" + name.encode() + b"\0" + text)[:_MAC_BYTES]

    @contextmanager
    def client(
        self, board: str, *, on_output: Callable[[str], None] | None = None
    ) -> Iterator[Client]:
        """Give a client of one board; of each there may be one at a time."""
        arrived: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._queues[board] = arrived
        line = _BoardLine(self._place, board, self.line, arrived)
        try:
            yield Client(line, key=self._key, timeout_s=self._timeout_s, on_output=on_output)
        finally:
            self._queues.pop(board, None)

    def each(self, items: Sequence[_Item], do: Callable[[_Item], _T]) -> list[_T]:
        """Do something for each board, several at once; return what came of it, in order."""
        with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
            return list(pool.map(do, items))

    def close(self) -> None:
        """Leave the broker."""
        self.line.close()


class _BoardLine(NetworkLine):
    """A line to one board; see `MqttTransport`."""

    def __init__(
        self, place: Place, board: str, broker: BrokerLine, arrived: "queue.SimpleQueue[bytes]"
    ) -> None:
        super().__init__(place)
        self.board_name = board
        self.name = f"{place.name}{board}"
        self._broker = broker
        self._arrived = arrived

    def read(self, timeout_s: float) -> bytes:
        """Return what has come; wait up to `timeout_s` for something."""
        with suppress(queue.Empty):
            if timeout_s > 0:
                return self._arrived.get(timeout=timeout_s)
            return self._arrived.get_nowait()
        if self._broker.is_lost:
            raise LinkLost(f"the connection to {self.name} is lost", "run it again: it goes on")
        return b""

    def write(self, data: bytes) -> None:
        """Send a frame."""
        self._broker.publish(f"{ROOT}/{self.board_name}/to", data)

    def close(self) -> None:
        """Do nothing: the connection is the hub's."""
