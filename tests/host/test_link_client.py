"""The client: answers are matched, lost ones asked for again, and an injection never doubled."""

import struct
from dataclasses import replace

import pytest
from fake_board import FakeBoard, FakeLine, FakeService

from bulkhead_host import abi
from bulkhead_host.errors import BulkheadError, DeviceTimeout
from bulkhead_host.link.client import Client, NoSuchTarget
from bulkhead_host.link.frames import Frame
from bulkhead_host.link.requests import ATTEMPTS
from bulkhead_host.link.services import Hello, Losses, Table, parse_table
from bulkhead_host.link.updater import UpdateTakenBack, list_code, update_to_itself

RECEIVING = abi.STATE_NAMES.index("receiving")


def client_of(board: FakeBoard, *, piece_size: int = 4096) -> tuple[Client, FakeLine]:
    line = FakeLine(board, piece_size=piece_size)
    return Client(line, first_sequence=1), line


def lose_first(count: int, *, kind: int) -> FakeBoard:
    """Return a board whose first `count` lines of a kind never arrive."""
    left = [count]

    def lose(line: bytes) -> bytes:
        decoded = abi.decode(line[1:-1])
        if left[0] and decoded is not None and decoded[0] == kind:
            left[0] -= 1
            return b""
        return line

    return FakeBoard(lose=lose)


def test_hello_tells_who_answers() -> None:
    client, _ = client_of(FakeBoard())
    assert client.hello() == Hello(
        abi=abi.ABI,
        services=8,
        uptime_ms=5000,
        version="0.1.0",
        board="pico",
        application="demo",
    )


def test_hello_of_another_protocol_is_refused_with_what_to_do() -> None:
    client, _ = client_of(FakeBoard(abi=abi.ABI + 1))
    with pytest.raises(BulkheadError) as caught:
        client.hello()
    assert str(abi.ABI + 1) in caught.value.cause
    assert "bulkhead flash" in caught.value.next_step


@pytest.mark.parametrize("piece_size", [1, 7, 4096])
def test_the_table_has_every_figure_whatever_pieces_it_comes_in(piece_size: int) -> None:
    blink = FakeService(
        name="blink",
        priority=5,
        effective_priority=2,
        state=abi.STATE_NAMES.index("calling"),
        generation=65535,
        fault=abi.FAULT_NAMES.index("BUDGET"),
        restarts=7,
        cpu_us=abi.CPU_US_MODULUS - 1,
        clients=3,
        peer=1,
    )
    board = FakeBoard(services=[FakeService("led", 3), blink])
    client, _ = client_of(board, piece_size=piece_size)
    table = client.table()
    assert table.names == ["led", "blink"]
    assert table.uptime_ms == 5000
    service = table.named("blink")
    assert service is not None
    assert (service.priority, service.effective_priority) == (5, 2)
    assert (service.state, service.fault, service.waits_for) == ("calling", "BUDGET", "led")
    assert (service.generation, service.restarts, service.clients) == (65535, 7, 3)
    assert (service.cpu_us, service.steps) == (abi.CPU_US_MODULUS - 1, 20)
    led = table.named("led")
    assert led is not None
    assert (led.fault, led.waits_for) == (None, None)


def test_what_the_firmware_packs_is_what_the_host_reads() -> None:
    """The layout of firmware/kernel/abi.py, byte by byte: rows of INSPECT, then restarts."""
    rest = struct.pack("<HHIIHHII", 3, 7, 1234, 56, 78, 0, 4096, 1001)
    fixed = bytes([2, 8, 5, 4, 2, 1, 9, 0]) + rest
    row = fixed + b"\x06\x00blink"
    frames = [
        Frame(abi.SERVICE, 1, bytes([1 + len(row)]) + row + bytes([len(row)]) + row[:-1]),
        Frame(abi.END, 1, b"\x02\xe8\x03\x00\x00" + bytes([1, 0, 2, 0, 3, 0, 4, 0])),
    ]
    table = parse_table(frames)
    assert table is not None
    service, last = table.services
    assert last == replace(service, name="blin")
    assert table.uptime_ms == 1000
    assert (service.name, service.state, service.fault) == ("blink", "faulted", "BUDGET")
    assert (service.priority, service.effective_priority, service.clients) == (5, 4, 1)
    assert (service.queue, service.generation, service.cpu_us) == (9, 3, 1234)
    assert (service.steps, service.dropped, service.restarts) == (56, 78, 6)
    assert (service.memory_bytes, service.wait_s, service.safe_since_ms) == (4096, 7, 1000)
    assert table.losses == Losses(damaged=1, refused=2, replayed=3, lost_bytes=4)


def test_a_shortened_row_is_an_error_that_says_what_to_do() -> None:
    rows = {b"\x23" + b"\0" * 9: 10, b"\x0b" + b"\0" * 10: 10, b"\0": 0}
    for row, size in rows.items():
        frames = [Frame(abi.SERVICE, 1, row), Frame(abi.END, 1, b"\x01" + bytes(12))]
        with pytest.raises(BulkheadError, match=f"sent {size} bytes"):
            parse_table(frames)


def test_names_from_the_board_cannot_command_the_terminal() -> None:
    client, _ = client_of(FakeBoard(services=[FakeService("\x1b[2Jx", 1)]))
    assert client.table().names == ["?[2Jx"]


@pytest.mark.parametrize("kind", [abi.SERVICE, abi.END])
@pytest.mark.parametrize("lost", [1, ATTEMPTS - 1])
def test_a_table_with_a_lost_frame_is_asked_for_again(kind: int, lost: int) -> None:
    board = lose_first(lost, kind=kind)
    client, _ = client_of(board)
    assert len(client.table().services) == 8
    assert len(board.requests) == (2 if kind == abi.SERVICE else lost + 1)


def test_a_board_that_never_answers_is_a_timeout_after_all_attempts() -> None:
    board = lose_first(ATTEMPTS, kind=abi.HELLO_IS)
    client, line = client_of(board)
    started_s = line.clock_s()
    with pytest.raises(DeviceTimeout) as caught:
        client.hello()
    assert line.clock_s() - started_s == pytest.approx(6)
    assert len(board.requests) == ATTEMPTS
    assert "mpremote connect /dev/fake reset" in caught.value.next_step


def test_a_damaged_answer_is_counted_and_asked_for_again() -> None:
    board = FakeBoard()
    board.lose = lambda line: line[:5] + b"\x00" + line[6:]
    client, line = client_of(board)
    line.after(1.5, lambda: setattr(board, "lose", lambda line: line))
    assert client.hello().board == "pico"
    assert client.damaged_frames == 1


def test_a_late_answer_is_taken() -> None:
    """The second attempt is under way when the first one's answer comes."""
    board = FakeBoard(is_deaf=True)
    client, line = client_of(board)
    late = FakeBoard().take(abi.encode(abi.HELLO, 1, b""))
    line.after(3, late)
    assert client.hello().application == "demo"
    assert line.clock_s() == pytest.approx(103)


def test_an_answer_to_somebody_elses_request_is_ignored() -> None:
    board = FakeBoard()
    client, line = client_of(board)
    line.say(FakeBoard(services=[]).table(200))
    assert len(client.table().services) == 8


def test_sequence_numbers_wrap_around() -> None:
    board = FakeBoard()
    client = Client(FakeLine(board), first_sequence=254)
    for _ in range(4):
        client.hello()
    assert [frame.sequence for frame in board.requests] == [254, 255, 0, 1]


def test_a_board_at_its_repl_is_known_by_a_second_echo_and_not_asked_again() -> None:
    board = FakeBoard(is_at_repl=True)
    client, line = client_of(board)
    with pytest.raises(DeviceTimeout, match="REPL"):
        client.hello()
    assert line.clock_s() == pytest.approx(104)


def test_a_prompt_that_is_left_as_it_is_asked_is_no_error() -> None:
    board = FakeBoard(is_at_repl=True)
    client, line = client_of(board)
    line.after(1, lambda: setattr(board, "is_at_repl", False))
    assert client.hello().application == "demo"


def test_inject_names_the_kind_and_the_service() -> None:
    board = FakeBoard()
    client, _ = client_of(board)
    client.inject("led", "drop-reply")
    assert board.injections == [("led", "drop-reply")]


def test_inject_is_sent_once_even_when_its_answer_is_lost() -> None:
    board = lose_first(1, kind=abi.ANSWER)
    client, _ = client_of(board)
    with pytest.raises(DeviceTimeout, match="not known") as caught:
        client.inject("blink", "crash")
    assert board.injections == [("blink", "crash")]
    assert "bulkhead ps" in caught.value.next_step


def test_inject_into_an_unknown_service_is_refused() -> None:
    client, _ = client_of(FakeBoard())
    with pytest.raises(NoSuchTarget, match="UNKNOWN"):
        client.inject("nobody", "crash")


def test_fault_text_comes_as_the_board_says_it() -> None:
    client, _ = client_of(FakeBoard())
    assert client.fault_text("blink") == "Traceback of blink\n"
    with pytest.raises(NoSuchTarget):
        client.fault_text("nobody")


def test_fault_text_is_free_of_control_characters() -> None:
    client, _ = client_of(FakeBoard(tracebacks={"blink": "\x1b]0;x\x07\ta\x9b2J\nVal\u00fc\n"}))
    assert client.fault_text("blink") == "?]0;x?\ta?2J\nVal\u00fc\n"


class Answering(Client):
    """A client of an updater that says the same to all."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def update(self, _operation: int, _data: bytes = b"", *, attempts: int = 0) -> bytes:
        return self._answer


@pytest.mark.parametrize("answer", [b"", b"1 abc", b"x abc a -", b"\xff\xfe 1 a -", b"1 abc a b"])
def test_an_answer_on_code_that_makes_no_sense_is_refused(answer: bytes) -> None:
    with pytest.raises(BulkheadError, match="the code of blink makes no sense"):
        list_code(Answering(answer), ["blink"])


def test_an_answer_on_code_is_free_of_control_characters() -> None:
    (listed,) = list_code(Answering(b"3 a\x1bb a 2"), ["updater", "blink"])
    assert (listed.name, listed.version, listed.code, listed.before) == ("blink", 3, "a?b", 2)


@pytest.mark.parametrize(
    ("reason", "named"), [("blink did not start: OSError", "blink"), ("no room", "SERVICE")]
)
def test_an_update_that_is_taken_back_names_the_service_to_look_at(
    reason: str, named: str
) -> None:
    class Failing(FakeBoard):
        """Its updater takes all back."""

        def _update(self, frame: Frame) -> bytes:
            failed = abi.UPDATE_STATE_STRUCT.pack(abi.UPDATE_PHASES.index("failed"), 0)
            data = failed + reason.encode() if frame.payload[0] == abi.UPDATE_STATE else b""
            return self._line(abi.TEXT, frame.sequence, data)

    client = Client(FakeLine(Failing()), key=bytes(32))
    with pytest.raises(UpdateTakenBack) as caught:
        update_to_itself(client, ["blink"])
    assert caught.value.next_step == f"bulkhead fault {named} shows a traceback"


def test_output_between_frames_goes_to_the_callback_in_order() -> None:
    lines: list[str] = []
    board = FakeBoard()
    line = FakeLine(board)
    client = Client(line, on_output=lines.append)
    line.say(b"  1.000 I led: on\r\n  2.000 I led: ")
    client.hello()
    line.say(b"off\r\n")
    client.listen(0.1)
    assert lines == ["  1.000 I led: on", "  2.000 I led: off"]


def test_watch_yields_a_table_now_and_every_interval() -> None:
    board = FakeBoard()
    client, line = client_of(board)
    tables = list(client.watch(interval_ms=500, until_s=line.clock_s() + 2.2))
    assert [table and table.uptime_ms for table in tables] == [5000, 5500, 6000, 6500, 7000]


def test_watch_is_renewed_before_it_runs_out_on_the_board() -> None:
    board = FakeBoard()
    client, line = client_of(board)
    for _ in client.watch(interval_ms=1000, until_s=line.clock_s() + 12):
        pass
    renewals = [frame.payload for frame in board.requests if frame.kind == abi.WATCH]
    interval_ms, lease_ms = abi.WATCH_STRUCT.unpack(renewals[0])
    assert (interval_ms, lease_ms) == (1000, 5000)
    assert len(renewals) == 5
    assert len(set(frame.sequence for frame in board.requests)) == 1


def test_watch_goes_on_while_other_requests_are_made() -> None:
    board = FakeBoard()
    client, line = client_of(board)
    seen = []
    for table in client.watch(interval_ms=500, until_s=line.clock_s() + 1.2):
        assert table is not None
        seen.append(table.uptime_ms)
        assert client.fault_text("led") == "Traceback of led\n"
    assert seen == [5000, 5500, 6000]


def test_watch_yields_none_when_the_board_falls_silent_and_goes_on_when_it_is_back() -> None:
    board = FakeBoard()
    client, line = client_of(board)
    line.after(1.2, lambda: setattr(board, "is_deaf", True))
    line.after(7.0, lambda: setattr(board, "is_deaf", False))
    tables = list(client.watch(interval_ms=500, until_s=line.clock_s() + 9))
    gap = tables.index(None)
    assert gap == 3
    assert isinstance(tables[-1], Table)


def test_a_watched_table_with_a_lost_frame_is_left_out() -> None:
    board = lose_first(1, kind=abi.SERVICE)
    client, line = client_of(board)
    tables = list(client.watch(interval_ms=500, until_s=line.clock_s() + 1.2))
    assert [table and table.uptime_ms for table in tables] == [5500, 6000]


def test_tables_compare_by_value() -> None:
    board = FakeBoard()
    client, _ = client_of(board)
    first = client.table()
    assert client.table() == first
    assert replace(first, uptime_ms=0) != first


def test_long_fault_text_comes_whole_in_pieces() -> None:
    text = "".join(f"line {number}\n" for number in range(120))
    client, _ = client_of(FakeBoard(tracebacks={"blink": text}))
    assert client.fault_text("blink") == text


def test_fault_record_tells_what_and_for_whom() -> None:
    running = abi.STATE_NAMES.index("running")
    client, _ = client_of(FakeBoard(faults={"led": (4, 1, running, 3, 7, 0, 2, 1500)}))
    found = client.fault("led")
    assert (found.state, found.operation, found.client) == ("running", 3, 7)
    assert (found.generation, found.uptime_ms) == (2, 1500)
    with pytest.raises(NoSuchTarget):
        client.fault("blink")
