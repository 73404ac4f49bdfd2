"""Sessions of the link: only who has the device key changes a board, and no frame counts twice."""

import hashlib
import hmac
import json

import pytest
from desk import Desk, bulkhead
from fake_board import FakeBoard, FakeLine

from bulkhead_host import abi
from bulkhead_host.errors import NotPermitted
from bulkhead_host.link.client import Client, NoSuchTarget
from bulkhead_host.link.key import device_key, key_file

KEY = bytes(range(32))
OTHER = bytes(32 * [7])
NONCE = bytes(range(16))
ORDER = bytes([abi.INJECT, 1]) + b"led"


def opened(key: bytes = KEY, **options: bool) -> tuple[abi.Gate, abi.Session]:
    gate = abi.Gate(KEY, **options)
    name, access, mark, nonce, _ = abi.CHALLENGE_STRUCT.unpack(gate.open(NONCE, NONCE[::-1]))
    assert (access & abi.HAS_KEY, mark) == (abi.HAS_KEY, abi.key_mark(KEY))
    return gate, abi.Session(key, name, NONCE, nonce)


def client_of(board: FakeBoard, key: bytes | None = KEY) -> tuple[Client, FakeLine]:
    line = FakeLine(board)
    return Client(line, first_sequence=1, key=key), line


def test_the_hash_is_hmac_sha256() -> None:
    """RFC 2104, as Python's own module does it."""
    session = abi.Session(KEY, 3, NONCE, NONCE)
    assert session.key == hmac.digest(KEY, NONCE + NONCE, hashlib.sha256)
    whole = hmac.digest(session.key, b"\x03\x01\x00\x00\x00" + ORDER, hashlib.sha256)
    assert session.order(ORDER) == b"\x03\x01\x00\x00\x00" + whole[:16] + ORDER


def test_an_order_of_a_session_is_admitted_once() -> None:
    gate, session = opened()
    first, second = session.order(ORDER), session.order(ORDER)
    assert gate.admit(first) == ORDER
    assert gate.admit(second) == ORDER
    assert gate.admit(first) == gate.admit(second) == abi.REPLAYED
    assert (gate.refused, gate.replayed) == (0, 2)


def test_a_lost_order_does_not_stop_the_next_but_is_too_late_after_it() -> None:
    gate, session = opened()
    lost, next_one = session.order(ORDER), session.order(ORDER)
    assert gate.admit(next_one) == ORDER
    assert gate.admit(lost) == abi.REPLAYED


def test_every_changed_bit_of_an_order_is_refused() -> None:
    gate, session = opened()
    order = session.order(ORDER)
    for bit in range(8, 8 * len(order)):  # the first byte names the session
        changed = bytearray(order)
        changed[bit // 8] ^= 1 << bit % 8
        assert gate.admit(bytes(changed)) == abi.DENIED
    assert gate.refused == 8 * len(order) - 8
    assert gate.admit(order) == ORDER


def test_an_order_cut_off_anywhere_is_refused() -> None:
    gate, session = opened()
    order = session.order(ORDER)
    assert all(gate.admit(order[:length]) == abi.DENIED for length in range(len(order)))
    assert gate.admit(order) == ORDER


def test_an_order_of_an_earlier_session_is_refused() -> None:
    gate, old = opened()
    for number in range(4):
        gate.open(NONCE, bytes([number]) + NONCE[1:])
    assert gate.admit(old.order(ORDER)) == abi.NO_SESSION
    assert gate.replayed == 1


def test_four_hosts_have_sessions_at_once() -> None:
    gate, first = opened()
    for number in range(3):
        gate.open(NONCE, bytes([number]) + NONCE[1:])
    assert gate.admit(first.order(ORDER)) == ORDER


def test_an_order_recorded_before_a_reset_is_refused_after_it() -> None:
    """Session names begin anew, so it is the nonce that tells."""
    gate, session = opened()
    order = session.order(ORDER)
    assert gate.admit(order) == ORDER
    again = abi.Gate(KEY)
    again.open(NONCE, bytes(16))
    assert again.admit(order) == abi.DENIED


def test_an_order_recorded_on_a_board_is_refused_by_another_with_its_key_and_nonces() -> None:
    gates = [abi.Gate(KEY, board=board) for board in (b"board a", b"board b")]
    opened_by = [gate.open(NONCE, NONCE) for gate in gates]
    ids = [payload[abi.CHALLENGE_STRUCT.size :] for payload in opened_by]
    assert ids == [b"board a", b"board b"]
    order = abi.Session(KEY, 1, NONCE, NONCE, ids[0]).order(ORDER)
    assert gates[1].admit(order) == abi.DENIED
    assert gates[0].admit(order) == ORDER


def test_an_answer_counts_once_and_for_its_own_order() -> None:
    gate, session = opened()
    gate.admit(session.order(ORDER))
    first, second = gate.answers.sealed(b"one"), gate.answers.sealed(b"two")
    answers = abi.Answers(session, session.number)
    assert abi.Answers(session, session.number + 1).opened(first) is None
    assert [answers.opened(payload) for payload in (first, first, second)] == [
        b"one",
        None,
        b"two",
    ]
    for bit in range(8 * len(second)):
        changed = bytearray(gate.answers.sealed(b"three"))
        changed[bit // 8] ^= 1 << bit % 8
        assert answers.opened(bytes(changed)) is None
    assert answers.opened(b"") is None


def test_an_answer_is_no_order() -> None:
    gate, session = opened()
    gate.admit(session.order(ORDER))
    answer = gate.answers.sealed(ORDER)
    assert gate.admit(answer) in (abi.NO_SESSION, abi.DENIED)


def test_another_key_opens_nothing() -> None:
    gate, session = opened(OTHER)
    assert gate.admit(session.order(ORDER)) == abi.DENIED
    assert gate.refused == 1


# The client, against a board


def test_a_request_that_changes_something_goes_out_as_an_order() -> None:
    board = FakeBoard(key=KEY)
    client, _ = client_of(board)
    client.inject("led", "crash")
    client.control("blink", "hold")
    assert [frame.kind for frame in board.requests] == [abi.CHALLENGE, abi.ORDER, abi.ORDER]
    assert board.injections == [("led", "crash")]
    assert board.controls == [("blink", "hold")]


def test_a_board_that_forgot_its_sessions_is_challenged_again_and_obeys_once() -> None:
    board = FakeBoard(key=KEY)
    client, _ = client_of(board)
    client.inject("led", "crash")
    board.restart()
    client.inject("led", "crash")
    assert len(board.injections) == 2


def test_a_board_with_another_key_says_so_and_does_nothing() -> None:
    board = FakeBoard(key=OTHER)
    client, _ = client_of(board)
    with pytest.raises(NotPermitted) as caught:
        client.inject("led", "crash")
    assert caught.value.exit_code == 4
    assert abi.key_mark(OTHER).hex() in caught.value.cause
    assert "BULKHEAD_KEY" in caught.value.next_step
    assert not board.injections
    assert client.table().names


def test_a_board_without_a_key_obeys_everybody() -> None:
    board = FakeBoard()
    client, _ = client_of(board, key=None)
    assert client.hello().key_mark == ""
    client.inject("led", "crash")
    assert board.injections == [("led", "crash")]


def test_a_bare_request_that_changes_something_is_refused() -> None:
    board = FakeBoard()
    answer = abi.decode(board.take(abi.encode(abi.INJECT, 9, b"\x01led"))[1:-1])
    assert answer == (abi.STATUS, 9, bytes([abi.NO_SESSION]))
    assert not board.injections


def test_reading_a_closed_board_takes_the_key() -> None:
    client, _ = client_of(FakeBoard(key=KEY, is_closed=True))
    assert client.hello().reading_is_closed
    assert len(client.table().names) == 8
    assert client.fault_text("led")
    stranger, _ = client_of(FakeBoard(key=KEY, is_closed=True), OTHER)
    assert stranger.hello().application == "demo"
    with pytest.raises(NotPermitted):
        stranger.table()


def test_watching_a_closed_board_takes_the_key() -> None:
    client, line = client_of(FakeBoard(key=KEY, is_closed=True))
    tables = list(client.watch(interval_ms=500, until_s=line.clock_s() + 1.2))
    assert [table and table.uptime_ms for table in tables] == [5000, 5500, 6000]


def forging(board: FakeBoard, kind: int, payload: bytes) -> None:
    """Have something on the board's line answer whatever is asked, before the board does."""
    take = board.take

    def forged(data: bytes) -> bytes:
        return b"".join(abi.encode(kind, n, payload) for n in range(256)) + take(data)

    board.take = forged  # type: ignore[method-assign]


@pytest.mark.parametrize("status", (abi.OK, abi.UNKNOWN, abi.NO_SESSION, abi.DENIED, abi.REPLAYED))
def test_a_forged_status_answers_no_order(status: int) -> None:
    board = FakeBoard(key=KEY)
    client, _ = client_of(board)
    client.control("led", "restart")
    forging(board, abi.STATUS, bytes([status]) + bytes(16))
    board.services[3].state = abi.STATE_NAMES.index("faulted")
    with pytest.raises(NoSuchTarget, match="UNKNOWN"):
        client.inject("led", "crash")
    client.inject("blink", "crash")
    assert board.injections == [("blink", "crash")]


@pytest.mark.parametrize("mark", (abi.key_mark(KEY), abi.key_mark(OTHER)))
def test_a_forged_opening_opens_nothing(mark: bytes) -> None:
    board = FakeBoard(key=KEY)
    client, _ = client_of(board)
    forging(board, abi.CHALLENGE_IS, abi.CHALLENGE_STRUCT.pack(1, 1, mark, NONCE, NONCE))
    client.inject("led", "crash")
    assert board.injections == [("led", "crash")]


def test_a_recorded_answer_answers_no_later_order() -> None:
    board = FakeBoard(key=KEY)
    client, _ = client_of(board)
    said: list[bytes] = []
    take = board.take
    board.take = lambda data: said.append(take(data)) or said[-1]  # type: ignore[func-returns-value,method-assign]
    client.inject("led", "crash")
    answer = abi.decode(said[-1][1:-1])
    assert answer is not None
    board.take = take  # type: ignore[method-assign]
    forging(board, answer[0], answer[2])
    with pytest.raises(NoSuchTarget):
        client.inject("nobody", "crash")


# The commands


def test_commands_use_the_users_key_and_name_the_file_when_it_is_another(desk: Desk) -> None:
    desk.board.key = OTHER
    desk.board.restart()
    done = bulkhead("inject", "crash", "--target", "led", port=desk.port)
    assert done.returncode == 4
    assert "this board has another key" in done.stderr
    assert str(key_file()) in done.stderr
    assert bulkhead("ps", port=desk.port).returncode == 0
    desk.board.key = device_key()
    desk.board.restart()
    assert bulkhead("inject", "crash", "--target", "led", port=desk.port).returncode == 0


def test_devs_says_whose_key_a_board_has(desk: Desk) -> None:
    def access() -> object:
        done = bulkhead("devs", "--json", desk.port)
        (found,) = json.loads(done.stdout)
        assert found["losses"]["damaged"] == 0
        return found["access"]

    assert access() == "open"
    desk.board.key = OTHER
    desk.board.restart()
    assert access() == "another key"
    desk.board.key = device_key()
    desk.board.restart()
    assert access() == "your key"
