"""`bulkhead campaign`: what is planned, how it is judged, what is kept and reported."""

import random
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from campaign_boards import APPLICATION, PLAN, TracedBoard
from desk import bulkhead
from fake_board import FakeBoard, served

from bulkhead_host import abi
from bulkhead_host.campaign.judge import Result
from bulkhead_host.campaign.kinds import KINDS, targets_of, why_not
from bulkhead_host.campaign.noise import noise
from bulkhead_host.campaign.page import page
from bulkhead_host.campaign.plan import (
    FaultKind,
    Invariants,
    fitted,
    load_campaign,
    planned,
)
from bulkhead_host.campaign.plots import distribution
from bulkhead_host.campaign.report import Results, junit, line, summary
from bulkhead_host.campaign.workers import runs_of
from bulkhead_host.errors import UsageError
from bulkhead_host.paths import source_root
from bulkhead_host.system.examine import load_system

APP = source_root() / "tests" / "cases" / "faults_app"
FILE = APP / "campaign.toml"
GOOD = Result(
    index=0, kind="crash", target="led", victim="led", recovery_ms=21.5, fault="EXCEPTION"
)
BAD = replace(GOOD, index=1, recovery_ms=None, violations=("led was <not> back within 9 ms",))


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
    short = replace(APPLICATION.services[4], heartbeat_ms=1000)
    services = (*APPLICATION.services[:4], short, *APPLICATION.services[5:])
    assert short.name in targets_of(KINDS["late-reply"], APPLICATION)
    hung = why_not(KINDS["late-reply"], short.name, replace(APPLICATION, services=services))
    assert hung == "its heartbeat_ms is shorter"


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


def test_the_counts_of_recovery_times_are_labelled_where_they_are() -> None:
    results = [replace(GOOD, index=index, recovery_ms=10.0) for index in range(3)]
    drawn = distribution(results, limit_ms=1000)
    label = re.search(r'y="([\d.]+)" text-anchor="end">1<', drawn)
    bar = re.search(r'class="bar".* y="([\d.]+)" width="[\d.]+" height="([\d.]+)"', drawn)
    assert label and bar
    floor, a_third = float(bar[1]) + float(bar[2]), float(bar[2]) / 3
    assert float(label[1]) - 4 == pytest.approx(floor - a_third, abs=0.2)


def test_a_page_of_nothing_is_a_page() -> None:
    found = Page()
    found.feed(page(PLAN, []))
    assert found.open == []
