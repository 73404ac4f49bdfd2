"""A Pico with PPP on the emulator's network: the same cycles each time, loss, cuts, the host."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from free_ports import free_port
from loud import loud

from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.emulator.net.conditions import Conditions
from bulkhead_host.emulator.net.network import Network
from bulkhead_host.emulator.repl import execute, wait_for_prompt
from bulkhead_host.errors import DeviceException
from bulkhead_host.image.build import build_image

BEGIN = """
import machine, network, socket, time
ppp = network.PPP(machine.UART(0, 115200, rxbuf=2048, txbuf=2048))
ppp.connect()
"""
CONNECT = """
while not ppp.isconnected():
    ppp.poll()
    time.sleep_ms(5)
machine.Timer(period=20, callback=lambda _: ppp.poll())
print(ppp.ipconfig("addr4")[0])
"""
ASK = """
s = socket.socket()
s.connect(socket.getaddrinfo("{host}", {port})[0][-1])
s.send(b"hello")
got = b""
while True:
    data = s.recv(600)
    if not data:
        break
    got += data
print(len(got), got == b"HELLO" * (len(got) // 5))
s.close()
"""
TIMES = 300
GOOD = Conditions()


@pytest.fixture(scope="module")
def image() -> Path:
    """Return a hardened image at its prompt: the build folder is that of applications."""
    return build_image(board="pico_ppp", files={"nothing.py": b""}).path


@contextmanager
def connected(
    image: Path, conditions: Conditions = GOOD, *, reaches_host: bool = False
) -> Iterator[tuple[EmulatedBoard, Network]]:
    with EmulatedBoard(image=image, seed=0) as board:
        network = Network(
            board, conditions=conditions, tcp={7: loud(TIMES)}, reaches_host=reaches_host
        )
        wait_for_prompt(board)
        assert execute(board, BEGIN + CONNECT) == "10.0.2.15\n"
        yield board, network
        network.close()


def ask(board: EmulatedBoard, *, port: int = 7, timeout_ms: float = 20_000) -> str:
    return execute(board, ASK.format(host="gateway", port=port), timeout_ms=timeout_ms)


def test_the_same_calls_give_the_same_cycles(image: Path) -> None:
    def run() -> tuple[str, int]:
        with connected(image) as (board, _):
            return ask(board), board.cycles

    first = run()
    assert first[0] == "1500 True\n"
    assert run() == first


def test_a_peer_that_comes_late_is_asked_again(image: Path) -> None:
    with EmulatedBoard(image=image, seed=0) as board:
        wait_for_prompt(board)
        execute(board, BEGIN)
        board.run_for(ms=500)
        Network(board, reaches_host=False)
        assert execute(board, CONNECT, timeout_ms=10_000) == "10.0.2.15\n"


def test_nothing_is_lost_for_good_where_packets_are_lost_late_and_out_of_order(
    image: Path,
) -> None:
    bad = Conditions(loss=0.2, delay_ms=20, jitter_ms=80, seed=1)
    with connected(image, bad) as (board, _):
        assert ask(board, timeout_ms=60_000) == "1500 True\n"


def test_a_cut_stops_all_and_what_was_under_way_goes_on_after_it(image: Path) -> None:
    with connected(image) as (board, network):
        network.cut(for_ms=3000)
        begun_us = board.clock_us
        assert ask(board) == "1500 True\n"
        assert board.clock_us - begun_us > 3_000_000


def test_another_port_is_that_of_the_hosts_loopback(image: Path) -> None:
    def serve(server: socket.socket) -> None:
        client, _ = server.accept()
        with client:
            client.sendall(client.recv(100).upper() * TIMES)

    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        connected(image, reaches_host=True) as (board, _),
    ):
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        assert ask(board, port=server.getsockname()[1]) == "1500 True\n"
        thread.join()
        with pytest.raises(DeviceException, match=r"ECONNRESET|ECONNREFUSED"):
            ask(board, port=free_port())
