"""How a campaign judges: what a fault may do to a board, on fake boards whose clock jumps."""

from dataclasses import replace
from xml.etree import ElementTree

import pytest
from campaign_boards import APPLICATION, BLINK, BOARD, FAULT, FAULTED, PLAN, TracedBoard, judged
from fake_board import FakeBoard, FakeLine

from bulkhead_host import abi
from bulkhead_host.campaign.actions import Bench
from bulkhead_host.campaign.judge import Judge
from bulkhead_host.campaign.plan import FaultKind, Invariants, planned
from bulkhead_host.campaign.report import junit, line, summary
from bulkhead_host.campaign.trial import look
from bulkhead_host.link.client import Client
from bulkhead_host.link.frames import Frame
from bulkhead_host.system.policy import Group


@pytest.mark.parametrize("is_callable", [True, False])
def test_a_service_that_rests_is_called_so_that_it_floods(is_callable: bool) -> None:
    class RestingBoard(FakeBoard):
        """Its services step when they are called."""

        trace: list[tuple[int, int]]

        def _inject(self, name: str, kind: int) -> int:
            return abi.OK

        def _call(self, frame: Frame) -> bytes:
            if is_callable:
                mark = abi.YIELD | abi.MARK_OPERATION
                self.trace.append((10_000, abi.EVENT_STEP << 20 | BLINK << 13 | mark))
            return super()._call(frame)

    flood = replace(PLAN, faults=(FaultKind(kind="flood", targets=("blink",)),))
    bench = Bench(
        client=Client(FakeLine(RestingBoard())), application=APPLICATION, description=BOARD
    )
    result = Judge(bench, flood).judge(planned(flood, 0))
    assert result.holds
    assert result.skipped == ("" if is_callable else "blink had no occasion within 15000 ms")


def test_what_had_no_occasion_is_skipped_and_does_not_come_later() -> None:
    class Uncalled(FakeBoard):
        """Nobody calls its services."""

        def _inject(self, name: str, kind: int) -> int:
            return abi.OK

    board = Uncalled()
    faults = (FaultKind(kind="drop-reply", targets=("led",)),)
    plan = replace(PLAN, faults=faults)
    judge = Judge(
        Bench(client=Client(FakeLine(board)), application=APPLICATION, description=BOARD), plan
    )
    for index in range(2):
        result = judge.judge(planned(plan, index))
        assert (result.is_skipped, result.violations) == (True, ())
        assert line(result).endswith("skipped: led had no occasion within 15000 ms")
    assert board.controls == [("led", "restart")] * 2
    report = summary(plan, [result])
    assert (report["judged"], report["violated"], report["skipped"]) == (1, 0, 1)
    (suite,) = ElementTree.fromstring(junit(plan, [result]))
    assert (suite.get("skipped"), suite.get("failures"), suite[0][0].tag) == ("1", "0", "skipped")


@pytest.mark.parametrize(
    ("strategy", "touched", "words"),
    [
        ("one_for_all", ("led", "thermometer"), ()),
        (
            "one_for_all",
            ("led",),
            ("thermometer was not started again with blink, as its group says",),
        ),
        ("rest_for_one", ("thermometer",), ()),
        ("rest_for_one", ("thermometer", "led"), ("led was touched: generation +1, None",)),
        ("one_for_one", ("led",), ("led was touched: generation +1, None",)),
    ],
)
def test_a_group_is_started_again_together_and_nobody_else(
    strategy: str, touched: tuple[str, ...], words: tuple[str, ...]
) -> None:
    group = Group(name="g", strategy=strategy, services=("led", "blink", "thermometer"))
    board = TracedBoard()

    def fall() -> None:
        for service in board.services:
            service.generation += service.name in touched

    application = replace(APPLICATION, groups=(group,))
    assert judged(board, later=fall, application=application).violations == words


def test_a_service_that_is_never_started_again_may_stay_down() -> None:
    services = tuple(
        replace(one, restart="temporary") if one.name == "blink" else one
        for one in APPLICATION.services
    )
    board = TracedBoard()

    def stay() -> None:
        blink = board.services[BLINK - 1]
        blink.state, blink.generation = FAULTED, blink.generation - 1

    assert judged(board, later=stay, application=replace(APPLICATION, services=services)).holds


@pytest.mark.parametrize(("restarts", "is_due"), [(3, True), (2, False)])
def test_who_is_given_up_as_its_manifest_says_is_released(restarts: int, is_due: bool) -> None:
    policy = replace(APPLICATION.services[0].policy, restarts_max=3)
    services = tuple(
        replace(one, policy=policy) if one.name == "blink" else one for one in APPLICATION.services
    )

    class Given(FakeBoard):
        """It gives blink up, and starts it when it is released."""

        def _inject(self, name: str, kind: int) -> int:
            blink.fault = abi.FAULT_NAMES.index("EXCEPTION")
            blink.state = abi.STATE_NAMES.index("degraded")
            return abi.OK

        def _control(self, name: str, verb: int) -> int:
            blink.state = abi.STATE_NAMES.index("receiving")
            blink.generation += 1
            return super()._control(name, verb)

    board = Given()
    blink = board.services[BLINK - 1]
    blink.restarts = restarts
    result = judged(board, application=replace(APPLICATION, services=services))
    assert result.is_skipped is is_due
    assert board.controls == ([("blink", "release")] if is_due else [])
    words = "blink is given up, as its manifest says: more than 3 restarts in 60000 ms"
    assert (result.skipped or result.violations[0]) == (
        words if is_due else "blink was not back within 1000 ms"
    )


def test_a_service_that_comes_back_alone_holds() -> None:
    result = judged(TracedBoard())
    assert (result.violations, result.victim, result.fault) == ((), "blink", "EXCEPTION")
    assert result.recovery_ms is not None
    assert any("blink fault EXCEPTION" in line for line in result.evidence)
    assert result.evidence[-1].startswith("InjectedCrash")


def test_a_service_that_stays_down_violates() -> None:
    board = FakeBoard()
    plan = replace(PLAN, invariants=Invariants(recovered_within_ms=300, quiet_ms=200))
    result = judged(board, plan)
    assert result.violations[0] == "blink was not back within 300 ms"


def test_a_service_that_is_down_again_violates() -> None:
    board = TracedBoard()

    def fail() -> None:
        board.services[BLINK - 1].state = FAULTED

    assert "blink is down again" in judged(board, later=fail).violations


def test_a_service_that_never_fails_violates() -> None:
    board = FakeBoard()
    board.services[BLINK - 1].state = FAULTED  # the fake refuses then
    result = judged(board)
    assert "refused" in result.violations[0]


def test_others_that_are_touched_violate_where_that_is_asked() -> None:
    for is_asked in (True, False):
        board = TracedBoard()

        def touch(board: FakeBoard = board) -> None:
            board.services[3].generation += 1

        invariants = replace(PLAN.invariants, others_untouched=is_asked)
        result = judged(board, replace(PLAN, invariants=invariants), later=touch)
        expected = ("led was touched: generation +1, None",) if is_asked else ()
        assert result.violations == expected


@pytest.mark.parametrize(
    ("kind", "fault", "times", "holds"),
    [
        ("clock-jump", "BUDGET", 1, True),
        ("clock-jump", "BUDGET", 2, False),
        ("clock-jump", "EXCEPTION", 1, False),
        ("link-noise", "BUDGET", 1, False),
        ("memory-full", "MEMORY", 1, True),
        ("memory-full", "BUDGET", 1, False),
        ("leak", "MEMORY", 1, True),
        ("crash", "MEMORY", 1, False),
    ],
)
def test_who_finds_nothing_left_of_what_all_share_may_fail_once(
    kind: str, fault: str, times: int, *, holds: bool
) -> None:
    class Sharing(TracedBoard):
        """What its blink does not do for itself is done to all."""

        def _inject(self, name: str, kind: int) -> int:
            if name != "blink":
                return abi.OK
            status = super()._inject(name, kind)
            if abi.INJECTION_NAMES[kind] in ("memory-full", "leak"):
                self.services[BLINK - 1].fault = abi.FAULT_NAMES.index("MEMORY")
            return status

    board = Sharing()
    line_ = FakeLine(board)

    def end() -> None:
        board.services[3].generation += times
        board.services[3].fault = abi.FAULT_NAMES.index(fault)

    line_.after(0.1, end)
    target = "board" if kind in ("clock-jump", "link-noise") else "blink"
    plan = replace(PLAN, faults=(FaultKind(kind=kind, targets=(target,)),))
    bench = Bench(client=Client(line_), application=APPLICATION, description=BOARD)
    result = Judge(bench, plan).judge(planned(plan, 0))
    told = () if holds else (f"led was touched: generation +{times}, {fault}",)
    assert result.violations == told


def test_a_service_that_is_started_twice_violates() -> None:
    board = TracedBoard()

    def again() -> None:
        board.services[BLINK - 1].generation += 1

    assert judged(board, later=again).violations == ("blink was started 2 times, not 1",)


def test_another_fault_than_expected_and_other_words_violate() -> None:
    board = TracedBoard()

    def change() -> None:
        board.services[BLINK - 1].fault = abi.FAULT_NAMES.index("MEMORY")
        board.tracebacks["blink"] = "what else"

    assert judged(board, later=change).violations == (
        "blink took MEMORY for it, not EXCEPTION",
        "the last words of blink do not say 'InjectedCrash'",
    )


def test_memory_that_is_not_given_back_violates() -> None:
    for lost, violates in ((8192, False), (8193, True)):
        board = TracedBoard()

        def keep(board: FakeBoard = board, lost: int = lost) -> None:
            board.heap_free -= lost

        assert bool(judged(board, later=keep).violations) is violates


def test_who_waits_for_ever_violates() -> None:
    board = TracedBoard()

    def wait() -> None:
        board.services[4].state = abi.STATE_NAMES.index("calling")
        board.services[4].peer = 4

    (words,) = judged(board, later=wait).violations
    assert words == "button waits for led for ever: calling"


@pytest.mark.parametrize("wait_s", [1, 60])
def test_who_waits_for_a_deadline_of_its_own_does_not_wait_for_ever(wait_s: int) -> None:
    board = TracedBoard()

    def wait() -> None:
        board.services[4].state = abi.STATE_NAMES.index("served")
        board.services[4].peer = 4
        board.services[4].wait_s = wait_s

    assert judged(board, later=wait).violations == ()


def test_messages_that_nobody_took_or_counted_violate() -> None:
    board = TracedBoard()
    logger = board.services.index(next(s for s in board.services if s.name == "logger")) + 1
    for uses, violates in ((4, False), (5, True)):
        board.capabilities["blink"] = [(logger, abi.MAY_SEND, 1, 0, 0)]

        def send(uses: int = uses) -> None:
            board.capabilities["blink"] = [(logger, abi.MAY_SEND, 1, 0, uses)]

        assert bool(judged(board, later=send).violations) is violates


def test_a_board_that_takes_longer_to_be_back_than_it_had_run_is_back() -> None:
    class Resets(FakeBoard):
        """A service is down for a while after each reset."""

        def _control(self, name: str, verb: int) -> int:
            self.services[BLINK - 1].state = FAULTED
            line_.after(1.5, lambda: setattr(self.services[BLINK - 1], "state", 1))
            return super()._control(name, verb)

    line_ = FakeLine(Resets(uptime_ms=700))
    invariants = Invariants(recovered_within_ms=4000, quiet_ms=200)
    plan = replace(PLAN, faults=(FaultKind(kind="reset", targets=("board",)),))
    plan = replace(plan, invariants=invariants)
    bench = Bench(client=Client(line_), application=APPLICATION, description=BOARD)
    result = Judge(bench, plan).judge(planned(plan, 0))
    assert result.violations == ()
    assert result.recovery_ms is not None and result.recovery_ms > 1500


def test_a_reset_of_the_board_violates() -> None:
    board = TracedBoard()

    def reset() -> None:
        board.uptime_ms = 10

    assert judged(board, later=reset).violations == ("the board was reset",)


class SlowToReturn(FakeBoard):
    """A board that answers nothing after a reset, for longer than it had been up before."""

    def _control(self, name: str, verb: int) -> int:
        self.is_deaf = True
        return super()._control(name, verb)

    def hear(self) -> None:
        self.is_deaf = False


def test_a_board_that_answers_late_after_a_reset_is_back() -> None:
    board = SlowToReturn()
    line_ = FakeLine(board)
    line_.after(board.uptime_ms / 1000 + 1, board.hear)
    plan = replace(
        PLAN,
        faults=(FaultKind(kind="reset", targets=("board",)),),
        invariants=replace(PLAN.invariants, recovered_within_ms=20_000),
    )
    bench = Bench(client=Client(line_), application=APPLICATION, description=BOARD)
    result = Judge(bench, plan).judge(planned(plan, 0))
    assert (result.kind, result.violations) == ("reset", ())
    assert result.recovery_ms is not None
    assert result.recovery_ms > 5000


def test_a_reset_is_seen_however_long_ago_it_was() -> None:
    board = FakeBoard()
    bench = Bench(client=Client(FakeLine(board)), application=APPLICATION, description=BOARD)
    before = look(bench, PLAN.invariants)
    later_s = before.taken_s + 60
    assert before.was_reset_by(59_000, now_s=later_s)
    assert not before.was_reset_by(before.table.uptime_ms + 60_000, now_s=later_s)


def test_a_board_that_falls_silent_violates() -> None:
    board = FakeBoard(is_deaf=True)
    (words,) = judged(board).violations
    assert "no answer" in words


def test_a_target_that_is_not_there_violates() -> None:
    bench = Bench(client=Client(FakeLine(FakeBoard())), application=APPLICATION, description=BOARD)
    result = Judge(bench, PLAN).judge(replace(FAULT, target="nobody"))
    assert result.violations == ("the board has no service nobody",)
