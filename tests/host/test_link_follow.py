"""Watching a board: through silence, resets and unplugging, with link frames alone."""

import pytest
from fake_board import FakeBoard, FakeLine

from bulkhead_host import abi
from bulkhead_host.errors import BulkheadError, DeviceBusy, DeviceNotFound, DeviceTimeout
from bulkhead_host.link.follow import RETRY_S, follow
from bulkhead_host.link.services import Hello, Table
from bulkhead_host.link.transport import Transport


class Notebook:
    """A viewer that writes down what it is shown."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def show_board(self, hello: Hello) -> None:
        self.seen.append(f"board {hello.board}")

    def show_table(self, table: Table) -> None:
        self.seen.append(f"table {table.uptime_ms}")

    def show_line(self, line: str) -> None:
        self.seen.append(line)

    def show_notice(self, text: str) -> None:
        self.seen.append(f"! {text}")


def watch(*lines: FakeLine | BulkheadError, for_s: float = 2.5) -> list[str]:
    """Follow one line after the other; pauses pass on the first one's clock."""
    notebook = Notebook()
    left = iter(lines)
    first = lines[0]

    def connect() -> Transport:
        line: FakeLine | BulkheadError = next(left)
        if isinstance(line, BulkheadError):
            raise line
        return line

    def sleep(seconds: float) -> None:
        assert isinstance(first, FakeLine)
        first.pass_time(seconds)

    follow(connect, notebook, interval_ms=1000, for_s=for_s, sleep=sleep)
    return notebook.seen


def test_board_tables_and_lines_are_shown_in_order_until_time_is_up() -> None:
    line = FakeLine(FakeBoard())
    line.after(1.5, b"    6.500 I led: on\r\n")
    assert watch(line) == [
        "board pico",
        "table 5000",
        "table 6000",
        "    6.500 I led: on",
        "table 7000",
    ]
    assert line.is_closed


def test_the_board_is_sent_link_frames_alone() -> None:
    board = FakeBoard()
    watch(FakeLine(board), for_s=60)
    frames = bytes(board.received).split(b"\n")
    assert len(frames) > 10
    assert all(frame.startswith(abi.MARK) and frame[1:].isascii() for frame in frames[:-1])
    assert b"\x03" not in board.received
    assert {frame.kind for frame in board.requests} == {abi.HELLO, abi.WATCH}


def test_a_first_failure_to_open_or_answer_goes_to_the_caller() -> None:
    with pytest.raises(DeviceNotFound):
        watch(DeviceNotFound("no board"))
    with pytest.raises(DeviceBusy):
        watch(DeviceBusy("in use"))
    line = FakeLine(FakeBoard(is_deaf=True))
    with pytest.raises(DeviceTimeout):
        watch(line)
    assert line.is_closed


def test_a_port_that_goes_away_is_waited_for_and_the_board_greeted_anew() -> None:
    first = FakeLine(FakeBoard())
    first.after(1.2, first.cut)
    away = (DeviceNotFound("no such port"), DeviceBusy("not yet permitted"))
    second = FakeLine(FakeBoard(uptime_ms=10))
    seen = watch(first, *away, second)
    assert seen == [
        "board pico",
        "table 5000",
        "table 6000",
        "! the port /dev/fake went away: waiting for it",
        "! /dev/fake is back",
        "board pico",
        "table 10",
        "table 1010",
        "table 2010",
    ]
    assert first.is_closed
    assert second.is_closed


def test_a_board_that_boots_slowly_after_a_reset_is_greeted_when_it_answers() -> None:
    first = FakeLine(FakeBoard())
    first.after(0.5, first.cut)
    slow = FakeBoard(uptime_ms=10, is_deaf=True)
    second = FakeLine(slow)
    second.after(4, lambda: setattr(slow, "is_deaf", False))
    seen = watch(first, second, for_s=12)
    assert "! the board does not answer; still listening" in seen
    assert seen[-2].startswith("table")
    assert seen.count("board pico") == 2


def test_a_restart_on_an_open_port_is_told() -> None:
    board = FakeBoard()
    line = FakeLine(board)
    line.after(1.5, lambda: setattr(board, "uptime_ms", 100))
    seen = watch(line)
    assert seen == [
        "board pico",
        "table 5000",
        "table 6000",
        "! the board has restarted",
        "board pico",
        "table 600",
    ]


def test_a_restart_is_told_even_when_the_board_is_up_longer_than_before() -> None:
    """It was reset right after boot and, having forgotten the watch, said nothing for a while."""
    board = FakeBoard(uptime_ms=300)
    line = FakeLine(board)

    def reset() -> None:
        board.watch = None
        board.uptime_ms = 0

    line.after(0.1, reset)
    seen = watch(line, for_s=4)
    assert seen[:4] == ["board pico", "table 300", "! the board has restarted", "board pico"]
    assert int(seen[4].split()[1]) > 300


def test_silence_without_a_restart_is_not_told_as_one() -> None:
    board = FakeBoard()
    line = FakeLine(board)
    line.after(0.1, lambda: setattr(board, "watch", None))
    seen = watch(line, for_s=4)
    assert "! the board has restarted" not in seen
    assert seen.count("board pico") == 1


def test_time_runs_out_while_the_board_is_away() -> None:
    line = FakeLine(FakeBoard())
    line.after(0.5, line.cut)
    away = [DeviceNotFound("no such port")] * 20
    seen = watch(line, *away)
    assert seen[-1] == "! the port /dev/fake went away: waiting for it"
    assert line.clock_s() == pytest.approx(102.5, abs=RETRY_S)
