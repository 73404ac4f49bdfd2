"""Every URL scheme of pyserial works, or is refused in one sentence with its exit code."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import serial.rfc2217
from desk import Desk, bulkhead
from serial.tools import list_ports

from bulkhead_host.errors import BulkheadError
from bulkhead_host.link.client import Client
from bulkhead_host.link.ports import open_port
from bulkhead_host.link.serial_port import open_serial
from bulkhead_host.link.transport import LinkLost


class Port(serial.Serial):
    """A pseudo-terminal, which has no control lines."""

    cts = dsr = ri = cd = False

    def _update_dtr_state(self) -> None:
        pass

    def _update_rts_state(self) -> None:
        pass


class Wire:
    """What the server's `PortManager` answers through: the connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def write(self, data: bytes) -> None:
        self._connection.sendall(data)


@contextmanager
def serial_server(device: str) -> Iterator[tuple[str, list[socket.socket]]]:
    """Serve a serial port by RFC 2217, with pyserial's own side of a server."""
    connections: list[socket.socket] = []
    with (
        Port(device, timeout=0.02) as port,
        socket.create_server(("127.0.0.1", 0)) as listener,
    ):
        thread = threading.Thread(target=_accept, args=(port, listener, connections), daemon=True)
        thread.start()
        yield f"rfc2217://127.0.0.1:{listener.getsockname()[1]}", connections
        listener.shutdown(socket.SHUT_RDWR)
        for connection in connections:
            connection.close()
        thread.join(5)


def _accept(
    port: serial.Serial, listener: socket.socket, connections: list[socket.socket]
) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        connections.append(connection)
        manager = serial.rfc2217.PortManager(port, Wire(connection))  # type: ignore[arg-type]
        sender = threading.Thread(target=_send, args=(port, connection, manager), daemon=True)
        sender.start()
        try:
            while data := connection.recv(1024):
                port.write(b"".join(manager.filter(data)))
        except OSError:
            pass
        connection.close()
        sender.join(5)


def _send(
    port: serial.Serial, connection: socket.socket, manager: serial.rfc2217.PortManager
) -> None:
    try:
        while connection.fileno() >= 0:
            data = port.read(port.in_waiting or 1)
            if data:
                connection.sendall(b"".join(manager.escape(data)))
    except (OSError, TypeError):  # closed in the midst of a read
        return


def test_a_serial_server_is_a_port_like_any_other(desk: Desk) -> None:
    with serial_server(desk.port) as (url, _):
        done = bulkhead("ps", port=url)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("pico  demo  Bulkhead 0.1.0")
        done = bulkhead("inject", "crash", "--target", "blink", port=url)
        assert (done.returncode, done.stderr) == (0, "")
    assert desk.board.injections == [("blink", "crash")]


# pyserial closes no socket whose other side has gone.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_serial_server_that_goes_away_is_told(desk: Desk) -> None:
    with serial_server(desk.port) as (url, connections):
        line = open_port(url)
        assert Client(line).hello().application == "demo"
        connections[0].shutdown(socket.SHUT_RDWR)
        with pytest.raises(LinkLost):
            while True:
                line.read(1)
        line.close()


def test_two_tools_share_a_serial_server(desk: Desk) -> None:
    with serial_server(desk.port) as (url, _):
        line = open_port(url)
        again = Client(line)
        assert [again.table().names[0] for _ in range(3)] == ["supervisor"] * 3
        line.close()


@pytest.mark.parametrize("form", ["spy://{}", "alt://{}?class=PosixPollSerial"])
def test_a_url_around_a_device_is_a_port_like_any_other(desk: Desk, form: str) -> None:
    url = form.format(desk.port)
    done = bulkhead("ps", port=url)
    assert done.returncode == 0, done.stderr
    assert "blink" in done.stdout
    assert "Traceback" not in done.stderr


def test_hwgrep_opens_the_port_that_fits(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_ports, "grep", lambda *_: iter([[desk.port, "x", "y"]]))
    line = open_serial("hwgrep://2E8A")
    assert Client(line).hello().board == "pico"
    line.close()


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("loop://", 5),  # answers nothing but what it is sent
        ("loop://?x=1", 2),
        ("hwgrep://no such board", 3),
        ("hwgrep://[", 2),
        ("cp2110://", 2),
        ("cp2110://10C4:EA80:1", 2),
        ("rfc2217://", 2),
        ("rfc2217://127.0.0.1", 2),
        ("rfc2217://127.0.0.1:99999", 2),
        ("rfc2217://127.0.0.1:1", 3),
        ("rfc2217://127.0.0.1:1?x=1", 3),
        ("rfc2217://127.0.0.1:1?logging=loud", 3),
        ("socket://127.0.0.1:1", 3),
        ("socket://nowhere", 2),
        ("spy:///dev/nowhere", 3),
        ("spy://", 3),
        ("spy:///dev/nowhere?color&raw", 2),
        ("alt:///dev/nowhere?class=PosixPollSerial", 3),
        ("alt:///dev/nowhere?class=Nothing", 2),
        ("foo://bar", 2),
        ("://", 2),
    ],
)
def test_what_cannot_be_opened_is_told_in_one_sentence(url: str, code: int) -> None:
    done = bulkhead("ps", port=url)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    cause, *rest = done.stderr.splitlines()
    assert cause.startswith("bulkhead: ")
    assert len(rest) == 1
    assert rest[0].startswith("  try: ")


def test_a_server_that_speaks_another_protocol_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(BulkheadError, match="does not seem to support") as caught:
            open_serial(f"rfc2217://127.0.0.1:{port}?timeout=0.2")
        assert "\n" not in caught.value.cause
        assert "nothing answers" not in caught.value.cause


@pytest.mark.parametrize(
    ("url", "way_out"),
    [
        ("socket://127.0.0.1:1", "bulkhead sim --tcp"),
        ("rfc2217://127.0.0.1:1", "RFC 2217"),
        ("serve://token@127.0.0.1:1", "bulkhead serve"),
    ],
)
def test_what_serves_a_url_is_named_where_nothing_answers(url: str, way_out: str) -> None:
    with pytest.raises(BulkheadError, match="nothing answers") as caught:
        open_serial(url)
    assert way_out in caught.value.next_step


def test_a_spy_whose_disk_is_full_says_so(desk: Desk) -> None:
    done = bulkhead("ps", port=f"spy://{desk.port}?file=/dev/full")
    assert done.returncode == 1
    assert done.stderr.startswith("bulkhead: No space left on device\n")


def test_a_pseudo_terminal_is_open_for_one_program_through_any_url() -> None:
    _, slave = os.openpty()
    name = os.ttyname(slave)
    line = open_serial(f"spy://{name}")
    with pytest.raises(BulkheadError, match="in use"):
        open_serial(name)
    line.close()
