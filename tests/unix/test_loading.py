"""New code loaded from files, by a step of the service that orders it, under MicroPython."""

import subprocess
from pathlib import Path
from typing import Protocol

import pytest

_TIMEOUT_S = 300

_SLOW = """
from cases.ports import CasePort
import time

for _ in range(LENGTH):
    time.sleep_ms(1)
    for _ in range(50):
        pass


def main(task):
    while True:
        yield task.recv()
"""

_SCRIPT = """
from cases.ports import CasePort
from cases.rig import Rig, controlled, is_down, until
from kernel.abi import LOAD
from kernel.layout import CPU_US

rig = Rig(CasePort())
log = rig.log


def updater(task):
    yield from until(task, lambda: rig.state("victim") == 3)
    log.append("loads")
    status = yield task.replace(task.cap("kernel"), 2, LOAD, NEW)
    log.append((status, task.arg))
    yield task.recv()


def innocent(task):
    yield from until(task, lambda: STOPS and is_down(rig, "updater")() or len(log) > 1)
    raise ValueError("an ordinary mistake")


def script(task, kernel):
    yield from until(task, lambda: "loads" in log)
    if STOPS:
        yield task.sleep(5)
        log.append((yield task.stop(kernel, 1)))
    yield from until(task, is_down(rig, "innocent"))


others = (
    ("updater", updater, {"priority": 4, "uses": "kernel:control", "budget_ms": 1000}),
    ("victim", "victims.victim.service", {"priority": 5}),
    ("innocent", innocent, {"priority": 5}),
)
controlled(rig, script, *others)
print(log, [rig.state(name) for name in ("updater", "victim", "innocent")], rig.kernel.loading)
"""


_LOOKING = """
import time

import __main__

for _ in range(60):
    time.sleep_ms(1)
    __main__.log.append(__main__.rig.state("victim"))


def main(task):
    yield task.recv()
"""

_TWO = """
from cases.ports import CasePort
from cases.rig import Rig, controlled, until
from kernel.abi import LOADING, RECEIVING, SLEEPING

rig = Rig(CasePort())
log = rig.log


def script(task, kernel):
    yield from until(task, lambda: rig.kernel.loading == 1)
    yield task.stop(kernel, 2)
    yield task.start(kernel, 2)
    yield from until(task, lambda: rig.state("victim") == RECEIVING)


others = (
    ("looking", "new.service", {"priority": 5}),
    ("victim", "victims.victim.service", {"priority": 4}),
)
controlled(rig, script, *others)
print(LOADING in log, SLEEPING in log)
"""


class Load(Protocol):
    """Have new code loaded; return what was printed."""

    def __call__(self, *, stops: bool = False, text: str = "", script: str = _SCRIPT) -> str:
        """Stop who loads it, or not; load a module of such a text."""


@pytest.fixture
def load(tmp_path: Path, micropython: Path, folded_firmware: Path) -> Load:
    """Return a function that has new code loaded, stopping who loads it or not."""
    for folder, length in (("victims/victim", 1), ("new", 60)):
        place = tmp_path / folder
        place.mkdir(parents=True)
        (place / "service.py").write_text(_SLOW.replace("LENGTH", str(length)))

    def run(*, stops: bool = False, text: str = "", script: str = _SCRIPT) -> str:
        if text:
            (tmp_path / "new" / "service.py").write_text(text)
        program = tmp_path / "script.py"
        head = f"NEW = {str(tmp_path / 'new')!r}\nSTOPS = {stops}\n"
        program.write_text(head + script)
        tests = Path(__file__).parents[1]
        done = subprocess.run(
            [micropython, program],
            env={"MICROPYPATH": f"{folded_firmware}:{tests}:{tmp_path}:.frozen"},
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
        return done.stdout + done.stderr

    return run


def test_who_is_stopped_while_it_loads_ends_and_no_other(load: Load) -> None:
    assert load(stops=True) == "['loads', 0] [0, 3, 8] 0\n"


def test_code_is_loaded_in_the_time_that_loading_may_take(load: Load) -> None:
    assert load(stops=False) == "['loads', (0, None)] [3, 3, 8] 0\n"


def test_code_that_does_not_load_tells_why(load: Load) -> None:
    got = load(stops=False, text="raise ValueError('not today')")
    assert got == "['loads', (196, 'ValueError: not today')] [3, 3, 8] 0\n"


def test_code_that_spins_as_it_loads_is_given_up(load: Load) -> None:
    got = load(stops=False, text="while True:\n    pass\n")
    assert got == "['loads', (196, 'it takes too long to load')] [3, 3, 8] 0\n"


def test_who_waits_until_another_is_loaded_is_not_taken_for_one_that_sleeps(load: Load) -> None:
    assert load(text=_LOOKING, script=_TWO) == "True False\n"
