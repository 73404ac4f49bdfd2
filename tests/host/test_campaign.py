"""`bulkhead campaign`: what is planned, how it is judged, what is kept and reported."""

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from desk import bulkhead
from fake_board import FakeBoard, FakeLine

from bulkhead_host import abi
from bulkhead_host.campaign.judge import Result, judge
from bulkhead_host.campaign.plan import Campaign, FaultKind, Invariants, load_campaign, planned
from bulkhead_host.campaign.report import Results, junit, line, summary
from bulkhead_host.errors import UsageError
from bulkhead_host.link.client import Client
from bulkhead_host.paths import source_root

FILE = source_root() / "tests" / "cases" / "campaign.toml"
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
    index=0, kind="crash", target="led", recovery_ms=21, fault="EXCEPTION", violations=()
)
BAD = replace(GOOD, index=1, recovery_ms=None, violations=("led was not back within 9 ms",))
FAULTED = abi.STATE_NAMES.index("faulted")


def judged(board: FakeBoard, plan: Campaign = PLAN, later: object = None) -> Result:
    """Judge a crash of blink; `later` is done a moment after the injection."""
    line_ = FakeLine(board)
    if callable(later):
        line_.after(0.1, later)
    return judge(Client(line_), plan, FAULT)


# The plan


def test_seed_and_index_give_the_fault_whatever_came_before() -> None:
    plan = load_campaign(FILE)
    assert [planned(plan, 3), planned(plan, 0)] == [planned(plan, 3), planned(plan, 0)]
    others = [planned(replace(plan, seed=12), index) for index in range(20)]
    assert others != [planned(plan, index) for index in range(20)]


def test_rates_are_shares() -> None:
    plan = load_campaign(FILE)
    kinds = [planned(plan, index).kind for index in range(1000)]
    assert 700 < kinds.count("crash") < 800
    targets = {(one.kind, one.target) for one in (planned(plan, i) for i in range(1000))}
    assert targets == {(one.kind, name) for one in plan.faults for name in one.targets}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "names no [[fault]]"),
        ("x = 1", "has no x"),
        ("[campaign", "no TOML"),
        ('[campaign]\ncount = 1\n[[fault]]\nkind = "melt"\ntargets = ["a"]', "no fault 'melt'"),
        ('[campaign]\ncount = 1\n[[fault]]\nkind = "crash"', "needs targets"),
        ('[campaign]\n[[fault]]\nkind = "crash"\ntargets = ["a"]', "count"),
        ('[campaign]\ncount = 0\n[[fault]]\nkind = "crash"\ntargets = ["a"]', "count must be"),
        ('[campaign]\ncount = "2"\n[[fault]]\nkind = "crash"\ntargets = ["a"]', "whole number"),
        ('[invariants]\nnoise = 1\n[[fault]]\nkind = "crash"\ntargets = ["a"]', "noise"),
    ],
)
def test_a_wrong_file_exits_2_and_says_what(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "c.toml"
    file.write_text(text)
    with pytest.raises(UsageError) as caught:
        load_campaign(file)
    assert words in caught.value.cause + caught.value.next_step


# The judge


def test_a_service_that_comes_back_alone_holds() -> None:
    result = judged(FakeBoard())
    assert (result.holds, result.fault) == (True, "EXCEPTION")
    assert result.recovery_ms is not None
    assert result.recovery_ms < 100


def test_a_service_that_stays_down_violates() -> None:
    board = FakeBoard()
    board.services[6].generation = 1

    def stay_down() -> None:
        board.services[6].state = FAULTED

    stay_down_at_once = replace(PLAN, invariants=Invariants(recovered_within_ms=300, quiet_ms=200))
    result = judged(board, stay_down_at_once, later=stay_down)
    assert result.violations == ("blink was not back within 300 ms",)


def test_a_service_that_never_fails_violates() -> None:
    board = FakeBoard()
    plan = replace(PLAN, invariants=Invariants(recovered_within_ms=300))
    board.services[6].state = FAULTED  # the fake refuses then
    result = judged(board, plan)
    assert not result.holds
    assert "refused" in result.violations[0]


def test_others_that_are_touched_violate_where_that_is_asked() -> None:
    for is_asked in (True, False):
        board = FakeBoard()

        def touch(board: FakeBoard = board) -> None:
            board.services[3].generation += 1

        invariants = replace(PLAN.invariants, others_untouched=is_asked)
        result = judged(board, replace(PLAN, invariants=invariants), later=touch)
        expected = ("led was touched: generation 1 -> 2",) if is_asked else ()
        assert result.violations == expected


def test_a_service_that_is_started_twice_violates() -> None:
    board = FakeBoard()

    def again() -> None:
        board.services[6].generation += 1

    assert judged(board, later=again).violations == ("blink was started 2 times",)


def test_a_reset_of_the_board_violates() -> None:
    board = FakeBoard()

    def reset() -> None:
        board.uptime_ms = 10

    assert judged(board, later=reset).violations == ("the board was reset",)


def test_a_board_that_falls_silent_violates() -> None:
    board = FakeBoard(is_deaf=True)
    (words,) = judged(board).violations
    assert "no answer" in words


def test_a_target_that_is_not_there_violates() -> None:
    fault = replace(FAULT, target="nobody")
    result = judge(Client(FakeLine(FakeBoard())), PLAN, fault)
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
    assert (report["judged"], report["violated"], report["recovery_ms_max"]) == (2, 1, 21)
    suite = ElementTree.fromstring(junit(PLAN, [GOOD, BAD]))[0]
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    good, bad = suite
    assert (good.get("name"), good.get("time"), len(good)) == ("0 crash of led", "0.021", 0)
    assert bad[0].get("message") == "led was not back within 9 ms"
    assert "--replay 1" in (bad[0].text or "")
    assert "back in 21 ms" in line(GOOD)
    assert "VIOLATED" in line(BAD)


def test_a_campaign_that_cannot_be_read_exits_2(tmp_path: Path) -> None:
    done = bulkhead("campaign", str(tmp_path / "none.toml"))
    assert (done.returncode, done.stdout) == (2, "")
    assert "try: " in done.stderr
    done = bulkhead("campaign", str(FILE), "--replay", "5", "--image", "unused.uf2")
    assert done.returncode == 2
    assert "there is no fault 5" in done.stderr


def test_the_example_of_the_page_is_a_campaign(tmp_path: Path) -> None:
    page = (source_root() / "host_tools" / "README.md").read_text()
    (tmp_path / "faults.toml").write_text(page.split("```toml\n", 1)[1].split("```", 1)[0])
    plan = load_campaign(tmp_path / "faults.toml")
    assert (plan.count, plan.seed) == (100, 1)
