"""The net service over PPP, on the emulated Pico: names, the time, streams, a cut, a crash."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from loud import loud

from bulkhead_host import abi
from bulkhead_host.commands.build import BuildOptions, build
from bulkhead_host.commands.inject import inject
from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.emulator.net.network import Network
from bulkhead_host.emulator.net.tcp import Connection, FarEnd
from bulkhead_host.link.client import Client
from bulkhead_host.link.emulated import BoardTransport
from bulkhead_host.link.updater import update_to_itself

APPLICATION = Path(__file__).parents[1] / "cases" / "net_app"
RELAY, FETCH = 1, 3
OPEN, READ, WRITE, WAIT, CLOSE, STATUS, UP, RESOLVE, TIME = 1, 4, 5, 6, 7, 8, 9, 10, 11
POLL = 12
READABLE, WRITABLE = 1, 2
EMPTY, ENDED, NOT_ALLOWED, NO_ANSWER = 1, 2, 4, 7
TIMES = 20
MANY = 800  # 0.35 s of the line, where net may hold the processor for 0.05
PIECE = 128
CLOSED_S = 15.0  # so long MicroPython keeps what a closed connection has not got rid of, and more
KEPT = 32  # of them in the prober's answer


@dataclass(frozen=True, kw_only=True)
class Desk:
    """A board, its network, and a client of its console."""

    board: EmulatedBoard
    network: Network
    client: Client
    log: list[str]
    ends: dict[int, Callable[[], FarEnd]]

    def ask(self, operation: int, *arg: object, timeout_ms: int = 20_000) -> tuple[int, object]:
        made_of = arg or (None,)
        relayed = (operation, len(arg) > 1, *made_of)
        status, answer = self.client.call("prober", RELAY, relayed, timeout_ms=timeout_ms)
        assert status == abi.OK
        assert isinstance(answer, tuple)
        return answer[0], answer[2:] if answer[1] else answer[2]

    def fetch(self, host: str, port: int = 1801, *, timeout_ms: int = 20_000) -> object:
        asked = (host, port, b"hello")
        return self.client.call("prober", FETCH, asked, timeout_ms=timeout_ms)[1]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    application = tmp_path_factory.mktemp("net") / "app"
    shutil.copytree(APPLICATION, application)
    system = application / "system.toml"
    text = system.read_text().replace('"unix"', '"pico_ppp"')
    system.write_text(text.replace('"logger"', '"updater", "logger"'))
    shipped = Path(__file__).parents[2] / "services" / "net" / "service.toml"
    manifest = application / "net" / "service.toml"
    manifest.write_text(
        shipped.read_text().replace('time_server = ""', 'time_server = "10.0.2.2"')
    )
    prober = application / "prober" / "service.toml"
    names = '["gateway:1801", "10.0.2.2:1801", "10.0.2.2:1803", "gateway:1802", "nowhere:1801"]'
    text = prober.read_text().replace('["127.0.0.1:1801", "127.0.0.1:1802"]', names)
    prober.write_text(text)
    image = build(BuildOptions(application=application, output=application / "net.uf2")).path
    with EmulatedBoard(image=image, seed=0) as board:
        ends: dict[int, Callable[[], FarEnd]] = {1801: loud(TIMES), 1803: loud(MANY)}
        network = Network(board, tcp=ends, reaches_host=False)
        log: list[str] = []
        client = Client(BoardTransport(board), on_output=log.append)
        client.listen(1.0)
        yield Desk(board=board, network=network, client=client, log=log, ends=ends)
        network.close()


def test_the_board_gets_an_address_names_and_the_time(desk: Desk) -> None:
    assert desk.ask(UP) == (abi.OK, "10.0.2.15")
    assert any("the board is 10.0.2.15" in line for line in desk.log)
    assert desk.ask(RESOLVE, "gateway") == (abi.OK, "10.0.2.2")
    assert desk.ask(RESOLVE, "nowhere") == (NO_ANSWER, None)
    assert desk.ask(RESOLVE, "elsewhere") == (NOT_ALLOWED, None)
    status, now_ms = desk.ask(TIME)
    assert isinstance(now_ms, int)
    assert (status, now_ms // 60_000) == (abi.OK, 1_767_225_600 // 60)


@pytest.mark.parametrize("host", ["10.0.2.2", "gateway"])
def test_a_stream_fetches_by_address_and_by_name(desk: Desk, host: str) -> None:
    assert desk.fetch(host) == (ENDED, b"HELLO" * TIMES)


def test_nobody_at_the_port_and_no_such_name_end_the_connection(desk: Desk) -> None:
    assert desk.fetch("gateway", 1802) == (ENDED, b"")
    assert desk.fetch("nowhere") == (ENDED, b"")


def test_a_stream_as_fast_as_the_line_takes_net_no_longer_than_it_may(desk: Desk) -> None:
    assert desk.fetch("10.0.2.2", 1803) == (ENDED, b"HELLO" * KEPT)
    net = desk.client.table().named("net")
    assert net is not None
    assert net.generation == 1


def test_a_cut_delays(desk: Desk) -> None:
    desk.network.cut(for_ms=2000)
    assert desk.fetch("10.0.2.2") == (ENDED, b"HELLO" * TIMES)


def test_a_write_that_finds_no_memory_is_told_so_at_once(desk: Desk) -> None:
    desk.ends[1803] = _Listener
    numbers = []
    for _ in range(2):  # what lwIP has holds the queue of one connection, and not of two
        status, number = desk.ask(OPEN, 1, "10.0.2.2", 1803, 0)
        assert status == abi.OK
        assert desk.ask(WAIT, number, WRITABLE) == (abi.OK, None)
        numbers.append(number)
    desk.network.cut()
    taken = [_fill(desk, number) for number in numbers]
    assert taken[0] > 4096 > taken[1]
    assert [desk.ask(POLL, number)[0] for number in numbers] == [EMPTY, EMPTY]
    desk.network.mend()
    for number in numbers:
        assert desk.ask(CLOSE, number) == (abi.OK, None)
    desk.client.listen(CLOSED_S)
    net = desk.client.table().named("net")
    assert net is not None
    assert net.generation == 1


class _Listener:
    """Takes what comes, and says nothing."""

    def open(self, connection: Connection) -> None:
        connection.accept()

    def receive(self, data: bytes) -> None:
        """Do nothing."""

    def room(self) -> int:
        return 8192

    def finish(self) -> None:
        """Do nothing."""

    def lose(self) -> None:
        """Do nothing."""


def _fill(desk: Desk, number: object) -> int:
    """Write until there is no room; return how many bytes were taken."""
    taken = 0
    while True:
        status, count = desk.ask(WRITE, number, bytes(PIECE))
        if status != abi.OK:
            assert status == EMPTY
            return taken
        assert isinstance(count, int)
        taken += count


def test_an_update_of_net_keeps_the_connection(desk: Desk) -> None:
    status, number = desk.ask(OPEN, 1, "10.0.2.2", 1801, 0)
    assert status == abi.OK
    assert desk.ask(WAIT, number, WRITABLE) == (abi.OK, None)
    update_to_itself(desk.client, ["net"], probation_ms=0)
    assert desk.ask(WRITE, number, b"hello") == (abi.OK, 5)
    assert desk.ask(WAIT, number, READABLE) == (abi.OK, None)
    assert desk.ask(READ, number, 100) == (abi.OK, b"HELLO" * TIMES)
    assert desk.ask(CLOSE, number) == (abi.OK, None)
    net = desk.client.table().named("net")
    assert net is not None
    assert net.generation == 1


def test_a_crash_of_net_leaves_the_link_up_and_no_socket(desk: Desk) -> None:
    status, _number = desk.ask(OPEN, 1, "10.0.2.2", 1801, 0)
    assert status == abi.OK
    inject(desk.client, "crash", "net")
    desk.client.listen(0.3)
    assert desk.network.is_up
    assert desk.fetch("gateway") == (ENDED, b"HELLO" * TIMES)
    status, answer = desk.ask(STATUS)
    assert isinstance(answer, tuple)
    assert (status, answer[:3]) == (abi.OK, (2, "10.0.2.15", 0))
    generations = {one.name: one.generation for one in desk.client.table().services}
    assert generations == {**dict.fromkeys(generations, 1), "net": 2}
