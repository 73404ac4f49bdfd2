"""A board slower than real time: what is waited for goes by its own clock."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from fake_board import FakeBoard, FakeLine

from bulkhead_host import abi
from bulkhead_host.errors import DeviceTimeout, NotPermitted
from bulkhead_host.link.client import Client
from bulkhead_host.link.follow import follow
from bulkhead_host.link.frames import Frame
from bulkhead_host.link.pace import SLOWEST, Pace
from bulkhead_host.link.services import Hello, Table
from bulkhead_host.link.trace import collect
from bulkhead_host.link.updater import KEPT, take_back

SHARE = 0.2  # of real time


class SlowLine(FakeLine):
    """A line whose board gets a share of the time, and takes `delay_s` of it for an answer."""

    def __init__(self, board: FakeBoard, *, share: float = SHARE) -> None:
        super().__init__(board, share=share)
        self.share = share
        self.delay_s = 0.0

    def write(self, data: bytes) -> None:
        if self.delay_s:
            self.after(self.delay_s / self.share, self.board.take(data))
        else:
            super().write(data)


@dataclass
class Seen:
    """A viewer that keeps what it is told, and does something at some tables."""

    at_table: dict[int, Callable[[], None]] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    boards: int = 0
    tables: int = 0

    def show_board(self, hello: Hello) -> None:
        self.boards += 1

    def show_table(self, table: Table) -> None:
        self.tables += 1
        self.at_table.get(self.tables, lambda: None)()

    def show_line(self, line: str) -> None:
        pass

    def show_notice(self, text: str) -> None:
        self.notices.append(text)


@pytest.mark.parametrize("share", [0.9, 0.5, 0.1])
def test_a_slow_board_has_not_restarted_when_it_was_silent(share: float) -> None:
    line = SlowLine(FakeBoard(), share=share)
    seen = Seen(at_table={2: lambda: line.pass_time(8), 4: lambda: line.pass_time(30)})
    follow(lambda: line, seen, interval_ms=500, for_s=60)
    assert seen.tables > 4
    assert "the board has restarted" not in seen.notices
    assert seen.boards == 1


def test_a_slow_board_that_was_reset_in_a_silence_is_told() -> None:
    board = FakeBoard(uptime_ms=300)
    line = SlowLine(board)

    def reset() -> None:
        line.pass_time(20)  # of which the board was up for 4 s, had it gone on
        board.uptime_ms = 1500

    seen = Seen(at_table={2: reset})
    follow(lambda: line, seen, interval_ms=500, for_s=60)
    assert seen.notices.count("the board has restarted") == 1


def test_a_board_that_is_slow_to_answer_is_shown_however_short_the_time() -> None:
    line = SlowLine(FakeBoard())
    line.delay_s = 0.3  # by the board's clock: 1.5 s by the line's
    seen = Seen()
    follow(lambda: line, seen, interval_ms=500, for_s=0.5)
    assert (seen.boards, seen.tables, seen.notices) == (1, 1, [])


def test_a_board_that_sends_no_table_in_the_time_is_told_of() -> None:
    class Deafening(Seen):
        def show_board(self, hello: Hello) -> None:
            board.is_deaf = True

    board = FakeBoard()
    line = SlowLine(board)
    seen = Deafening()
    follow(lambda: line, seen, interval_ms=500, for_s=0.5)
    assert (seen.tables, seen.notices) == (0, ["the board does not answer; still listening"])


def test_an_answer_that_takes_the_board_its_time_is_waited_for() -> None:
    line = SlowLine(FakeBoard())
    line.delay_s = 0.3
    client = Client(line, timeout_s=2)
    assert client.hello().application == "demo"
    line.pass_time(1)
    client.hello()
    assert client.pace.value == pytest.approx(SHARE, abs=0.05)
    line.delay_s = 1.5  # by the board's clock: 7.5 s by the line's
    assert client.fault_text("led").startswith("Traceback of led")


class BusyLine(SlowLine):
    """A line whose board says nothing for a time of the line, and then answers all in order."""

    busy_until_s = 0.0
    asked = b""

    def write(self, data: bytes) -> None:
        if self.clock_s() >= self.busy_until_s:
            super().write(data)
            return
        if not self.asked:
            self.after(self.busy_until_s - self.clock_s(), self._answer)
        self.asked += data

    def _answer(self) -> None:
        self.say(self.board.take(self.asked))


@pytest.mark.parametrize("busy_s", [5, 25, 35])
def test_a_board_that_answered_and_is_busy_is_waited_for(busy_s: float) -> None:
    line = BusyLine(FakeBoard())
    client = Client(line)
    client.hello()
    line.busy_until_s = line.clock_s() + busy_s
    client.control("led", "restart")
    assert client.transport.clock_s() == pytest.approx(100 + busy_s)


def test_a_request_is_lost_once_a_later_one_is_answered() -> None:
    """A board with another key is the one that answers, and not what we ask for."""
    board = FakeBoard(key=bytes(32 * [7]))
    line = SlowLine(board)
    client = Client(line, key=bytes(32))
    client.hello()
    begun_s = line.clock_s()
    with pytest.raises(NotPermitted, match="another key"):
        client.control("led", "restart")
    assert line.clock_s() - begun_s == pytest.approx(6)


def test_a_board_that_dies_or_was_never_there_is_told_in_time() -> None:
    def silence_s(line: FakeLine, *, answers_first: bool) -> float:
        client = Client(line)
        if answers_first:
            client.hello()
        line.board.is_deaf = True
        begun_s = line.clock_s()
        with pytest.raises(DeviceTimeout, match=r"no answer from /dev/fake in (6|8|46) s"):
            client.table()
        passed_s = line.clock_s() - begun_s
        with pytest.raises(DeviceTimeout, match="in 6 s"):
            client.table()
        return passed_s

    assert silence_s(FakeLine(FakeBoard()), answers_first=False) == pytest.approx(6)
    assert silence_s(FakeLine(FakeBoard()), answers_first=True) == pytest.approx(46)
    real = FakeLine(FakeBoard())
    real.pace_min = 1.0  # as a USB port's
    assert silence_s(real, answers_first=True) == pytest.approx(8)


@pytest.mark.parametrize("board_name", ["", "shed"])
def test_a_board_that_dies_is_told_where_everything_takes_a_session(board_name: str) -> None:
    """A hello that takes a session is not sent then: opening it would send a hello, for ever."""
    board = FakeBoard(is_closed=True)
    line = FakeLine(board)
    line.board_name = board_name  # type: ignore[attr-defined]
    client = Client(line, key=bytes(32))
    if not board_name:
        client.table()
    board.restart()  # the next table's order is refused, and then it is deaf
    said: list[bytes] = []

    def lose_after_the_first(line: bytes) -> bytes:
        said.append(line)
        return line if len(said) == 1 else b""

    board.lose = lose_after_the_first
    begun_s = line.clock_s()
    with pytest.raises(DeviceTimeout, match="no answer from /dev/fake"):
        client.table()
    assert line.clock_s() - begun_s < 60
    assert len(board.requests) < 60


def test_an_echo_is_no_answer() -> None:
    line = FakeLine(FakeBoard())
    line.board.take = lambda data: data  # type: ignore[method-assign]
    with pytest.raises(DeviceTimeout, match="in 6 s"):
        Client(line).hello()


def test_an_update_may_take_its_time_by_the_boards_clock() -> None:
    class Updating(FakeBoard):
        """It keeps the old code after 15 s of its own time."""

        def _update(self, frame: Frame) -> bytes:
            if frame.payload[0] != abi.UPDATE_STATE:
                return self._line(abi.STATUS, frame.sequence, bytes([abi.OK]))
            phase = KEPT if self.uptime_ms > 20_000 else "probation"
            data = abi.UPDATE_STATE_STRUCT.pack(abi.UPDATE_PHASES.index(phase), 0)
            return self._line(abi.TEXT, frame.sequence, data)

    board = Updating(uptime_ms=5000)
    client = Client(SlowLine(board), key=bytes(32))
    client.hello()
    take_back(client, ["led"], probation_ms=2000)
    stuck = Updating(uptime_ms=0)
    line = SlowLine(stuck)
    with pytest.raises(DeviceTimeout, match="does not say how"):
        take_back(Client(line, key=bytes(32)), ["led"], probation_ms=0)
    assert stuck.uptime_ms < 20_000


def test_a_trace_is_as_long_as_asked_by_the_boards_clock() -> None:
    class Tracing(FakeBoard):
        """A record comes each 10 ms of its time."""

        def _trace(self, frame: Frame) -> bytes:
            while len(self.trace) < (self.uptime_ms - 5000) // 10:
                self.trace.append((10_000 * len(self.trace), abi.EVENT_STEP << 20 | 1 << 13))
            return super()._trace(frame)

    for share in (SHARE, 0.01):  # slower than any board is expected to be, and it moves
        found = collect(Client(SlowLine(Tracing(), share=share)), seconds=2)
        passed_us = found.records[-1].time_us - found.records[0].time_us
        assert passed_us == pytest.approx(2e6, rel=0.1)


def test_a_trace_of_a_board_whose_clock_stands_still_ends() -> None:
    line = SlowLine(FakeBoard(), share=0.0)
    with pytest.raises(DeviceTimeout, match="its clock stands still"):
        collect(Client(line), seconds=0.1)


def test_the_pace_is_that_of_the_board_and_has_bounds() -> None:
    now_s, uptime_ms = 0.0, 0
    pace = Pace(lambda: now_s)
    assert pace.value == 1
    for seconds, gained_ms, expected in (
        (0, 0, 1),
        (0.1, 20, 1),  # too close to tell
        (1, 220, 0.2),
        (1, 200, 0.2),
        (1, 5000, 1),  # no board is faster
        (1, -9000, 1),  # it was reset
        (1, 0, 1),
        (1, 0, 1),
        (1, 0, SLOWEST),
    ):
        now_s += seconds
        uptime_ms += gained_ms
        pace.note(uptime_ms)
        assert pace.value == pytest.approx(expected, rel=0.1), (seconds, gained_ms)
    assert pace.line_s(1) == pytest.approx(1 / SLOWEST)
