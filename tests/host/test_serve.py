"""Several tools on one board: who gets what, what is lost, and what a reset does to them."""

import json
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from desk import PROGRAM, WAIT_S, Desk, bulkhead
from fake_board import FakeBoard, served
from processes import started

from bulkhead_host import abi
from bulkhead_host.link.client import Client
from bulkhead_host.link.frames import Frame, FrameParser, Output
from bulkhead_host.link.ports import open_port
from bulkhead_host.link.share import BACKLOG_BYTES_MAX, TYPING_S, Guest, Share, Splitter

HELLO = abi.encode(abi.HELLO, 7, b"")


class Clock:
    """A clock that a test moves."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def share(clock: Clock) -> Share:
    return Share(clock)


def frames(data: bytes | bytearray) -> list[Frame]:
    return [item for item in FrameParser().feed(bytes(data)) if isinstance(item, Frame)]


def take(guest: Guest) -> bytes:
    data = bytes(guest.outbox)
    guest.outbox.clear()
    return data


# Splitting


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_a_stream_is_parted_wherever_it_is_cut(size: int) -> None:
    stream = b">>> a\x1eb\r\n" + HELLO + b"\x1e" + HELLO + b"x\x1enot a frame\n" + HELLO[:-5]
    splitter = Splitter()
    found: list[Frame | bytes] = []
    for start in range(0, len(stream), size):
        found += splitter.feed(stream[start : start + size])
    assert [item for item in found if isinstance(item, Frame)] == frames(HELLO) * 2
    other = b"".join(item for item in found if isinstance(item, bytes))
    assert other == b">>> a\x1eb\r\n\x1ex\x1enot a frame\n"


def test_what_only_looks_like_a_frame_passes_unchanged() -> None:
    endless = b"\x1e" + b"A" * 2000
    assert b"".join(one for one in Splitter().feed(endless) if isinstance(one, bytes)) == endless


# Sharing


def test_an_answer_goes_to_who_asked_under_its_own_number(share: Share) -> None:
    one, other = share.join("one"), share.join("other")
    asked = frames(share.from_guest(one, HELLO)) + frames(share.from_guest(other, HELLO))
    assert len({frame.sequence for frame in asked}) == 2
    share.from_board(abi.encode(abi.HELLO_IS, asked[1].sequence, b"x"))
    assert take(one) == b""
    assert frames(take(other)) == [Frame(abi.HELLO_IS, 7, b"x")]


def test_output_goes_to_everybody_at_once(share: Share) -> None:
    guests = [share.join("one"), share.join("other")]
    share.from_board(b">>> ")
    assert [take(guest) for guest in guests] == [b">>> "] * 2


def test_a_guest_that_left_gets_no_answer_and_harms_nobody(share: Share) -> None:
    one = share.join("one")
    (asked,) = frames(share.from_guest(one, HELLO))
    share.leave(one)
    share.from_board(abi.encode(abi.HELLO_IS, asked.sequence, b"x"))
    assert take(one) == b""


def test_watches_are_one_on_the_board_and_each_keeps_its_interval(
    share: Share, clock: Clock
) -> None:
    fast, slow = share.join("fast"), share.join("slow")
    for guest, interval_ms in ((fast, 100), (slow, 1000)):
        payload = abi.WATCH_STRUCT.pack(interval_ms, 5000)
        assert share.from_guest(guest, abi.encode(abi.WATCH, 9, payload)) == b""
    (wish,) = frames(share.due())
    assert abi.WATCH_STRUCT.unpack(wish.payload)[0] == 100
    assert share.due() == b""
    board = FakeBoard()
    for _ in range(20):
        share.from_board(board.table(wish.sequence))
        clock.now_s += 0.1
    ends = [[one for one in frames(take(guest)) if one.kind == abi.END] for guest in (fast, slow)]
    assert [len(one) for one in ends] == [20, 2]
    assert {frame.sequence for one in ends for frame in one} == {9}
    clock.now_s += 5
    share.from_board(board.table(wish.sequence))
    assert (share.due(), take(fast), take(slow)) == (b"", b"", b"")


def test_a_guest_that_does_not_read_loses_and_is_told_how_much(share: Share) -> None:
    slow, quick = share.join("slow"), share.join("quick")
    piece = b"x" * 1024
    for _ in range(BACKLOG_BYTES_MAX // 1024 + 3):
        share.from_board(piece)
        assert take(quick) == piece
    assert (slow.lost_bytes, slow.losses, len(slow.outbox)) == (3072, 3, BACKLOG_BYTES_MAX)
    assert "3072 lost in 3 pieces" in str(slow)
    assert quick.lost_bytes == 0


def test_who_types_has_the_line_alone_for_a_while(share: Share, clock: Clock) -> None:
    one, other = share.join("one"), share.join("other")
    share.from_guest(other, HELLO)
    assert share.typist is None
    assert share.from_guest(one, b"print(1)\r") == b"print(1)\r"
    assert share.typist is one
    clock.now_s += TYPING_S
    assert share.typist is None


# The program


@contextmanager
def serving(port: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    with started([PROGRAM, "serve", "--port", port]) as server:
        assert server.stdout is not None
        yield server.stdout.readline().strip(), server
        server.send_signal(signal.SIGINT)
        assert server.wait(WAIT_S) == 0


def test_tools_use_one_board_at_the_same_time(desk: Desk) -> None:
    with serving(desk.port) as (url, _):
        assert url.startswith("socket://127.0.0.1:")
        watch = [PROGRAM, "monitor", "--interval-ms", "100", "--port", url]
        with started(watch) as one, started(watch) as other:
            for watching in (one, other):
                assert watching.stdout is not None
                assert any("NAME" in line for line in watching.stdout)
            with ThreadPoolExecutor(3) as pool:
                asked = [pool.submit(bulkhead, "ps", "--json", port=url) for _ in range(3)]
            tables = [json.loads(done.result().stdout) for done in asked]
            assert [len(table["services"]) for table in tables] == [8, 8, 8]
            desk.board.services[6].generation = 2
            for watching in (one, other):
                assert watching.stdout is not None
                assert any("blink: generation 1 -> 2" in line for line in watching.stdout)


def test_a_board_that_comes_back_has_its_tools_still(tmp_path: Path) -> None:
    link = tmp_path / "port"
    with served(FakeBoard()) as port:
        link.symlink_to(port)
        context = serving(str(link))
        url, server = context.__enter__()
        line = open_port(url)
        client = Client(line)
        assert client.hello().application == "demo"
        link.unlink()
    assert server.stderr is not None
    assert any("waiting for it" in text for text in server.stderr)
    with served(FakeBoard(uptime_ms=7)) as port:
        link.symlink_to(port)
        assert any("is back" in text for text in server.stderr)
        assert client.hello().uptime_ms == 7
        line.close()
        context.__exit__(None, None, None)


def test_output_reaches_a_tool_through_the_server(desk: Desk) -> None:
    desk.board.chatter = b"    1.000 I blink: hello\r\n"
    with serving(desk.port) as (url, _):
        lines = list[str]()
        line = open_port(url)
        client = Client(line, on_output=lines.append)
        while len(lines) < 3:
            client.listen(0.1)
        line.close()
    assert Output(lines[1]).text == "    1.000 I blink: hello"


def test_an_address_that_cannot_be_served_exits_2(desk: Desk) -> None:
    done = bulkhead("serve", "--listen", "nonsense", port=desk.port)
    assert done.returncode == 2


def test_a_tcp_port_in_use_exits_4(desk: Desk) -> None:
    with serving(desk.port) as (url, _), served(FakeBoard()) as other:
        done = bulkhead("serve", "--listen", url.removeprefix("socket://"), port=other)
        assert done.returncode == 4
