"""An evil broker between host and boards: it reads, drops, replays, reorders and forges.

It is two mosquittos, one of the boards and one of the host, with a program between: what passes is
up to each test.
"""

import time
from collections.abc import Callable
from pathlib import Path

from unix_agent import KEY, TIMEOUT_S, Mosquitto, UnixBoard

from bulkhead_host import abi
from bulkhead_host.errors import DeviceTimeout
from bulkhead_host.link.client import Client
from bulkhead_host.link.network import BrokerLine, Place, open_network, parse_place

SHORT_S = 1.0
"""Patience of a host with who gives no answer: never with who is to give one."""
SEQUENCE = 200
"""Of hostile frames."""

Change = Callable[[bytes], list[bytes]]


def _pass(payload: bytes) -> list[bytes]:
    return [payload]


class Evil:
    """What stands between host and board, and who else can publish to the board's broker."""

    def __init__(self, boards: int, hosts: int) -> None:
        self.to_board: Change = _pass
        self.to_host: Change = _pass
        self.asked: list[bytes] = []
        self.answered: list[bytes] = []
        topics = ["bulkhead/garden/to", "bulkhead/garden/from"]
        self.boards = BrokerLine(broker_at(boards), [*topics[1:], "bulkhead/shed/from"], self._up)
        self.hosts = BrokerLine(broker_at(hosts), topics[:1], self._down)
        self.shed_answers: list[bytes] = []

    def _down(self, _topic: str, payload: bytes) -> None:
        self.asked.append(payload)
        for one in self.to_board(payload):
            self.boards.publish("bulkhead/garden/to", one)

    def _up(self, topic: str, payload: bytes) -> None:
        if topic == "bulkhead/shed/from":
            self.hosts.publish("bulkhead/garden/from", payload)
            return
        self.answered.append(payload)
        for one in self.to_host(payload):
            self.hosts.publish("bulkhead/garden/from", one)

    def send(self, payload: bytes) -> None:
        """Publish to the board."""
        self.boards.publish("bulkhead/garden/to", payload)

    def reset(self) -> None:
        """Let everything pass."""
        self.to_board = self.to_host = _pass

    def close(self) -> None:
        self.boards.close()
        self.hosts.close()


def broker_at(port: int) -> Place:
    return parse_place(f"mqtt://127.0.0.1:{port}", needs_board=False)


class Desk:
    """Two boards with the same key, and a host whose broker is evil."""

    def __init__(self, micropython: Path, folder: Path) -> None:
        self.broker = Mosquitto()
        self.front = Mosquitto()
        self.garden = UnixBoard(micropython, folder, port=self.broker.port)
        self.shed = UnixBoard(micropython, folder, port=self.broker.port, name="shed")
        for board in (self.garden, self.shed):
            wait_for_agent(board)
        self.evil = Evil(self.broker.port, self.front.port)
        self.url = f"mqtt://127.0.0.1:{self.front.port}/garden"
        self.direct_url = f"mqtt://127.0.0.1:{self.broker.port}/garden"
        self.serial = Client(self.garden.line, key=KEY, timeout_s=TIMEOUT_S)
        self.lines: list[Client] = []

    def host(self, *, url: str = "") -> Client:
        """Return a host's client, over the evil broker if no other is named."""
        client = Client(open_network(url or self.url), key=KEY, timeout_s=TIMEOUT_S)
        self.lines.append(client)
        return client

    def close(self) -> None:
        for client in self.lines:
            client.transport.close()
        self.evil.close()
        for one in (self.garden, self.shed, self.broker, self.front):
            one.kill()


def wait_for_agent(board: UnixBoard) -> None:
    """Return when a board's agent has its broker."""
    said: list[str] = []
    client = Client(board.line, key=KEY, timeout_s=TIMEOUT_S, on_output=said.append)
    client.hello()
    until_s = board.line.clock_s() + TIMEOUT_S
    while not any("hosts reach" in line for line in said):
        assert board.line.clock_s() < until_s, said
        client.listen(0.02)


def generations(client: Client) -> dict[str, int]:
    """Return the generation of each service: what an order that was done would change."""
    return {one.name: one.generation for one in client.table().services}


def wait_until(condition: Callable[[], bool], *, within_s: float = TIMEOUT_S) -> None:
    """Wait for what another thread brings."""
    until_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < until_s
        time.sleep(0.005)


def has_replayed(client: Client, count: int) -> bool:
    """Tell whether a board has counted so many orders that came again."""
    return client.table().losses.replayed >= count


def answers(client: Client) -> bool:
    """Tell whether a board answers now."""
    try:
        with client.waiting(SHORT_S):
            client.hello()
    except DeviceTimeout:
        return False
    return True


def forged(payload: bytes) -> bytes:
    """Return a frame of an order."""
    return abi.encode(abi.ORDER, SEQUENCE, payload)


def order_of(frame: bytes) -> bytes:
    """Return the payload of a frame."""
    decoded = abi.decode(frame[1:-1])
    assert decoded is not None
    payload: bytes = decoded[2]
    return payload


def is_order(frame: bytes) -> bool:
    """Tell whether a frame is an order."""
    decoded = abi.decode(frame[1:-1])
    return decoded is not None and decoded[0] == abi.ORDER


def recorded_order(desk: Desk, client: Client) -> bytes:
    """Return an order of a session that is open, as it went by."""
    client.control("crasher", "restart")
    return order_of(desk.evil.asked[-1])
