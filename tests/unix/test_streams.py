"""asyncio's streams over net, on the unix port: a program, and a web server as published."""

import json
import select
import socket
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from free_ports import HERE, free_port
from unix_network import TIMEOUT_S, NetworkBoard

from bulkhead_host.commands.inject import inject
from bulkhead_host.paths import source_root

CASES = Path(__file__).parents[1] / "cases"
COUNT = 40_000
EACCES, EINVAL, ECONNREFUSED = 13, 22, 111


class Board(NetworkBoard):
    """The trial, and a server that it may connect to."""

    def __init__(self, micropython: Path, folder: Path) -> None:
        self.server = socket.create_server((HERE, 0))
        self.server.settimeout(TIMEOUT_S)
        self.ports = {1801: self.server.getsockname()[1], 1802: free_port(), 1804: free_port()}
        super().__init__(micropython, CASES / "streams_app", folder, self.ports)
        self.client.table()  # it has begun

    def close(self) -> None:
        super().close()
        self.server.close()

    @contextmanager
    def told(self, line: str) -> Iterator[socket.socket]:
        """Have the trial do something: yield the connection over which it was told."""
        with _connected(self.ports[1804]) as visitor:
            visitor.sendall(f"{line}\n".encode())
            yield visitor

    def say(self, line: str) -> str:
        with self.told(line) as visitor:
            return _rest(visitor).decode("latin-1")


def _connected(port: int) -> socket.socket:
    """Connect, once somebody listens."""
    for _ in range(1000):
        try:
            return socket.create_connection((HERE, port), TIMEOUT_S)
        except ConnectionRefusedError:
            threading.Event().wait(0.02)
    raise AssertionError("nobody listens")


def _rest(visitor: socket.socket) -> bytes:
    """Return all that comes to the end."""
    parts = []
    while part := visitor.recv(4096):
        parts.append(part)
    return b"".join(parts)


@pytest.fixture(scope="module")
def board(micropython: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    found = Board(micropython, tmp_path_factory.mktemp("streams"))
    yield found
    found.close()


def test_bytes_come_back_in_their_order(board: Board) -> None:
    data = bytes(range(256)) * 20
    with board.told("echo") as visitor:
        writing = threading.Thread(target=visitor.sendall, args=(data,))
        writing.start()
        got = b""
        while len(got) < len(data) and (piece := visitor.recv(4096)):
            got += piece
        writing.join()
        visitor.shutdown(socket.SHUT_WR)
        assert (got, _rest(visitor)) == (data, b".\n")


def test_so_many_bytes_are_sent_and_so_many_taken(board: Board) -> None:
    with board.told(f"send {COUNT}") as visitor:
        assert _rest(visitor) == bytes(range(250)) * (COUNT // 250) + b".\n"
    data = bytes(index % 251 for index in range(COUNT))
    with board.told(f"take {COUNT}") as visitor:
        visitor.sendall(data)
        assert _rest(visitor).decode() == f"{COUNT} {sum(data)}\n"


def test_less_than_was_to_be_read_exactly_ends_that_connection_alone(board: Board) -> None:
    with board.told("take 100") as visitor:
        visitor.sendall(bytes(99))
        visitor.shutdown(socket.SHUT_WR)
        assert _rest(visitor) == b""
    assert board.say("send 250").endswith(".\n")


def test_it_connects_where_the_manifest_lets_it(board: Board) -> None:
    def serve() -> None:
        peer, _ = board.server.accept()
        with peer:
            peer.sendall(peer.recv(100).strip().upper() * 200)

    thread = threading.Thread(target=serve)
    thread.start()
    said = board.say(f"fetch {board.ports[1801]} hello")
    thread.join()
    assert said == f"{b'HELLO' * 200!r}\n"


def test_what_cannot_be_is_an_error_of_the_system(board: Board) -> None:
    assert board.say(f"fetch {board.ports[1802]} x") == f"OSError {ECONNREFUSED}\n"
    assert board.say(f"fetch {free_port()} x") == f"OSError {EACCES}\n"
    assert board.say("at_home") == f"OSError {EINVAL}\n"
    assert board.say(f"elsewhere {free_port()}") == f"OSError {EACCES}\n"


def test_no_way_of_asyncio_leads_round_net(board: Board) -> None:
    refused = "import of 'socket' is not in its service.toml"
    assert board.say("around") == f"{refused}|{refused}\n"


def test_who_waits_can_be_stopped_and_leaves_nothing_open(board: Board) -> None:
    for _ in range(3):  # there is room for two
        assert board.say(f"hurry {board.ports[1801]}") == "late\n"
        peer, _ = board.server.accept()
        with peer:
            assert peer.recv(10) == b""


def test_the_programs_other_tasks_run_and_calls_are_answered_meanwhile(board: Board) -> None:
    with board.told("echo"), board.told("echo"):  # two streams that wait
        before = board.client.call("trial", 1)[1]
        counted = before
        while counted == before:
            _, counted = board.client.call("trial", 1)
        assert isinstance(before, int)
        assert isinstance(counted, int)
        assert counted > before


def test_the_server_forgets_connections_that_were_closed(board: Board) -> None:
    for _ in range(10):
        assert board.say("send 250").endswith(".\n")
    assert int(board.say("connected")) <= 2


def test_a_third_visitor_waits_until_there_is_room(board: Board) -> None:
    with board.told("echo") as first, board.told("echo") as second:
        for visitor in (first, second):
            visitor.sendall(b"here")
            assert visitor.recv(10) == b"here"
        with board.told("send 250") as third:
            # Whoever says nothing for long gives way, should this test be slow.
            served = select.select([first, second, third], [], [], 0.5)[0]
            assert third not in served or len(served) > 1
            first.close()
            assert _rest(third).endswith(b".\n")


def test_who_says_nothing_gives_way(board: Board) -> None:
    with board.told("echo") as first, board.told("echo") as second:
        assert board.say("send 250").endswith(".\n")
        assert b"" in (_rest(first), _rest(second))


def test_what_a_programs_part_raises_ends_its_connection(board: Board) -> None:
    before = board.generation("trial")
    for _ in range(3):
        assert board.say("crash") == ""
    assert board.generation("trial") == before


def test_when_net_dies_connections_end_and_the_server_listens_again(board: Board) -> None:
    before = board.generation("trial")
    with board.told("echo") as visitor:
        visitor.sendall(b"here")
        assert visitor.recv(10) == b"here"
        inject(board.client, "crash", "net")
        assert _rest(visitor) == b""
    assert board.say("send 250").endswith(".\n")
    assert board.generation("trial") == before


class Web(NetworkBoard):
    """The web server."""

    def __init__(self, micropython: Path, folder: Path) -> None:
        self.port = free_port()
        super().__init__(micropython, CASES / "web_app", folder, {8080: self.port})
        _connected(self.port).close()

    def ask(self, path: str, data: bytes | None = None) -> str:
        url = f"http://{HERE}:{self.port}{path}"
        with urllib.request.urlopen(url, data, timeout=TIMEOUT_S) as answer:
            said: bytes = answer.read()
            return said.decode()


@pytest.fixture(scope="module")
def web(micropython: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    found = Web(micropython, tmp_path_factory.mktemp("web"))
    yield found
    found.close()


def test_the_web_server_is_that_of_the_readme() -> None:
    text = (CASES / "web_app" / "web" / "service.py").read_text()
    assert text in (source_root() / "services" / "README.md").read_text()


def test_a_browser_reads_and_has_a_line_logged(web: Web) -> None:
    assert web.ask("/") == "POST a line to /log\n"
    assert json.loads(web.ask("/log", b"hello from a browser")) == {
        "logged": "hello from a browser"
    }
    web.client.table()
    assert any("web: hello from a browser" in line for line in web.log)


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"",
        b"\r\n",
        b"GET\r\n\r\n",
        b"GET /nothing HTTP/1.0\r\n\r\n",
        b"POST /log HTTP/1.0\r\nContent-Length: 9999999\r\n\r\n",
        b"POST /log HTTP/1.0\r\nContent-Length: 9000\r\n\r\nabc",
        b"POST /log HTTP/1.0\r\nContent-Length: 2\r\n\r\n\xff\xfe",
        b"GET / HTTP/1.0\r\n" + b"X: y\r\n" * 300 + b"\r\n",
        b"x" * 5000,
        b"\xff\xfe\x00\r\n\r\n",
    ],
)
def test_a_request_that_is_none_ends_that_connection_alone(web: Web, request_bytes: bytes) -> None:
    before = web.generation("web")
    with _connected(web.port) as visitor:
        visitor.sendall(request_bytes)
        visitor.shutdown(socket.SHUT_WR)
        _rest(visitor)
    assert web.ask("/") == "POST a line to /log\n"
    assert web.generation("web") == before
