"""`bulkhead run` without a terminal: what it shows, and what it takes for harm."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from fake_board import FakeBoard, FakeLine, FakeService

from bulkhead_host import abi
from bulkhead_host.commands.run import RESTART_TIMEOUT_S, Demonstration, demonstrate
from bulkhead_host.errors import BulkheadError
from bulkhead_host.link.client import Client


def run(board: FakeBoard, *, for_s: float = 110.0) -> tuple[Demonstration, list[object], FakeLine]:
    line = FakeLine(board)
    shown: list[object] = []
    seen = demonstrate(Client(line, on_output=shown.append), for_s=for_s, show=shown.append)
    return seen, shown, line


def when_injected(board: FakeBoard, action: Callable[[], None]) -> FakeBoard:
    """Return the board, which does `action` when it answers an injection."""

    def twist(kind: int, payload: bytes) -> tuple[int, bytes]:
        if kind == abi.STATUS:
            action()
        return kind, payload

    board.twist = twist
    return board


def test_the_crash_of_blink_and_its_restart_are_as_promised() -> None:
    board = FakeBoard()
    seen, _, line = run(board)
    assert board.injections == [("blink", "crash")]
    assert seen.problems == []
    assert seen.target == "blink"
    assert line.clock_s() == pytest.approx(110.25)


def test_it_shows_the_table_before_the_log_and_the_table_after() -> None:
    board = FakeBoard()
    line = FakeLine(board)
    line.after(10.1, b"W supervisor: blink faulted\r\n")
    shown: list[object] = []
    demonstrate(Client(line, on_output=shown.append), for_s=110.0, show=shown.append)
    kinds = [type(item).__name__ for item in shown]
    assert kinds == ["Text", "Table", "str", "str", "Table"]
    assert shown[2:4] == ["injecting crash into blink", "W supervisor: blink faulted"]


def test_an_application_without_blink_has_its_least_important_service_crashed() -> None:
    board = FakeBoard(services=[FakeService("supervisor", 0), FakeService("wheel", 6)])
    seen, _, _ = run(board)
    assert seen.target == "wheel"


def test_a_board_without_services_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(BulkheadError) as caught:
        run(FakeBoard(services=[]))
    assert "system.toml" in caught.value.next_step


def test_another_service_that_restarts_is_a_problem() -> None:
    board = FakeBoard()
    led = board.services[3]
    when_injected(board, lambda: setattr(led, "generation", 2))
    seen, _, _ = run(board)
    assert seen.problems == ["led is at generation 2, not 1"]


def test_a_target_that_stays_down_is_a_problem_after_the_time_allowed() -> None:
    board = FakeBoard()
    blink = board.services[6]
    faulted = abi.STATE_NAMES.index("faulted")
    when_injected(board, lambda: setattr(blink, "state", faulted))
    seen, _, line = run(board)
    assert seen.problems == ["blink is faulted"]
    assert line.clock_s() - 110 == pytest.approx(RESTART_TIMEOUT_S, abs=0.3)


def test_a_target_that_is_down_before_is_an_error_that_says_so() -> None:
    board = FakeBoard()
    board.services[6].state = abi.STATE_NAMES.index("faulted")
    with pytest.raises(BulkheadError, match="blink cannot be made to fail now: it is faulted"):
        run(board)


class BusyBoard(FakeBoard):
    """A board whose service is in the midst of a long step when it is to fail first."""

    refusals = 2

    def _inject(self, name: str, kind: int) -> int:
        self.refusals -= 1
        return abi.FULL if self.refusals >= 0 else super()._inject(name, kind)


def test_a_target_in_the_midst_of_a_step_is_asked_again() -> None:
    board = BusyBoard()
    seen, _, _ = run(board)
    assert seen.problems == []
    assert board.refusals == -1
    assert board.injections == [("blink", "crash")]


def test_a_target_that_comes_back_late_is_waited_for() -> None:
    board = FakeBoard()
    blink = board.services[6]
    before = blink.generation
    when_injected(board, lambda: setattr(blink, "generation", before))
    line = FakeLine(board)
    line.after(13, lambda: setattr(blink, "generation", before + 1))
    shown: list[object] = []
    seen = demonstrate(Client(line), for_s=110.0, show=shown.append)
    assert seen.problems == []
    assert line.clock_s() == pytest.approx(113, abs=0.3)


def test_a_service_that_vanishes_is_a_problem() -> None:
    board = FakeBoard()
    seen, _, _ = run(board)
    fewer = replace(seen.after, services=seen.after.services[:-1])
    assert replace(seen, after=fewer).problems == ["crasher is at generation None, not 1"]
