"""Boards by an evil broker: none of what it does changes anything, and all of it is counted."""

import re
import struct
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from evil_broker import (
    SEQUENCE,
    SHORT_S,
    Desk,
    answers,
    broker_at,
    forged,
    generations,
    has_replayed,
    is_order,
    order_of,
    recorded_order,
    wait_for_agent,
    wait_until,
)
from unix_agent import KEY, TIMEOUT_S, Mosquitto, UnixBoard

from bulkhead_host import abi
from bulkhead_host.errors import DeviceTimeout, NotPermitted
from bulkhead_host.link.client import Client
from bulkhead_host.link.frames import Frame, FrameParser
from bulkhead_host.link.network import BrokerLine, open_network
from bulkhead_host.link.services import Losses

REFLECTED = 20
CRASH = bytes([abi.INJECT, 1]) + b"crasher"


@pytest.fixture(scope="module")
def desk(micropython: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    desk = Desk(micropython, tmp_path_factory.mktemp("agent"))
    yield desk
    desk.close()


@pytest.fixture(autouse=True)
def _honest(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "desk" in request.fixturenames:
        request.getfixturevalue("desk").evil.reset()


def _changed(order: bytes, at: int) -> bytes:
    return order[:at] + bytes([order[at] ^ 1]) + order[at + 1 :]


TO_BOARD: dict[str, tuple[Callable[[bytes], list[bytes]], str]] = {
    "a replayed order": (lambda order: [forged(order)], "replayed"),
    "the same one ten times": (lambda order: [forged(order)] * 10, "replayed"),
    "another service in it": (lambda order: [forged(order[:-1] + b"X")], "refused"),
    "a letter more": (lambda order: [forged(order + b"X")], "refused"),
    "a letter less": (lambda order: [forged(order[:-1])], "refused"),
    "a later number": (lambda order: [forged(_changed(order, 2))], "refused"),
    "another session's name": (lambda order: [forged(b"\xff" + order[1:])], "replayed"),
    "another MAC": (lambda order: [forged(_changed(order, 7))], "refused"),
    "no MAC": (lambda order: [forged(order[:21])], "refused"),
    "another request under the MAC": (lambda order: [forged(order[:21] + CRASH)], "refused"),
    "an order in an order": (lambda order: [forged(order[:21] + forged(order))], "refused"),
    "an injection without an order": (
        lambda _order: [abi.encode(abi.INJECT, SEQUENCE, b"\x01crasher")],
        "refused",
    ),
    "a reset without an order": (
        lambda _order: [abi.encode(abi.CONTROL, SEQUENCE, b"\x03")],
        "refused",
    ),
    "an update without an order": (
        lambda _order: [abi.encode(abi.UPDATE, SEQUENCE, b"\x04")],
        "refused",
    ),
    "a table without an order": (lambda _order: [abi.encode(abi.TABLE, SEQUENCE, b"")], "refused"),
    "a hello without an order": (lambda _order: [abi.encode(abi.HELLO, SEQUENCE, b"")], "refused"),
    "a watch without an order": (
        lambda _order: [abi.encode(abi.WATCH, SEQUENCE, struct.pack("<HH", 50, 60000))],
        "refused",
    ),
    "an answer to it": (lambda _order: [abi.encode(abi.ANSWER, SEQUENCE, bytes(30))], "refused"),
    "a frame that is damaged": (lambda order: [forged(order).replace(b"A", b"B", 1)], "damaged"),
    "bytes of all kinds": (lambda _order: [bytes(range(256)) + b"\n"], "damaged"),
    "more than is kept": (lambda _order: [b"\x1e" + b"A" * 600], "damaged"),
}


@pytest.mark.parametrize("what", TO_BOARD)
def test_what_is_sent_to_the_board_is_counted_and_changes_nothing(desk: Desk, what: str) -> None:
    client = desk.host()
    order = recorded_order(desk, client)
    before, losses = generations(client), client.table().losses
    frames, count = TO_BOARD[what][0](order), TO_BOARD[what][1]
    for frame in frames:
        desk.evil.send(frame)
    if count == "damaged":
        desk.evil.send(b"\n")
    wait_until(lambda: getattr(client.table().losses, count) >= getattr(losses, count) + 1)
    wait_until(
        lambda: (
            getattr(client.table().losses, count) == getattr(losses, count) + len(frames)
            or count == "damaged"
        )
    )
    others = Losses(**{**vars(losses), count: getattr(client.table().losses, count)})
    assert client.table().losses == others
    assert generations(client) == before


def test_orders_that_change_places_are_done_once_or_not_at_all(desk: Desk) -> None:
    client = desk.host()
    before = generations(client)["crasher"]
    held: list[bytes] = []
    desk.evil.to_board = lambda frame: held.append(frame) or []  # type: ignore[func-returns-value]
    for _ in range(2):
        with client.waiting(SHORT_S), pytest.raises(DeviceTimeout, match="is not known"):
            client.control("crasher", "restart")
    desk.evil.reset()
    assert len(held) == 2
    losses = client.table().losses.replayed  # a later order has been taken by then
    for frame in reversed(held):
        desk.evil.send(frame)
    wait_until(lambda: client.table().losses.replayed == losses + 2)
    assert generations(client)["crasher"] == before


def test_orders_of_before_the_boot_and_for_another_board_are_refused(
    desk: Desk, micropython: Path, tmp_path: Path
) -> None:
    shed = desk.host(url=desk.direct_url.replace("garden", "shed"))
    taken: list[bytes] = []
    spy = BrokerLine(
        broker_at(desk.broker.port), ["bulkhead/shed/to"], lambda _, frame: taken.append(frame)
    )
    shed.control("crasher", "restart")
    wait_until(lambda: len(taken) > 0 and order_of(taken[-1])[21:22] == bytes([abi.CONTROL]))
    client = desk.host()
    losses, before = client.table().losses, generations(client)
    for frame in taken:
        desk.evil.send(frame)
    orders = sum(is_order(frame) for frame in taken)
    wait_until(lambda: _refusals(client.table().losses) == _refusals(losses) + orders)
    assert generations(client) == before
    spy.close()
    board = UnixBoard(micropython, tmp_path, port=desk.broker.port, name="porch")
    wait_for_agent(board)
    url = desk.direct_url.replace("garden", "porch")
    host = desk.host(url=url)
    spy = BrokerLine(
        broker_at(desk.broker.port), ["bulkhead/porch/to"], lambda _, frame: taken.append(frame)
    )
    taken.clear()
    host.control("crasher", "restart")
    wait_until(lambda: len(taken) > 1)
    board.kill()
    board.start()
    wait_for_agent(board)
    host = desk.host(url=url)
    before, losses = generations(host), host.table().losses
    old = [frame for frame in taken if is_order(frame)]
    for frame in old:
        spy.publish("bulkhead/porch/to", frame)
    wait_until(lambda: _refusals(host.table().losses) == _refusals(losses) + len(old))
    assert generations(host) == before
    spy.close()
    board.kill()


def _refusals(losses: Losses) -> int:
    return losses.refused + losses.replayed


def test_a_retained_order_is_refused_at_every_connection(
    micropython: Path, tmp_path: Path
) -> None:
    broker = Mosquitto()
    board = UnixBoard(micropython, tmp_path, port=broker.port)
    wait_for_agent(board)
    url = f"mqtt://127.0.0.1:{broker.port}/garden"
    client = Client(open_network(url), key=KEY, timeout_s=TIMEOUT_S)
    taken: list[bytes] = []
    spy = BrokerLine(
        broker_at(broker.port), ["bulkhead/garden/to"], lambda _, frame: taken.append(frame)
    )
    client.control("crasher", "restart")
    wait_until(lambda: bool(taken))
    spy.publish("bulkhead/garden/to", taken[-1], is_retained=True)
    wait_until(lambda: client.table().losses.replayed == 1)
    before = generations(client)
    serial = Client(board.line, key=KEY, timeout_s=TIMEOUT_S)
    for count in (2, 3):
        serial.control("agent", "restart")
        wait_until(lambda: answers(client))
        wait_until(partial(has_replayed, client, count))
    after = generations(client)
    assert after == {**before, "agent": before["agent"] + 2}
    for one in (spy, client.transport):
        one.close()
    board.kill()
    broker.kill()


def test_a_flood_of_challenges_leaves_sessions_of_other_lines_open_and_the_console_alive(
    desk: Desk,
) -> None:
    desk.serial.call("agent", 4)  # a session is open
    before = generations(desk.serial)
    for number in range(60):
        desk.evil.send(abi.encode(abi.CHALLENGE, number, bytes([number]) * abi.NONCE_BYTES))
    asked = desk.serial.table().losses
    for _ in range(5):
        desk.serial.call("agent", 4)
    assert desk.serial.table().losses == asked  # no session was opened anew
    client = desk.host()
    assert generations(client) == before


def test_a_whole_conversation_that_is_played_again_opens_no_session(desk: Desk) -> None:
    client = desk.host()
    began = len(desk.evil.asked)
    client.control("crasher", "restart")
    spoken = desk.evil.asked[began:]  # challenge, order and all, as they went by
    assert any(is_order(one) for one in spoken)
    asked = desk.host()
    before = generations(asked)
    losses = asked.table().losses
    for one in spoken:
        desk.evil.send(one)
    orders = sum(is_order(one) for one in spoken)
    wait_until(lambda: _refusals(asked.table().losses) >= _refusals(losses) + orders)
    assert generations(asked) == before


def test_what_a_board_has_said_is_no_order_when_it_comes_back(desk: Desk) -> None:
    client = desk.host()
    before = generations(client)["crasher"]
    echoed: list[bytes] = []

    def reflect(answer: bytes) -> list[bytes]:
        if len(echoed) < REFLECTED:  # what it says of that is not thrown back again
            echoed.append(answer)
            desk.evil.send(answer)
        return [answer]

    desk.evil.to_host = reflect
    client.control("crasher", "restart")
    desk.evil.reset()
    assert echoed
    assert generations(client)["crasher"] == before + 1


def test_a_question_that_comes_back_to_its_host_is_no_answer(desk: Desk) -> None:
    client = desk.host()
    before = generations(client)["crasher"]

    def reflect(request: bytes) -> list[bytes]:
        desk.evil.hosts.publish("bulkhead/garden/from", request)
        return [request]

    desk.evil.to_board = reflect
    client.control("crasher", "restart")
    assert client.table().names[0] == "supervisor"
    assert generations(client)["crasher"] == before + 1


# What the broker answers in the board's place


def answer_with(desk: Desk, make: Callable[[Frame], list[bytes]]) -> None:
    """Have each request answered by the broker, and none come to the board."""

    def change(request: bytes) -> list[bytes]:
        decoded = abi.decode(request[1:-1])
        assert decoded is not None
        for one in make(Frame(*decoded)):
            desk.evil.hosts.publish("bulkhead/garden/from", one)
        return []

    desk.evil.to_board = change


def test_a_board_that_is_made_up_without_a_key_convinces_nobody(desk: Desk) -> None:
    gate = abi.Gate(bytes(32), False, b"garden\0")

    def make(request: Frame) -> list[bytes]:
        if request.kind != abi.CHALLENGE:
            return []
        opened = gate.open(request.payload, bytes(16))
        return [abi.encode(abi.CHALLENGE_IS, request.sequence, opened)]

    answer_with(desk, make)
    line = open_network(desk.url)
    with pytest.raises(NotPermitted, match="another key"):
        Client(line, timeout_s=SHORT_S).hello()  # with this user's key
    line.close()


def test_another_board_with_the_same_key_is_not_taken_for_it(desk: Desk) -> None:
    shed_generation = generations(desk.host(url=desk.direct_url.replace("garden", "shed")))

    def reroute(request: bytes) -> list[bytes]:
        desk.evil.boards.publish("bulkhead/shed/to", request)
        return []

    desk.evil.to_board = reroute
    client = desk.host()
    with (
        client.waiting(SHORT_S),
        pytest.raises(NotPermitted, match="another board answers in the place of garden"),
    ):
        client.control("crasher", "restart")
    desk.evil.reset()
    shed = desk.host(url=desk.direct_url.replace("garden", "shed"))
    assert generations(shed) == shed_generation


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (abi.STATUS, bytes([abi.OK])),
        (abi.STATUS, bytes([abi.DENIED]) + bytes(16)),
        (abi.STATUS, bytes([abi.NO_SESSION])),
        (abi.ANSWER, bytes(16) + b"\1\0" + bytes([abi.STATUS, abi.OK])),
        (abi.RESULT, bytes([abi.OK])),
        (abi.TEXT, b"all is well"),
    ],
)
def test_an_answer_that_is_made_up_is_none(desk: Desk, kind: int, payload: bytes) -> None:
    client = desk.host()
    client.hello()  # a session is open
    answer_with(desk, lambda request: [abi.encode(kind, request.sequence, payload)])
    with client.waiting(SHORT_S), pytest.raises(DeviceTimeout, match="is not known"):
        client.control("crasher", "restart")


def test_who_a_board_is_and_what_runs_there_is_not_believed_without_a_mac(desk: Desk) -> None:
    client = desk.host()
    client.hello()
    names = b"9.9.9\0pico\0somebody_elses\0"
    hello = abi.HELLO_STRUCT.pack(abi.ABI, 0, 1, abi.HAS_KEY, abi.key_mark(KEY)) + names
    end = abi.END_STRUCT.pack(0, 1, 0, 0, 0, 0)
    kinds = {abi.HELLO_IS: hello, abi.END: end}
    answer_with(
        desk,
        lambda request: [abi.encode(kind, request.sequence, kinds[kind]) for kind in kinds],
    )
    with client.waiting(SHORT_S), pytest.raises(DeviceTimeout):
        client.hello()
    with client.waiting(SHORT_S), pytest.raises(DeviceTimeout):
        client.table()


def test_an_answer_to_an_earlier_order_is_none_to_a_later_one(desk: Desk) -> None:
    client = desk.host()
    client.control("crasher", "restart")
    recorded = order_of(desk.evil.answered[-1])
    answer_with(desk, lambda request: [abi.encode(abi.ANSWER, request.sequence, recorded)])
    with client.waiting(SHORT_S), pytest.raises(DeviceTimeout, match="is not known"):
        client.control("crasher", "restart")


def test_a_signed_refusal_of_one_order_refuses_no_other(desk: Desk) -> None:
    client = desk.host()
    order = recorded_order(desk, client)
    count = len(desk.evil.answered)
    desk.evil.send(forged(order))
    wait_until(lambda: len(desk.evil.answered) > count)
    refusal = order_of(desk.evil.answered[-1])
    answer_with(desk, lambda request: [abi.encode(abi.STATUS, request.sequence, refusal)])
    with client.waiting(SHORT_S), pytest.raises(DeviceTimeout, match="is not known"):
        client.control("crasher", "restart")


def test_answers_that_are_dropped_doubled_and_late_do_no_harm(desk: Desk) -> None:
    client = desk.host()
    before = generations(client)["crasher"]
    desk.evil.to_host = lambda _answer: []
    with client.waiting(SHORT_S), pytest.raises(DeviceTimeout, match="is not known"):
        client.control("crasher", "restart")
    desk.evil.reset()
    wait_until(lambda: generations(client)["crasher"] == before + 1)  # it was done, once
    desk.evil.to_host = lambda answer: [answer, answer]
    client.control("crasher", "restart")
    assert client.table().names[0] == "supervisor"
    assert generations(client)["crasher"] == before + 2


def test_the_broker_reads_what_is_read_and_the_key_in_none_of_it(desk: Desk) -> None:
    client = desk.host()
    client.table()
    parser = FrameParser()
    seen = parser.feed(b"".join(desk.evil.asked + desk.evil.answered))
    assert any(re.search(b"supervisor", one.payload) for one in seen if isinstance(one, Frame))
    assert not any(KEY[:8] in one.payload for one in seen if isinstance(one, Frame))
