"""The net service on a wireless network that is made up, which the service wifi connects."""

import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from free_ports import HERE, free_port
from unix_network import TIMEOUT_S, NetworkBoard

from bulkhead_host import abi
from bulkhead_host.paths import source_root
from bulkhead_host.system.operations import load_interface

TESTS = Path(__file__).parents[1]
SERVICES = [source_root() / "services"]
NET, WIFI = (
    {operation.name: operation.number for operation in load_interface(name, SERVICES).operations}
    for name in ("net", "wifi")
)
ADDRESS = "192.168.1.7"
RELAY, TCP, WRITABLE, NO_ROOM, DOWN = 1, 1, 2, 5, 6


class Board(NetworkBoard):
    """A client of net, and a server on this host that it may reach."""

    def __init__(self, micropython: Path, folder: Path) -> None:
        self.server = socket.create_server((HERE, 0))
        self.server.settimeout(TIMEOUT_S)
        ports = {number: free_port() for number in (1802, 1803, 1804)}
        self.port = ports[1801] = self.server.getsockname()[1]
        cases = TESTS / "cases"
        super().__init__(micropython, cases / "net_app", folder, ports, over=cases / "wlan")

    def ask(self, operation: str, arg: object = None) -> tuple[int, object]:
        """Have the client call net; return status and value."""
        is_tuple = isinstance(arg, tuple)
        made_of = arg if isinstance(arg, tuple) else (arg,)
        relayed = (NET[operation], is_tuple, *made_of)
        status, answer = self.client.call("prober", RELAY, relayed, timeout_ms=10_000)
        assert status == abi.OK
        assert isinstance(answer, tuple)
        return answer[0], answer[2:] if answer[1] else answer[2]

    def is_logged(self, words: str) -> bool:
        """Return once net has logged something."""
        while not any(words in line for line in self.log):
            self.client.listen(0.02)
        return True

    @contextmanager
    def without_sockets(self) -> Iterator[None]:
        """Have MicroPython get no more sockets: the process may open no more files."""
        number = self.process.pid
        held = {int(file.name) for file in Path(f"/proc/{number}/fd").iterdir()}
        free = min(set(range(len(held) + 1)) - held)
        before = resource.prlimit(number, resource.RLIMIT_NOFILE)
        resource.prlimit(number, resource.RLIMIT_NOFILE, (free, before[1]))
        yield
        resource.prlimit(number, resource.RLIMIT_NOFILE, before)

    def close(self) -> None:
        super().close()
        self.server.close()


@pytest.fixture(scope="module")
def board(micropython: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    found = Board(micropython, tmp_path_factory.mktemp("wlan"))
    yield found
    found.close()


def test_a_client_of_net_waits_until_wifi_has_connected(board: Board) -> None:
    assert board.ask("UP") == (abi.OK, ADDRESS)
    assert board.is_logged(f"net: the board is {ADDRESS}")


def test_connections_are_lost_with_the_network_and_made_again_after(board: Board) -> None:
    for _ in range(2):
        status, number = board.ask("OPEN", (TCP, HERE, board.port, 0))
        assert status == abi.OK
        assert board.ask("WAIT", (number, WRITABLE)) == (abi.OK, None)
        with board.server.accept()[0]:
            board.log.clear()
            assert board.client.call("wifi", WIFI["DISCONNECT"])[0] == abi.OK
            assert board.is_logged("net: the network is lost")
        assert board.ask("OPEN", (TCP, HERE, board.port, 0)) == (DOWN, None)
        assert board.ask("CLOSE", number)[0] == abi.OK
        connecting = ("cabin", "secret")
        assert board.client.call("wifi", WIFI["CONNECT"], connecting)[0] == abi.OK
        assert board.is_logged(f"net: the board is {ADDRESS}")


def test_net_goes_on_where_no_socket_is_left_to_ask_for_a_name(board: Board) -> None:
    before = board.generation("net")
    with board.without_sockets():
        assert board.ask("OPEN", (TCP, "broker.example", board.port, 0)) == (NO_ROOM, None)
    assert board.generation("net") == before
    status, number = board.ask("OPEN", (TCP, "broker.example", board.port, 0))
    assert status == abi.OK
    assert board.ask("CLOSE", number)[0] == abi.OK
