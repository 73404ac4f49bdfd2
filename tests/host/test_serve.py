"""Several tools on one board: who gets what, what is lost, and what a reset does to them."""

import json
import select
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from desk import PROGRAM, WAIT_S, Desk, bulkhead
from fake_board import FakeBoard, FakeLine, served
from processes import started

from bulkhead_host import abi
from bulkhead_host.link.client import Client
from bulkhead_host.link.door import parse_door
from bulkhead_host.link.frames import Frame, FrameParser, Output
from bulkhead_host.link.hall import TOKEN_S, WAITING_MAX, Hall
from bulkhead_host.link.ports import open_port
from bulkhead_host.link.share import BACKLOG_BYTES_MAX, TYPING_S, Guest, Share, Splitter
from bulkhead_host.link.share_server import GUESTS_MAX, ShareServer

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
def serving(port: str, *options: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    with started([PROGRAM, "serve", "--port", port, *options]) as server:
        assert server.stdout is not None
        yield server.stdout.readline().strip(), server
        server.send_signal(signal.SIGINT)
        assert server.wait(WAIT_S) == 0


def test_tools_use_one_board_at_the_same_time(desk: Desk) -> None:
    with serving(desk.port) as (url, _):
        assert url.startswith("serve://")
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


def test_the_typist_has_gone_is_told_once(share: Share) -> None:
    one, other, third = share.join("one"), share.join("other"), share.join("third")
    share.from_guest(other, HELLO)
    share.from_guest(one, b"\x03")
    share.from_guest(third, b"\x03")
    assert [share.leave(guest) for guest in (other, one, third)] == [False, False, True]


def test_a_prompt_is_left_when_who_typed_has_gone() -> None:
    class Line(FakeLine):
        """Its clock goes on while it is closed."""

        def clock_s(self) -> float:
            return time.monotonic()

    lines: list[Line] = []

    def connect() -> Line:
        lines.append(Line(FakeBoard()))
        return lines[-1]

    server = ShareServer(connect, reconnect=connect)
    thread = threading.Thread(target=server.run)
    thread.start()
    asking, typing = open_port(server.door.url), open_port(server.door.url)
    assert Client(asking).hello().application == "demo"
    typing.write(b"\r\x03")
    assert Client(asking).hello().application == "demo"
    assert len(lines) == 1
    typing.close()
    while len(lines) == 1:  # its port is closed and opened again
        Client(asking, timeout_s=0.1).listen(0.05)
    assert lines[0].is_closed
    assert Client(asking).hello().application == "demo"
    asking.close()
    server.stop()
    thread.join(WAIT_S)


# Who is let in


BODY = b"\x03\rprint(1)\r" + HELLO
HTTP = b"POST / HTTP/1.1\r\nOrigin: http://x\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY


def reached(url: str, sent: bytes) -> bytes:
    """Send something to a server without a token; return what it says until it hangs up."""
    with parse_door(url).connect() as connection, suppress(ConnectionError):
        connection.sendall(sent)
        heard = b""
        while data := connection.recv(100):
            heard += data
        return heard
    return b""


def is_hung_up(connection: socket.socket) -> bool:
    with suppress(ConnectionError):
        return connection.recv(1) == b""
    return True


@pytest.mark.parametrize("listen", [[], ["--listen", "0"]])
@pytest.mark.parametrize("sent", [HTTP, b"\n" + BODY, BODY + b"\n", b"x" * 1000, b"\xff\n"])
def test_who_shows_no_token_reaches_nothing(desk: Desk, listen: list[str], sent: bytes) -> None:
    with serving(desk.port, *listen) as (url, _):
        assert reached(url, sent) == b""
        assert bulkhead("ps", port=url).returncode == 0
    assert b"print" not in desk.board.received
    hellos = [frame for frame in desk.board.requests if frame.kind == abi.HELLO]
    assert len(hellos) == 1  # of the one who was let in


def test_a_wrong_token_exits_4_and_nobody_can_read_it(desk: Desk) -> None:
    with serving(desk.port) as (url, _):
        token, _, place = url.removeprefix("serve://").partition("@")
        cases = (("hush", "serve"), (token[:-1], "serve"), (token + "x", "SERVE"))
        for wrong, scheme in cases:
            done = bulkhead("ps", port=f"{scheme}://{wrong}@{place}")
            assert (done.returncode, done.stdout) == (4, "")
            assert f"{wrong}@" not in done.stderr


def test_a_socket_is_for_this_user_alone_and_goes_with_its_server(desk: Desk) -> None:
    with serving(desk.port) as (url, _):
        path = Path(parse_door(url).path)
        assert path.stat().st_mode & 0o077 == 0
        assert path.parent.stat().st_mode & 0o077 == 0
    assert not path.parent.exists()


def test_a_socket_that_nobody_serves_gives_way(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "board"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with serving(desk.port, "--listen", str(path)) as (url, _):
        assert bulkhead("ps", port=url).returncode == 0
        assert bulkhead("serve", "--listen", str(path), port=desk.port).returncode == 4
    assert not path.exists()


def test_thousands_of_connections_change_nothing_for_the_tools(desk: Desk) -> None:
    with serving(desk.port, "--listen", "0") as (url, _), ExitStack() as held:
        door = parse_door(url)
        line = open_port(url)
        for _ in range(10):
            for _ in range(20):
                held.enter_context(door.connect())
            for _ in range(200):
                door.connect().close()
            assert len(Client(line).table().names) == 8
        assert bulkhead("ps", port=url).returncode == 0
        line.close()


def test_a_token_has_to_come_in_time_and_the_oldest_gives_way(clock: Clock) -> None:
    reports: list[str] = []
    hall = Hall(reports.append, clock_s=clock)
    with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as held:
        listener.setblocking(False)

        def knock(sent: bytes) -> socket.socket:
            caller = held.enter_context(socket.create_connection(listener.getsockname()))
            caller.sendall(sent)
            while not select.select([listener], [], [], 0)[0]:
                pass
            hall.open_to(listener)
            return caller

        slow = knock(b"tok")
        clock.now_s += TOKEN_S
        assert list(hall.let_in("token")) == []
        slow.sendall(b"e")
        clock.now_s += 0.01
        assert list(hall.let_in("token")) == []
        assert is_hung_up(slow)
        first = knock(b"to")
        for _ in range(WAITING_MAX):
            knock(b"t")
        assert is_hung_up(first)
        assert len(hall.waiting) == WAITING_MAX
        knock(b"token\nmore")
        while not (found := list(hall.let_in("token"))):
            pass
        assert [sent for _, sent in found] == [b"more"]
        held.enter_context(found[0][0])
        hall.close()
    assert reports[0] == "turned away who showed no token: 1 so far"


def test_more_tools_than_there_may_be_are_told(desk: Desk) -> None:
    with serving(desk.port) as (url, _), ExitStack() as held:
        for _ in range(GUESTS_MAX):
            held.callback(open_port(url).close)
        done = bulkhead("ps", port=url)
        assert done.returncode == 4
        assert "is in use" in done.stderr


@pytest.mark.parametrize(
    "url", ["serve://", "serve://x", "serve://x:1", "serve://t@", "serve://t@x"]
)
def test_a_url_without_token_or_place_is_refused(url: str) -> None:
    done = bulkhead("ps", port=url)
    assert (done.returncode, done.stdout) == (2, "")
    assert "give the URL that bulkhead serve has printed" in done.stderr


def test_an_address_that_cannot_be_served_exits_2(desk: Desk) -> None:
    done = bulkhead("serve", "--listen", "nonsense", port=desk.port)
    assert done.returncode == 2


def test_a_tcp_port_in_use_exits_4(desk: Desk) -> None:
    with serving(desk.port, "--listen", "0") as (url, _), served(FakeBoard()) as other:
        for listen in (url.partition("@")[2], "/dev/null/board"):
            done = bulkhead("serve", "--listen", listen, port=other)
            assert (done.returncode, done.stdout) == (4, ""), listen
