"""`bulkhead qualify` on emulated boards: nothing is wrong with a sound one, faults are named."""

from pathlib import Path

import pytest

from bulkhead_host.emulator.planted import parse_faults
from bulkhead_host.qualify import storage
from bulkhead_host.qualify.desks import EmulatedDesk
from bulkhead_host.qualify.image import cases_image
from bulkhead_host.qualify.run import Images, Plan, qualify
from bulkhead_host.qualify.verdicts import Verdict

WIRE = (6, 7)


@pytest.fixture(scope="module")
def images() -> Images:
    image = cases_image()
    return Images(cases=image, bench=image, application=Path("not flashed"))


@pytest.fixture(autouse=True)
def one_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the time of four boots."""
    monkeypatch.setattr(storage, "CUTS_MS", (9,))


def test_a_sound_board_has_nothing_wrong(images: Images) -> None:
    desk = EmulatedDesk(wires=[WIRE])
    plan = Plan(
        parts=("chip", "flash", "pins", "cases", "attacks"), pattern="*forge*", wires=(WIRE,)
    )
    rows = qualify(desk, plan, images)
    desk.close()
    wrong = [row for row in rows if row.verdict is not Verdict.PASSED]
    assert {row.name for row in wrong} <= {"outputs"}, wrong
    assert {row.part for row in rows} == set(plan.parts)
    assert all(row.value for row in rows if row.name.endswith("interrupts"))


def test_planted_faults_are_found_and_named(images: Images) -> None:
    faults = parse_faults(["line:GP7", "flash-page", "clock:+3%"])
    desk = EmulatedDesk(wires=[WIRE], faults=faults)
    rows = qualify(desk, Plan(parts=("chip", "flash", "pins"), wires=(WIRE,)), images)
    desk.close()
    failed = {row.name: row.detail for row in rows if row.verdict is Verdict.FAILED}
    assert set(failed) == {
        "the clock beside the computer's",
        "pages hold what is written",
        "GP6 to GP7: interrupts",
    }
    assert "% fast" in failed["the clock beside the computer's"]
    assert "loses pages" in failed["pages hold what is written"]
    assert "GP7 never interrupts" in failed["GP6 to GP7: interrupts"]
