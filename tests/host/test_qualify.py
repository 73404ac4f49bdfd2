"""`bulkhead qualify` without a board: report, options, and what it makes of bad answers."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from bulkhead_host.cli import group
from bulkhead_host.commands import qualify as command
from bulkhead_host.commands.sim import parse_wire
from bulkhead_host.emulator.planted import Planted, parse_faults
from bulkhead_host.errors import (
    BulkheadError,
    DeviceException,
    DeviceNotFound,
    DeviceTimeout,
    UsageError,
)
from bulkhead_host.link.raw_repl import READY, RawRepl
from bulkhead_host.link.transport import Transport
from bulkhead_host.qualify import chip, kernel, lines, storage
from bulkhead_host.qualify.attacks import PINS, batches, listed
from bulkhead_host.qualify.report import Report, line_to_send, to_html, to_json, to_junit
from bulkhead_host.qualify.run import PARTS, Images, Plan, beside, qualify
from bulkhead_host.qualify.verdicts import Row, Verdict, failed, passed, skipped

LIMIT_S = 5.0


class Answering:
    """A line to an interpreter that answers each program as it is told to."""

    name = "a line"
    pace_min = 1.0

    def __init__(self, answer: Callable[[str], bytes]) -> None:
        self._answer = answer
        self._waiting = b""
        self._typed = b""
        self._now_s = 0.0

    def read(self, timeout_s: float) -> bytes:
        found, self._waiting = self._waiting, b""
        self._now_s += 0.001 if found else max(timeout_s, 0.01)
        return found

    def write(self, data: bytes) -> None:
        self._typed += data
        if self._typed.endswith(b"\x01"):
            self._waiting += b"\r\nraw REPL; CTRL-B to exit\r\n>"
            self._typed = b""
        elif self._typed == b"\x04":
            self._waiting += b"OK\r\nMPY: soft reboot\r\n" + READY
            self._typed = b""
        elif self._typed.endswith(b"\x04"):
            source, self._typed = self._typed[:-1].decode(), b""
            self._waiting += self._answer(source)

    def clock_s(self) -> float:
        return self._now_s

    def close(self) -> None:
        pass


def prompt(answer: Callable[[str], bytes]) -> RawRepl:
    repl = RawRepl(Answering(answer))
    repl.enter()
    return repl


def said(text: str, error: str = "") -> bytes:
    return b"OK" + text.encode() + b"\x04" + error.encode() + b"\x04>"


class OnlyLine:
    """A desk whose board answers in one way, and is lost where it raises."""

    name, port, limit_s = "a desk", "", LIMIT_S

    def __init__(self, answer: Callable[[str], bytes]) -> None:
        self.line: Transport = Answering(answer)
        self.flashed: list[Path] = []

    def check(self) -> None:
        pass

    def clock_s(self) -> float:
        return self.line.clock_s()

    def flash(self, image: Path) -> None:
        self.flashed.append(image)

    def returned(self) -> RawRepl:
        repl = RawRepl(self.line)
        repl.enter()
        return repl

    def close(self) -> None:
        pass


def test_a_program_gives_its_output_or_its_traceback() -> None:
    assert prompt(lambda _: said("1\r\n2\r\n")).execute("x", timeout_s=1) == "1\n2\n"
    with pytest.raises(DeviceException, match="ValueError"):
        prompt(lambda _: said("", "Traceback\r\nValueError: no")).execute("x", timeout_s=1)
    with pytest.raises(DeviceTimeout, match="half"):
        prompt(lambda _: b"OKhalf").execute("x" * 700, timeout_s=1)


def test_a_soft_reset_leaves_nothing_for_the_next_program() -> None:
    repl = prompt(lambda _: said("new"))
    repl.soft_reset()
    assert repl.execute("x", timeout_s=1) == "new"


def test_a_prompt_that_does_not_come_is_told() -> None:
    class Silent(Answering):
        def write(self, data: bytes) -> None:
            pass

    with pytest.raises(DeviceTimeout, match="no prompt within 3 s"):
        RawRepl(Silent(lambda _: b"")).enter(timeout_s=3)


@pytest.mark.parametrize(
    ("texts", "wanted"),
    [
        ((), Planted()),
        (("line:GP3", "line:4"), Planted(deaf_pins=frozenset({3, 4}))),
        (("flash-page",), Planted(lost_page_every=23)),
        (("flash-page:1",), Planted(lost_page_every=1)),
        (("clock:-3%",), Planted(clock_error=-0.03)),
        (("clock:+20%",), Planted(clock_error=0.2)),
    ],
)
def test_faults_are_read(texts: tuple[str, ...], wanted: Planted) -> None:
    assert parse_faults(texts) == wanted


@pytest.mark.parametrize(
    "text",
    ["", "line", "line:", "line:GP30", "flash-page:0", "clock", "clock:3", "clock:+21%", "fire:1"],
)
def test_what_is_no_fault_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_faults([text])


@pytest.mark.parametrize("text", ["GP2", "GP2-", "GP2-GP2", "GP2-GP40", "-"])
def test_what_is_no_wire_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_wire(text)


def test_a_clock_is_judged_on_both_sides_of_the_limit(tmp_path: Path) -> None:
    def judged(frames: int, took_us: int) -> Row:
        repl = prompt(lambda _: said(f"{frames} {took_us}\r\n"))
        return chip._clock(repl, LIMIT_S)

    assert judged(500, 500_999).verdict is Verdict.PASSED
    assert judged(500, 501_001).verdict is Verdict.FAILED
    assert "fast" in judged(500, 515_000).detail
    assert "slow" in judged(500, 485_000).detail
    assert judged(0, 0).verdict is Verdict.SKIPPED
    with pytest.raises(BulkheadError, match="answer is none"):
        chip._clock(prompt(lambda _: said("what?")), LIMIT_S)


def test_a_line_that_is_dead_and_a_wire_that_is_not_there_are_told_apart() -> None:
    def details(answer: str) -> list[tuple[Verdict, str]]:
        repl = prompt(lambda _: said(answer))
        rows = lines.look(repl, (), ((2, 3),), limit_s=LIMIT_S)
        return [(row.verdict, row.detail) for row in list(rows)[:3]]

    good = details("20 20 20 90 1 0")
    assert [verdict for verdict, _ in good] == [Verdict.PASSED] * 3
    dead = details("20 20 0 0 1 0")
    assert dead[1] == (
        Verdict.FAILED, "the line GP3 never interrupts, though its level follows",
    )  # fmt: skip
    wire = details("0 20 0 0 0 0")
    assert "is the wire there" in wire[0][1]
    assert "never" not in wire[1][1]
    assert details("20 20 19 90 1 0")[1][1] == "the driver had 19 of 20 edges"
    assert details("20 20 20 90 1 1")[2][0] is Verdict.FAILED


def test_lost_and_torn_pages_are_failures() -> None:
    def row(answer: str) -> Row:
        return storage._pages(prompt(lambda _: said(answer)), LIMIT_S)

    assert row("tried 128\r\n").verdict is Verdict.PASSED
    assert "1 of 128" in row("tried 128\r\nlost 256\r\n").detail
    assert "0x001000" in row("tried 128\r\ntorn 4096\r\n").detail
    assert row("tried 0\r\n").verdict is Verdict.SKIPPED
    assert row("nonsense\r\n").verdict is Verdict.FAILED


def test_no_pin_is_driven_that_was_not_named() -> None:
    ran: list[str] = []

    def answer(source: str) -> bytes:
        ran.append(source)
        return said("")

    rows = [*lines.look(prompt(answer), (), (), limit_s=LIMIT_S)]
    rows += kernel.look_at_cases(prompt(answer), (2, 3), lambda _: True, limit_s=LIMIT_S)
    rows += kernel.look_at_attacks(prompt(answer), (16, 17), lambda _: True, limit_s=LIMIT_S)
    left_out = {row.name for row in rows if row.verdict is Verdict.SKIPPED}
    assert left_out == {"interrupt lines", "outputs", *PINS}
    assert not [source for source in ran if "outputs" in source or "from_sound" in source]
    ran.clear()
    list(kernel.look_at_cases(prompt(answer), (2, 3, 4), lambda _: True, limit_s=LIMIT_S))
    assert [source for source in ran if "run('outputs'" in source]


def test_cases_whose_pins_a_wire_joins_are_left_out() -> None:
    def names(wires: tuple[tuple[int, int], ...]) -> set[str]:
        repl = prompt(lambda _: said(""))
        rows = kernel.look_at_cases(
            repl, (2, 3, 4, 5), lambda case: case[:3] == "out", wires=wires, limit_s=LIMIT_S
        )
        return {row.name for row in rows if row.verdict is Verdict.SKIPPED}

    assert names(((2, 3),)) == names(((4, 2),)) == {"outputs"}
    assert names(((4, 5),)) == names(()) == set()


def test_a_reset_by_the_watchdog_is_not_taken_for_a_crash() -> None:
    def verdicts(cause: str) -> dict[str, Verdict]:
        repl = prompt(lambda source: said(cause if "reset_cause" in source else ""))
        rows = kernel.look_at_cases(
            repl, (), lambda case: case.startswith("records:"), limit_s=LIMIT_S
        )
        return {row.name: row.verdict for row in rows}

    name = kernel.NEEDS_NO_WATCHDOG
    assert verdicts("0")[name] is Verdict.PASSED
    found = verdicts("1")
    assert found.pop(name) is Verdict.SKIPPED
    assert set(found.values()) == {Verdict.PASSED}


def test_ctrl_c_leaves_a_report_of_what_was_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(source: str) -> bytes:
        if "run(" in source:
            raise KeyboardInterrupt
        return said("")

    monkeypatch.setattr(command, "EmulatedDesk", lambda **_: OnlyLine(answer))
    options = command.Options(
        plan=Plan(parts=(kernel.CASES_PART,)), output=tmp_path / "report", is_compared=False
    )
    with pytest.raises(KeyboardInterrupt):
        command.qualify_board(options, images=images(tmp_path))
    rows = json.loads((tmp_path / "report" / "report.json").read_text())["rows"]
    assert rows[-1]["detail"] == "ended by Ctrl-C"


def test_the_attacks_that_set_up_pins_are_known() -> None:
    names = {attack.name for attack in listed()}
    assert names >= PINS.keys()
    assert [name for batch in batches(sorted(names)) for name in batch if name in PINS]


def test_what_a_case_or_an_attack_does_wrong_is_in_its_row() -> None:
    rows = list(
        kernel.look_at_cases(
            prompt(
                lambda source: said("", "AssertionError: got 1, wanted 2" * ("run(" in source))
            ),
            (),
            lambda case: case.startswith("messages:"),
            limit_s=LIMIT_S,
        )
    )
    assert rows
    assert {row.detail for row in rows} == {"AssertionError: got 1, wanted 2"}
    (row,) = kernel.look_at_attacks(
        prompt(lambda _: said("attack spin: reached none harmed\r\n")),
        (),
        lambda name: name == "spin",
        limit_s=LIMIT_S,
    )
    assert row.verdict is Verdict.FAILED
    assert "reached none harmed; right is stopped" in row.detail


def images(tmp_path: Path) -> Images:
    return Images(**{name: tmp_path / name for name in ("cases", "bench", "application")})


def test_the_whole_is_bounded_and_says_what_was_left(tmp_path: Path) -> None:
    slow = OnlyLine(lambda _: said(""))
    plan = Plan(parts=(kernel.CASES_PART, "benchmark"), limit_s=0.02)
    rows = qualify(slow, plan, images(tmp_path))
    assert [row.part for row in rows if row.name == "the rest"] == [kernel.CASES_PART, "benchmark"]
    assert sum(row.part == kernel.CASES_PART for row in rows) < 20


def test_the_file_is_removed_where_the_time_is_over(tmp_path: Path) -> None:
    ran: list[str] = []

    def answer(source: str) -> bytes:
        ran.append(source)
        return said("tried 128\r\n" if "rp2.Flash" in source else "")

    rows = qualify(OnlyLine(answer), Plan(parts=("flash",), limit_s=0.001), images(tmp_path))
    assert [row.name for row in rows] == ["pages hold what is written", "the rest"]
    assert "os.remove(name)" in ran[-1]


def test_a_board_that_is_lost_ends_it_and_every_part_is_told_of(tmp_path: Path) -> None:
    class Gone(OnlyLine):
        def flash(self, image: Path) -> None:
            super().flash(image)
            if len(self.flashed) == 2:
                self.line = Answering(lambda _: b"")
                self.line.write = lambda data: None  # type: ignore[method-assign]

    desk = Gone(lambda _: said(""))
    plan = Plan(pattern="messages:*")
    rows = qualify(desk, replace(plan, parts=("cases", "benchmark", "clients")), images(tmp_path))
    lost = [row for row in rows if row.name == "the board"]
    assert [row.part for row in lost] == ["benchmark"]
    assert rows[-1] == skipped("clients", "all", "the board was lost before")
    assert len(desk.flashed) == 2


REPORT = Report(
    board={"board": "a <Pico>", "serial": "e66"},
    rows=beside(
        [
            passed("cases", "one"),
            failed("pins", "GP2", "the line GP2 never interrupts"),
            skipped("flash", "all", "no time"),
            Row(part="benchmark", name="call_us", verdict=Verdict.PASSED, value=55.0, unit="us"),
            Row(part="benchmark", name="irq_us", verdict=Verdict.PASSED, value=51.0, unit="us"),
        ],
        [
            Row(part="benchmark", name="call_us", verdict=Verdict.PASSED, value=49.0),
            Row(part="benchmark", name="irq_us", verdict=Verdict.PASSED, value=50.0),
        ],
    ),
    seconds=12.0,
)


def test_the_report_says_what_failed_and_marks_what_differs() -> None:
    page = to_html(REPORT)
    assert "a &lt;Pico&gt;" in page
    assert page.count('class="failed"') == 2  # by itself, and in its part
    assert "+12.2 %" in page
    found = json.loads(to_json(REPORT))
    assert (found["passed"], found["failed"], found["skipped"]) == (3, 1, 1)
    assert [row["name"] for row in found["rows"] if row["differs"]] == ["call_us"]
    suites = ElementTree.fromstring(to_junit(REPORT))
    assert [suite.get("name") for suite in suites] == ["cases", "pins", "flash", "benchmark"]
    assert suites.find("./testsuite/properties/property[@name='serial']") is not None
    assert len(suites.findall(".//failure")) == 1
    assert "pins: GP2 [" in line_to_send(REPORT)
    assert "\n" not in line_to_send(REPORT)


def test_a_port_that_is_not_there_is_said_before_an_image_is_built(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def build(_tell: object) -> Images:
        raise AssertionError("images were built for no board")

    monkeypatch.setattr(command, "built_images", build)
    options = command.Options(port=str(tmp_path / "nothing"), output=tmp_path)
    with pytest.raises(DeviceNotFound):
        command.qualify_board(options)
    assert not list(tmp_path.iterdir())


def test_a_board_at_a_port_gets_no_fault_planted() -> None:
    done = CliRunner().invoke(group, ["qualify", "--port", "x", "--fault", "clock:+3%"])
    assert isinstance(done.exception, UsageError)
    done = CliRunner().invoke(group, ["qualify", "--only", "nothing"])
    assert done.exit_code == 2
    assert all(part in done.output for part in PARTS)
