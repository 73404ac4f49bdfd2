"""Boards by a real broker, and straight: every request, and restarts of all that is on the way."""

import json
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path

import pytest
from evil_broker import (
    SHORT_S,
    Desk,
    answers,
    broker_at,
    generations,
    wait_for_agent,
    wait_until,
)
from free_ports import free_port
from unix_agent import KEY, TIMEOUT_S, Mosquitto, UnixBoard

from bulkhead_host import abi
from bulkhead_host.commands.log import kept
from bulkhead_host.commands.repl import check_cable
from bulkhead_host.errors import DeviceNotFound, DeviceTimeout, NotPermitted, UsageError
from bulkhead_host.link.client import Client
from bulkhead_host.link.log import LogFilter
from bulkhead_host.link.network import BrokerLine, open_network, parse_place

OTHER_KEY = bytes(range(1, 33))


@pytest.fixture(scope="module")
def desk(micropython: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    desk = Desk(micropython, tmp_path_factory.mktemp("agent"))
    yield desk
    desk.close()


def test_every_request_goes_over_thebroker_at(desk: Desk) -> None:
    client = desk.host()
    assert (client.hello().application, client.hello().reading_is_closed) == ("agent_app", True)
    names = ["supervisor", "logger", "console", "net", "agent", "crasher"]
    assert client.table().names == names
    before = generations(client)["crasher"]
    client.control("crasher", "restart")
    client.inject("crasher", "crash")
    status, counts = client.call("agent", 4, None)
    assert isinstance(counts, tuple)
    assert (status, counts[0], counts[2]) == (abi.OK, 2, 0)
    assert generations(client)["crasher"] == before + 2
    assert "InjectedCrash" in client.fault_text("crasher")
    assert client.fault("crasher").kind == abi.EXCEPTION
    assert client.capabilities("agent")
    assert client.heap_free() > 0
    assert len(client.trace(0)) > 0
    assert None not in list(islice(client.watch(interval_ms=50), 3))
    assert any("hosts reach garden" in line for line in kept(client, LogFilter(), 64))


def test_output_of_a_board_that_cannot_print_there_is_its_log_once_each(desk: Desk) -> None:
    lines: list[str] = []
    client = Client(open_network(desk.url), key=KEY, timeout_s=TIMEOUT_S, on_output=lines.append)
    client.listen(0.1)
    assert len(lines) == len(set(lines)) > 0
    count = len(lines)
    client.inject("crasher", "crash")
    until_s = client.transport.clock_s() + TIMEOUT_S
    while len(lines) == count:
        assert client.transport.clock_s() < until_s
        client.listen(0.6)
    assert "crasher faulted" in lines[-1]
    assert len(lines) == count + 1
    client.transport.close()


def test_the_status_is_retained_signed_and_the_will_says_that_the_board_is_gone(
    desk: Desk, micropython: Path, tmp_path: Path
) -> None:
    said: list[bytes] = []
    broker = Mosquitto()
    board = UnixBoard(micropython, tmp_path, port=broker.port, name="cellar")
    wait_for_agent(board)
    desk.serial.hello()
    Client(board.line, key=KEY, timeout_s=TIMEOUT_S).table()  # by now it has said how it is
    line = BrokerLine(
        broker_at(broker.port), ["bulkhead/cellar/status"], lambda _topic, text: said.append(text)
    )
    wait_until(lambda: bool(said))
    status = json.loads(said[0])
    assert (status["board"], status["kind"], status["faults"]) == ("cellar", "unix", 0)
    text, _, mac = said[0].rpartition(b',"mac":"')
    expected = abi.keyed_hash(KEY, b"status" + text)[:16].hex()
    assert mac == expected.encode() + b'"}'
    board.kill()
    wait_until(lambda: said[-1] == b"gone")
    line.close()
    broker.kill()


def test_the_agent_connects_again_when_the_broker_was_killed_and_no_service_is_harmed(
    micropython: Path, tmp_path: Path
) -> None:
    broker = Mosquitto()
    board = UnixBoard(micropython, tmp_path, port=broker.port)
    wait_for_agent(board)
    serial = Client(board.line, key=KEY, timeout_s=TIMEOUT_S)
    before = generations(serial)
    for _ in range(3):
        broker.kill()
        broker.restart()
        client = Client(
            open_network(f"mqtt://127.0.0.1:{broker.port}/garden"), key=KEY, timeout_s=TIMEOUT_S
        )
        wait_until(partial(answers, client))
        client.transport.close()
    serial.inject("agent", "crash")
    client = Client(
        open_network(f"mqtt://127.0.0.1:{broker.port}/garden"), key=KEY, timeout_s=TIMEOUT_S
    )
    wait_until(lambda: answers(client))
    serial.inject("net", "crash")
    wait_until(lambda: answers(client))
    with serial.waiting(SHORT_S), pytest.raises(DeviceTimeout):  # it is what would answer
        serial.inject("console", "crash")
    wait_until(lambda: answers(client))
    after = generations(serial)
    faulted = {"agent": 1, "net": 1, "console": 1}
    assert after == {name: count + faulted.get(name, 0) for name, count in before.items()}
    client.transport.close()
    board.kill()
    broker.kill()


def test_tcp_goes_by_the_same_rules(micropython: Path, tmp_path: Path) -> None:
    port = free_port()
    board = UnixBoard(micropython, tmp_path, listen=port)
    serial = Client(board.line, key=KEY, timeout_s=TIMEOUT_S)
    serial.hello()
    url = f"tcp://127.0.0.1:{port}/garden"
    wait_until(lambda: can_open(url))
    for _ in range(2):  # one after the other
        client = Client(open_network(url), key=KEY, timeout_s=TIMEOUT_S)
        assert client.hello().application == "agent_app"
        client.control("crasher", "restart")
        client.transport.close()
    stranger = Client(open_network(url), key=OTHER_KEY, timeout_s=SHORT_S)
    with pytest.raises(NotPermitted, match="another key"):
        stranger.table()
    stranger.transport.close()
    elsewhere = Client(open_network(url.replace("garden", "shed")), key=KEY, timeout_s=SHORT_S)
    with pytest.raises(NotPermitted, match="another board"):
        elsewhere.hello()
    elsewhere.transport.close()
    board.kill()


def can_open(url: str) -> bool:
    """Tell whether somebody listens."""
    try:
        open_network(url).close()
    except DeviceNotFound:
        return False
    return True


def test_a_board_without_a_key_takes_no_order_from_a_network(
    micropython: Path, tmp_path: Path
) -> None:
    port = free_port()
    board = UnixBoard(micropython, tmp_path, listen=port, key=bytes(32))
    Client(board.line, key=bytes(32), timeout_s=TIMEOUT_S).hello()
    url = f"tcp://127.0.0.1:{port}/garden"
    wait_until(lambda: can_open(url))
    client = Client(open_network(url), key=bytes(32), timeout_s=SHORT_S)
    with pytest.raises(DeviceTimeout):
        client.hello()
    client.transport.close()
    board.kill()


@pytest.mark.parametrize(
    "url", ["mqtt://broker", "mqtt:///garden", "tcp://host/garden", "mqtt://h/a b", "mqtt://h:x/a"]
)
def test_a_url_that_names_no_board_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(UsageError, match="names no board") as caught:
        parse_place(url.replace("://", "://me:secret@"))
    assert "secret" not in str(caught.value)


def test_a_line_of_a_network_has_no_prompt_and_says_so_without_its_password() -> None:
    with pytest.raises(UsageError, match="mqtt://broker:1883/garden is a line of a network"):
        check_cable("mqtt://me:secret@broker/garden")
    check_cable("/dev/ttyACM0")
