"""How a campaign judges an occasion that comes late, or with the order that takes it away."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from campaign_boards import APPLICATION, BLINK, BOARD, FAULTED, PLAN, TracedBoard
from fake_board import FakeLine

from bulkhead_host import abi
from bulkhead_host.campaign.actions import Bench
from bulkhead_host.campaign.judge import Judge, Result
from bulkhead_host.campaign.plan import FaultKind, Invariants, planned
from bulkhead_host.link.client import Client

RECEIVING = abi.STATE_NAMES.index("receiving")
LED = 4
WITHIN_MS, QUIET_MS = 600, 400


class Waiting(TracedBoard):
    """Its services fail with their next reply, of which a test says when it is; a crash is one."""

    at_restart: Callable[[], None] | None = None

    def _inject(self, name: str, kind: int) -> int:
        return super()._inject(name, kind) if abi.INJECTION_NAMES[kind] == "crash" else abi.OK

    def _control(self, name: str, verb: int) -> int:
        if self.at_restart is not None:
            self.at_restart()
        return super()._control(name, verb)

    def end(self, victim: int, fault: str) -> None:
        """Have the occasion, at which a service ends."""
        service = self.services[victim - 1]
        service.fault, service.state = abi.FAULT_NAMES.index(fault), FAULTED
        service.generation += 1
        self.note(LED, abi.EVENT_STEP, abi.YIELD | abi.MARK_OPERATION)
        self.note(victim, abi.EVENT_FAULT, service.fault)

    def start(self, victim: int) -> None:
        self.services[victim - 1].state = RECEIVING
        self.note(victim, abi.EVENT_STARTED, 0)
        self.note(victim, abi.EVENT_STEP, 0)


def judge_of(board: Waiting, kind: str) -> tuple[FakeLine, Callable[[int], Result]]:
    invariants = Invariants(
        recovered_within_ms=2000, quiet_ms=QUIET_MS, occasion_within_ms=WITHIN_MS
    )
    faults = (FaultKind(kind=kind, targets=("led",)), FaultKind(kind="crash", targets=("blink",)))
    plan = replace(PLAN, faults=faults, order="in turn", invariants=invariants)
    board.note(BLINK, abi.EVENT_STEP, 0)
    line_ = FakeLine(board)
    judge = Judge(Bench(client=Client(line_), application=APPLICATION, description=BOARD), plan)
    return line_, lambda index: judge.judge(planned(plan, index))


@pytest.mark.parametrize("is_overrun", [False, True], ids=["traced", "overrun"])
@pytest.mark.parametrize("down_s", [0.01, 1.5], ids=["at once", "after a pause"])
@pytest.mark.parametrize(
    ("kind", "victim", "fault"),
    [("kill-in-call", LED, "EXCEPTION"), ("protocol-error", BLINK, "PROTOCOL")],
)
def test_an_occasion_that_comes_as_the_trial_ends_is_judged(
    kind: str, victim: int, fault: str, down_s: float, *, is_overrun: bool
) -> None:
    board = Waiting()
    line_, judged = judge_of(board, kind)
    late_s = (WITHIN_MS + QUIET_MS / 2) / 1000

    def start() -> None:
        board.start(victim)
        for _ in range(70 if is_overrun else 0):  # more than the ring holds
            board.note(LED, abi.EVENT_STEP, 0)

    line_.after(late_s, lambda: board.end(victim, fault))
    line_.after(late_s + down_s, start)
    result = judged(0)
    assert (result.violations, result.skipped) == ((), "")
    assert (result.victim, result.fault) == (board.services[victim - 1].name, fault)
    assert result.recovery_ms is not None
    assert board.controls == []


def test_a_client_whose_fault_is_lost_to_the_trace_is_found_when_it_is_back() -> None:
    board = Waiting()
    line_, judged = judge_of(board, "protocol-error")

    def end() -> None:
        board.end(BLINK, "PROTOCOL")
        mark = board.trace.pop(-2)
        for _ in range(70):  # more than the ring holds
            board.note(LED, abi.EVENT_STEP, 0)
        board.trace.append((10_000 * (len(board.trace) + 1), mark[1]))

    line_.after(0.1, end)
    line_.after(0.6, lambda: board.start(BLINK))
    result = judged(0)
    assert (result.violations, result.victim, result.fault) == ((), "blink", "PROTOCOL")


def test_a_client_that_is_faulted_by_a_later_reply_is_waited_for() -> None:
    board = Waiting()
    line_, judged = judge_of(board, "protocol-error")
    mark = abi.YIELD | abi.MARK_OPERATION
    line_.after(0.1, lambda: board.note(LED, abi.EVENT_STEP, mark))
    line_.after(0.3, lambda: board.end(BLINK, "PROTOCOL"))
    line_.after(0.31, lambda: board.start(BLINK))
    result = judged(0)
    assert (result.violations, result.victim, result.fault) == ((), "blink", "PROTOCOL")


def test_an_occasion_that_comes_late_and_is_not_mended_violates() -> None:
    board = Waiting()
    line_, judged = judge_of(board, "protocol-error")
    line_.after(0.7, lambda: board.end(BLINK, "PROTOCOL"))
    assert "blink was not back within 2000 ms" in judged(0).violations


def test_an_occasion_that_comes_with_the_order_to_start_anew_is_not_the_next_faults() -> None:
    board = Waiting()
    line_, judged = judge_of(board, "protocol-error")

    def fail() -> None:
        board.at_restart = None
        board.end(BLINK, "PROTOCOL")
        line_.after(1.2, lambda: board.start(BLINK))

    board.at_restart = fail
    found = [judged(index) for index in range(2)]
    assert [(one.violations, one.is_skipped) for one in found] == [((), True), ((), False)]
