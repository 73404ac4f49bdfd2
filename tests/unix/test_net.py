"""The net service on the unix port: sockets by call and lease, for whom the manifests name."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from free_ports import HERE, free_port
from unix_network import TIMEOUT_S, NetworkBoard

from bulkhead_host import abi
from bulkhead_host.commands.inject import inject
from bulkhead_host.system.operations import load_interface

APPLICATION = Path(__file__).parents[1] / "cases" / "net_app"
API = load_interface("net", [Path(__file__).parents[2] / "services"])
OPERATION = {operation.name: operation.number for operation in API.operations}
STATUS = {"OK": abi.OK, "REFUSED": abi.REFUSED, "DEAD": abi.DEAD, "TIMEOUT": abi.TIMEOUT}
STATUS |= {"EMPTY": 1, "ENDED": 2, "GONE": 3, "NOT_ALLOWED": 4, "NO_ROOM": 5, "NO_ANSWER": 7}
NAME = {number: name for name, number in STATUS.items()}
TCP, UDP, READABLE, WRITABLE = 1, 2, 1, 2
RELAY, NOTES, FETCH, CRASH = 1, 2, 3, 4


class Desk(NetworkBoard):
    """The board's process, a server that a client may reach, and ports of all kinds."""

    def __init__(self, micropython: Path, folder: Path) -> None:
        self.server = socket.create_server((HERE, 0))
        self.server.settimeout(TIMEOUT_S)
        self.datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.datagrams.bind((HERE, 0))
        self.datagrams.settimeout(TIMEOUT_S)
        self.ports: dict[int, int] = {
            1801: self.server.getsockname()[1],
            1802: free_port(),
            1803: self.datagrams.getsockname()[1],
            1804: free_port(),
        }
        self.peers: list[socket.socket] = []
        super().__init__(micropython, APPLICATION, folder, self.ports)

    @property
    def port(self) -> int:
        return self.ports[1801]

    def ask(
        self, operation: str, arg: object = None, *, who: str = "prober"
    ) -> tuple[str, object]:
        """Have a client call net; return the status and what came with it."""
        is_tuple = isinstance(arg, tuple)
        made_of = arg if isinstance(arg, tuple) else (arg,)
        relayed = (OPERATION[operation], is_tuple, *made_of)
        status, answer = self.client.call(who, RELAY, relayed, timeout_ms=10_000)
        assert status == abi.OK
        assert isinstance(answer, tuple)
        return NAME[answer[0]], answer[2:] if answer[1] else answer[2]

    def open(self, *, kind: int = TCP, bits: int = 0) -> tuple[int, socket.socket]:
        """Open a connection to the server; return its number, and the server's end."""
        status, number = self.ask("OPEN", (kind, HERE, self.port, bits))
        assert (status, type(number)) == ("OK", int)
        assert isinstance(number, int)
        assert self.ask("WAIT", (number, WRITABLE))[0] == "OK"
        peer, _ = self.server.accept()
        peer.settimeout(TIMEOUT_S)
        self.peers.append(peer)
        return number, peer

    def notes(self) -> object:
        return self.client.call("prober", NOTES)[1]

    def close(self) -> None:
        super().close()
        self.server.close()
        self.datagrams.close()


@pytest.fixture(scope="module")
def shared_desk(micropython: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    desk = Desk(micropython, tmp_path_factory.mktemp("net"))
    yield desk
    desk.close()


@pytest.fixture
def desk(shared_desk: Desk) -> Iterator[Desk]:
    """Yield the desk; all sockets are closed again after each test."""
    yield shared_desk
    while shared_desk.peers:
        shared_desk.peers.pop().close()
    status, answer = shared_desk.ask("STATUS")
    assert isinstance(answer, tuple)
    assert (status, answer[2]) == ("OK", 0)


def test_a_stream_fetches(desk: Desk) -> None:
    def serve() -> None:
        peer, _ = desk.server.accept()
        with peer:
            peer.sendall(peer.recv(100).upper() * 30)

    thread = threading.Thread(target=serve)
    thread.start()
    status, answer = desk.client.call(
        "prober", FETCH, (HERE, desk.port, b"hello"), timeout_ms=9000
    )
    thread.join()
    assert (status, answer) == (abi.OK, (STATUS["ENDED"], b"HELLO" * 30))


def test_only_what_the_manifest_names_can_be_reached(desk: Desk) -> None:
    other = desk.ports[1804]
    assert desk.ask("OPEN", (TCP, HERE, other, 0)) == ("NOT_ALLOWED", None)
    assert desk.ask("OPEN", (UDP, HERE, desk.port, 0)) == ("NOT_ALLOWED", None)
    assert desk.ask("OPEN", (TCP, "127.0.0.2", desk.port, 0)) == ("NOT_ALLOWED", None)
    assert desk.ask("OPEN", (TCP, "localhost", desk.port, 0)) == ("NOT_ALLOWED", None)
    assert desk.ask("LISTEN", (desk.port, 0)) == ("NOT_ALLOWED", None)
    assert desk.ask("RESOLVE", "localhost") == ("NOT_ALLOWED", None)
    asked = (TCP, HERE, desk.port, 0)
    assert desk.ask("OPEN", asked, who="stranger") == ("NOT_ALLOWED", None)
    desk.client.listen(0.05)
    said = f"prober may not use {HERE}:{other}: its [net] does not name it"
    assert any(said in line for line in desk.log)


def test_a_socket_is_its_clients_alone(desk: Desk) -> None:
    number, peer = desk.open()
    assert desk.ask("CLOSE", number, who="stranger") == ("GONE", None)
    assert desk.ask("WAIT", (number, READABLE), who="stranger") == ("GONE", None)
    assert desk.ask("WRITE", (number, b"still here")) == ("OK", 10)
    assert peer.recv(100) == b"still here"
    assert desk.ask("CLOSE", number) == ("OK", None)
    assert peer.recv(100) == b""
    assert desk.ask("CLOSE", number) == ("GONE", None)


def test_what_would_wait_is_told_and_notified_of_once(desk: Desk) -> None:
    number, peer = desk.open(bits=4)
    assert desk.notes() in (0, 4)  # it is connected
    assert desk.ask("READ", (number, 100)) == ("EMPTY", 0)
    desk.notes()
    peer.sendall(b"abc")
    assert desk.ask("WAIT", (number, READABLE)) == ("OK", None)
    assert desk.notes() == 4
    assert desk.notes() == 0
    assert desk.ask("READ", (number, 2)) == ("OK", b"ab")
    assert desk.ask("READ", (number, 2)) == ("OK", b"c")
    peer.close()
    assert desk.ask("WAIT", (number, READABLE)) == ("OK", None)
    assert desk.ask("READ", (number, 2)) == ("ENDED", 0)
    desk.ask("CLOSE", number)


def test_a_peer_that_reads_nothing_fills_the_socket_and_harms_nobody(desk: Desk) -> None:
    number, peer = desk.open()
    data = bytes(200)
    sent = 0
    while (answer := desk.ask("WRITE", (number, data)))[0] == "OK":
        assert isinstance(answer[1], int)
        sent += answer[1]
        if sent > 200 * 400:  # this machine's buffers are large
            break
    desk.ask("CLOSE", number)
    peer.close()


def test_nobody_at_the_port_ends_the_connection(desk: Desk) -> None:
    status, number = desk.ask("OPEN", (TCP, HERE, desk.ports[1802], 0))
    assert status == "OK"
    assert desk.ask("WAIT", (number, WRITABLE))[0] == "ENDED"
    assert desk.ask("READ", (number, 10))[0] == "ENDED"
    assert desk.ask("CLOSE", number)[0] == "OK"


def test_datagrams_go_and_come(desk: Desk) -> None:
    status, number = desk.ask("OPEN", (UDP, HERE, desk.ports[1803], 0))
    assert status == "OK"
    assert desk.ask("WRITE", (number, b"ping")) == ("OK", 4)
    data, address = desk.datagrams.recvfrom(100)
    desk.datagrams.sendto(data.upper(), address)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.sendto(b"not asked", address)
    assert desk.ask("WAIT", (number, READABLE)) == ("OK", None)
    assert desk.ask("READ", (number, 100)) == ("OK", b"PING")
    assert desk.ask("READ", (number, 100)) == ("EMPTY", 0)
    assert desk.ask("CLOSE", number)[0] == "OK"


def test_a_client_takes_connections_at_its_port(desk: Desk) -> None:
    status, listener = desk.ask("LISTEN", (desk.ports[1804], 0))
    assert status == "OK"
    assert desk.ask("ACCEPT", (listener, 0)) == ("EMPTY", None)
    with socket.create_connection((HERE, desk.ports[1804]), TIMEOUT_S) as visitor:
        assert desk.ask("WAIT", (listener, READABLE)) == ("OK", None)
        status, answer = desk.ask("ACCEPT", (listener, 0))
        assert isinstance(answer, tuple)
        assert (status, answer[1:]) == ("OK", visitor.getsockname())
        visitor.sendall(b"good day")
        assert desk.ask("WAIT", (answer[0], READABLE)) == ("OK", None)
        assert desk.ask("READ", (answer[0], 100)) == ("OK", b"good day")
        assert desk.ask("READ", (listener, 100)) == ("EMPTY", 0)
        assert desk.ask("CLOSE", answer[0])[0] == "OK"
    assert desk.ask("CLOSE", listener)[0] == "OK"


def test_a_client_has_so_many_sockets(desk: Desk) -> None:
    first, second = desk.open(), desk.open()
    assert desk.ask("OPEN", (TCP, HERE, desk.port, 0)) == ("NO_ROOM", None)
    for number, peer in (first, second):
        desk.ask("CLOSE", number)
        peer.close()


@pytest.mark.parametrize(
    ("operation", "arg"),
    [
        ("OPEN", None),
        ("OPEN", (TCP, HERE, 80)),
        ("OPEN", (3, HERE, 80, 0)),
        ("OPEN", (TCP, b"host", 80, 0)),
        ("OPEN", (TCP, "", 80, 0)),
        ("OPEN", (TCP, "x" * 65, 80, 0)),
        ("OPEN", (TCP, HERE, -1, 0)),
        ("OPEN", (TCP, HERE, 80, 1 << 26)),
        ("LISTEN", (80,)),
        ("ACCEPT", 1),
        ("READ", (1, 0)),
        ("READ", (1, 513)),
        ("READ", (True, 5)),
        ("WAIT", (1, 4)),
        ("RESOLVE", 5),
        ("RESOLVE", ""),
    ],
)
def test_what_is_no_argument_is_refused(desk: Desk, operation: str, arg: object) -> None:
    assert desk.ask(operation, arg)[0] == "REFUSED"


def test_a_client_that_dies_has_no_sockets_any_more(desk: Desk) -> None:
    number, peer = desk.open()
    before = desk.generation("prober")
    desk.client.call("prober", CRASH, timeout_ms=5000)
    assert peer.recv(100) == b""
    assert desk.generation("prober") == before + 1
    assert desk.ask("READ", (number, 10))[0] == "GONE"
    again, second = desk.open()
    assert again != number
    desk.ask("CLOSE", again)
    second.close()


def test_when_net_dies_the_connection_does_and_its_number_is_nobodys(desk: Desk) -> None:
    number, peer = desk.open()
    inject(desk.client, "crash", "net")
    assert peer.recv(100) == b""
    told = "DEAD"
    while told == "DEAD":
        status, answer = desk.client.call("prober", FETCH, (HERE, desk.ports[1802], b""))
        assert status == abi.OK
        assert isinstance(answer, tuple)
        told = NAME[answer[0]]
    assert told == "ENDED"
    assert desk.ask("READ", (number, 10))[0] == "GONE"


def test_the_time_is_not_known_without_a_server(desk: Desk) -> None:
    assert desk.ask("TIME")[0] == "NO_ANSWER"
    assert desk.ask("UP") == ("OK", HERE)
