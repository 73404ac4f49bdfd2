"""`bulkhead campaign`: what is planned, how it is judged, what is kept and reported."""

import random
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from desk import bulkhead
from fake_board import FakeBoard, FakeLine, served

from bulkhead_host import abi
from bulkhead_host.campaign.actions import Bench, noise
from bulkhead_host.campaign.judge import Judge, Result
from bulkhead_host.campaign.kinds import KINDS, targets_of, why_not
from bulkhead_host.campaign.page import page
from bulkhead_host.campaign.plan import (
    Campaign,
    FaultKind,
    Invariants,
    fitted,
    load_campaign,
    planned,
)
from bulkhead_host.campaign.report import Results, junit, line, summary
from bulkhead_host.campaign.workers import runs_of
from bulkhead_host.errors import UsageError
from bulkhead_host.link.client import Client
from bulkhead_host.link.frames import Frame
from bulkhead_host.paths import source_root
from bulkhead_host.system.examine import load_system

APP = source_root() / "tests" / "cases" / "faults_app"
FILE = APP / "campaign.toml"
APPLICATION, BOARD = load_system(source_root() / "services")
PLAN = Campaign(
    faults=(FaultKind(kind="crash", targets=("blink",)),),
    count=3,
    name="mine",
    digest="d",
    pause_ms_max=0,
    invariants=Invariants(recovered_within_ms=1000, quiet_ms=200),
)
FAULT = planned(PLAN, 0)
GOOD = Result(
    index=0, kind="crash", target="led", victim="led", recovery_ms=21.5, fault="EXCEPTION"
)
BAD = replace(GOOD, index=1, recovery_ms=None, violations=("led was <not> back within 9 ms",))
FAULTED = abi.STATE_NAMES.index("faulted")
BLINK = 7


class TracedBoard(FakeBoard):
    """A fake board whose injections show in its trace, as the kernel's do."""

    def _inject(self, name: str, kind: int) -> int:
        status = super()._inject(name, kind)
        for service in self.services if status == abi.OK else ():
            if service.name == name:
                task = self.services.index(service) + 1
                self.note(task, abi.EVENT_FAULT, abi.FAULT_NAMES.index("EXCEPTION"))
                self.note(task, abi.EVENT_STARTED, 0)
                self.note(task, abi.EVENT_STEP, 0)
                self.tracebacks[name] = "InjectedCrash: injected by the operator"
        return status

    def note(self, task: int, event: int, detail: int) -> None:
        now = 10_000 * (len(self.trace) + 1)
        self.trace.append((now, event << 20 | task << 13 | detail))


def judged(
    board: FakeBoard, plan: Campaign = PLAN, later: Callable[[], None] | None = None
) -> Result:
    """Judge a crash of blink; `later` is done a moment after the injection."""
    line_ = FakeLine(board)
    if later is not None:
        line_.after(0.1, later)
    bench = Bench(client=Client(line_), application=APPLICATION, description=BOARD)
    return Judge(bench, plan).judge(FAULT)


# The plan


def test_seed_and_index_give_the_fault_whatever_came_before() -> None:
    plan = fitted(load_campaign(FILE), APPLICATION)
    assert [planned(plan, 3), planned(plan, 0)] == [planned(plan, 3), planned(plan, 0)]
    others = [planned(replace(plan, seed=12), index) for index in range(20)]
    assert others != [planned(plan, index) for index in range(20)]


def test_rates_are_shares() -> None:
    faults = (
        FaultKind(kind="crash", targets=("blink", "led"), rate=3),
        FaultKind(kind="spin", targets=("button",)),
    )
    plan = replace(PLAN, faults=faults)
    drawn = [planned(plan, index) for index in range(1000)]
    assert 700 < sum(one.kind == "crash" for one in drawn) < 800
    assert {(one.kind, one.target) for one in drawn} == {
        ("crash", "blink"),
        ("crash", "led"),
        ("spin", "button"),
    }


def test_in_turn_every_kind_comes_once() -> None:
    plan = load_campaign(APP / "every_kind.toml")
    application, _ = load_system(APP)
    whole = fitted(plan, application)
    kinds = [planned(whole, index).kind for index in range(plan.count)]
    assert sorted(kinds) == sorted(KINDS)
    assert len(KINDS) >= 24


def test_a_run_that_was_cut_is_done_again_from_its_first_fault() -> None:
    plan = replace(PLAN, count=25, faults_per_boot=10)
    assert list(runs_of(plan, set())) == [range(10), range(10, 20), range(20, 25)]
    assert list(runs_of(plan, set(range(13)) | {14})) == [range(10, 20), range(20, 25)]
    assert list(runs_of(plan, set(range(25)) - {3})) == [range(4)]


def test_a_kind_goes_to_whom_it_fits() -> None:
    assert targets_of(KINDS["lost-interrupt"], APPLICATION) == ("button",)
    assert targets_of(KINDS["reset"], APPLICATION) == ("board",)
    assert "supervisor" not in targets_of(KINDS["hang"], APPLICATION)
    assert set(targets_of(KINDS["crash"], APPLICATION)) == {
        one.name for one in APPLICATION.services
    }
    assert why_not(KINDS["revoked-handle"], "blink", APPLICATION) == "it has no slots"
    assert why_not(KINDS["crash"], "nobody", APPLICATION)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (FaultKind(kind="hang", targets=("supervisor",)), "no heartbeat"),
        (FaultKind(kind="drop-reply", targets=("blink",)), "nobody calls it"),
        (FaultKind(kind="crash", targets=("board",)), "no such service"),
        (FaultKind(kind="watchdog-starvation"), "fits no service"),
    ],
)
def test_what_cannot_be_is_refused(fault: FaultKind, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        fitted(replace(PLAN, faults=(fault,)), APPLICATION)
    assert words in caught.value.cause


def test_a_real_board_takes_no_fault_of_the_emulator() -> None:
    every = replace(PLAN, faults=(FaultKind(kind="*"),))
    kinds = {one.kind for one in fitted(every, APPLICATION, is_emulated=False).faults}
    assert not any(KINDS[kind].is_emulated for kind in kinds)
    assert len(kinds) >= 20
    with pytest.raises(UsageError) as caught:
        fitted(
            replace(PLAN, faults=(FaultKind(kind="power-cut"),)), APPLICATION, is_emulated=False
        )
    assert "emulated board" in caught.value.cause


def test_noise_has_no_ctrl_c_and_no_whole_order() -> None:
    for index in range(50):
        sent = noise(random.Random(index))
        assert b"\x03" not in sent
        assert abi.encode(abi.INJECT, 1, bytes([1]) + b"blink") not in sent


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "names no [[fault]]"),
        ("x = 1", "has no x"),
        ("[campaign", "no TOML"),
        ('[campaign]\ncount = 1\n[[fault]]\nkind = "melt"', "no fault 'melt'"),
        ('[campaign]\ncount = 1\n[[fault]]\nkind = "crash"\ntargets = []', "needs targets"),
        ('[campaign]\n[[fault]]\nkind = "crash"', "count"),
        ('[campaign]\ncount = 0\n[[fault]]\nkind = "crash"', "count"),
        ('[campaign]\ncount = 1\nseconds = 1\n[[fault]]\nkind = "crash"', "or seconds"),
        ('[campaign]\ncount = 1\norder = "up"\n[[fault]]\nkind = "crash"', "no order"),
        (
            '[campaign]\ncount = 1\nfaults_per_boot = 0\n[[fault]]\nkind = "crash"',
            "must be positive",
        ),
        ('[campaign]\ncount = "2"\n[[fault]]\nkind = "crash"', "whole number"),
        ('[invariants]\nnoise = 1\n[[fault]]\nkind = "crash"', "noise"),
    ],
)
def test_a_wrong_file_exits_2_and_says_what(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "c.toml"
    file.write_text(text)
    with pytest.raises(UsageError) as caught:
        load_campaign(file)
    assert words in caught.value.cause + caught.value.next_step


# The judge


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
    violations = Judge(bench, flood).judge(planned(flood, 0)).violations
    assert violations == (() if is_callable else ("blink had no occasion within 15000 ms",))


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


def test_messages_that_nobody_took_or_counted_violate() -> None:
    board = TracedBoard()
    logger = board.services.index(next(s for s in board.services if s.name == "logger")) + 1
    for uses, violates in ((4, False), (5, True)):
        board.capabilities["blink"] = [(logger, abi.MAY_SEND, 1, 0, 0)]

        def send(uses: int = uses) -> None:
            board.capabilities["blink"] = [(logger, abi.MAY_SEND, 1, 0, uses)]

        assert bool(judged(board, later=send).violations) is violates


def test_a_reset_of_the_board_violates() -> None:
    board = TracedBoard()

    def reset() -> None:
        board.uptime_ms = 10

    assert judged(board, later=reset).violations == ("the board was reset",)


def test_a_board_that_falls_silent_violates() -> None:
    board = FakeBoard(is_deaf=True)
    (words,) = judged(board).violations
    assert "no answer" in words


def test_a_target_that_is_not_there_violates() -> None:
    bench = Bench(client=Client(FakeLine(FakeBoard())), application=APPLICATION, description=BOARD)
    result = Judge(bench, PLAN).judge(replace(FAULT, target="nobody"))
    assert result.violations == ("the board has no service nobody",)


# Results and reports


def test_results_are_kept_and_a_cut_line_is_judged_again(tmp_path: Path) -> None:
    file = tmp_path / "r.jsonl"
    kept = Results(file, PLAN)
    kept.add(GOOD)
    kept.add(BAD)
    file.write_text(file.read_text()[:-10])
    assert Results(file, PLAN).done == {0: GOOD}
    Results(file, PLAN).add(BAD)
    assert Results(file, PLAN).done == {0: GOOD, 1: BAD}


def test_results_of_another_campaign_are_refused(tmp_path: Path) -> None:
    Results(tmp_path / "r.jsonl", PLAN)
    with pytest.raises(UsageError):
        Results(tmp_path / "r.jsonl", replace(PLAN, digest="other"))


def test_reports_count_what_was_violated() -> None:
    report = summary(PLAN, [GOOD, BAD])
    assert (report["judged"], report["violated"], report["recovery_ms_max"]) == (2, 1, 21.5)
    suite = ElementTree.fromstring(junit(PLAN, [GOOD, BAD]))[0]
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    good, bad = suite
    assert (good.get("name"), good.get("time"), len(good)) == ("0 crash of led", "0.021", 0)
    assert bad[0].get("message") == "led was <not> back within 9 ms"
    assert "--replay 1" in (bad[0].text or "")
    assert "back in 21.5 ms" in line(GOOD)
    assert "VIOLATED" in line(BAD)


def test_a_campaign_that_cannot_be_read_exits_2(tmp_path: Path) -> None:
    done = bulkhead("campaign", str(tmp_path / "none.toml"))
    assert (done.returncode, done.stdout) == (2, "")
    assert "try: " in done.stderr
    done = bulkhead("campaign", str(FILE), "--replay", "500", "--image", "unused.uf2")
    assert done.returncode == 2
    assert "there is no fault 500" in done.stderr


@pytest.mark.parametrize(("is_wrong", "code"), [(True, 1), (False, 0)])
def test_the_exit_code_is_1_when_an_invariant_was_violated(
    tmp_path: Path, is_wrong: bool, code: int
) -> None:
    plan = tmp_path / "faults.toml"
    plan.write_text(
        "[campaign]\ncount = 1\npause_ms_max = 0\n"
        "[invariants]\nrecovered_within_ms = 300\nquiet_ms = 0\n"
        '[[fault]]\nkind = "crash"\ntargets = ["blink"]\n'
    )
    with served(FakeBoard() if is_wrong else TracedBoard()) as port:
        done = bulkhead("campaign", str(plan), port=port)
    assert (done.returncode, f"{code} violated" in done.stdout) == (code, True), done.stderr


def test_the_example_of_the_page_is_a_campaign(tmp_path: Path) -> None:
    page = (source_root() / "host_tools" / "README.md").read_text()
    (example,) = (one for one in page.split("```toml\n")[1:] if one.startswith("[campaign]"))
    (tmp_path / "faults.toml").write_text(example.split("```", 1)[0])
    plan = load_campaign(tmp_path / "faults.toml")
    assert (plan.count, plan.seed) == (500, 1)
    assert plan.invariants == Invariants(recovered_within_ms=6000, quiet_ms=600)


def test_the_table_of_the_page_has_every_kind_and_where_it_works() -> None:
    page = (source_root() / "host_tools" / "README.md").read_text()
    for kind in KINDS.values():
        faults = " or ".join(kind.faults) or "-"
        assert f"| `{kind.name}` | {kind.meaning} | {faults} | {kind.where} |\n" in page
    told = bulkhead("campaign", "--help").stdout
    assert all(f"{kind.name} " in told for kind in KINDS.values())


class Page(HTMLParser):
    """Collects what a page refers to, and checks that its tags close."""

    void = frozenset({"meta", "br", "link", "img", "input"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.refers_to: list[str] = []
        self.ids: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.void:
            self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "data", "action", "srcset"):
                self.refers_to.append(value or "")
            if name == "id":
                self.ids.append(value or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_needs_nothing_else_and_says_what_was_violated() -> None:
    others = [replace(GOOD, index=index, recovery_ms=10.0 * index) for index in range(2, 30)]
    written = page(PLAN, [GOOD, BAD, *others])
    found = Page()
    found.feed(written)
    found.close()
    assert found.open == []
    assert not [one for one in found.refers_to if not one.startswith("#")]
    assert "@import" not in written
    assert "url(" not in written
    assert {"distribution", "by-kind", "matrix", "timeline", "faults"} <= set(found.ids)
    assert "1 crash of led: led was <not> back within 9 ms" in found.text
    assert "--replay 1" in found.text


def test_a_page_of_nothing_is_a_page() -> None:
    found = Page()
    found.feed(page(PLAN, []))
    assert found.open == []
