"""A kill of the unix port, whose judge runs beside the step it judges, meets that or nobody.

Each test holds the judge up, or what it judges, at the one moment that matters.
"""

import subprocess
from pathlib import Path

import pytest

_TIMEOUT_S = 300

_SCRIPT = """
import time
from cases.ports import CasePort
from cases.rig import Rig, burn_us
from kernel.layout import STEPS, STEP_DEADLINE, STRUCK

rig = Rig(CasePort())
port = rig.port
log = rig.log
lingers = []


def spin(task):
    while True:
        pass
    yield


def edge(task):
    while rig.kernel.words[STRUCK] == 0:
        pass
    yield task.sleep(1000)


def ticker(task):
    while True:
        yield task.sleep(5)
        log.append("tick")
        while lingers:
            pass


def wait(is_so):
    for _ in range(40):
        if is_so():
            break
        time.sleep_ms(5)


class Words:
    "What the judge has of the kernel's words."

    def __init__(self, held_at, hold):
        self.words = rig.kernel.words
        self.held_at = held_at
        self.hold = hold

    def __getitem__(self, at):
        return self.words[at]

    def __setitem__(self, at, value):
        if at == self.held_at and value:
            self.held_at = None
            self.hold(self.words, value)
        self.words[at] = value


rig.add("hog", HOG, priority=6, budget_ms=8)
rig.add("ticker", ticker, priority=2)
rig.start()
"""

_END = """
rig.run(100)
print(rig.fault("hog"), rig.fault("ticker"), "some ticks" if len(log) < 8 else "all ticks")
"""

# It has decided, and before it strikes the step ends by itself.
_DECIDED = """
def hold(words, value):
    wait(lambda: rig.word("hog", STEPS))
    wait(lambda: words[STRUCK] == 0)


port.words = Words(STEP_DEADLINE, hold)
"""

# It has counted, and before it sees that another step runs by now, that one ends.
_COUNTED = """
def hold(words, value):
    ticks = len(log)
    steps = rig.word("ticker", STEPS)
    lingers.append(1)
    port.clock[0] += 5000
    port.request()
    wait(lambda: len(log) > ticks)
    words[STRUCK] = value
    lingers.clear()
    wait(lambda: rig.word("ticker", STEPS) > steps)
    wait(lambda: words[STRUCK] == 0)


port.words = Words(STRUCK, hold)
"""

# An entry to the interrupt level, which is no step, takes until the budget is over.
_ENTERED = """
enter = port.enter


def late(kernel):
    burn_us(rig, 4_000)
    enter(kernel)


port.enter = late
"""


@pytest.mark.parametrize(
    ("hog", "moment", "expected"),
    [
        pytest.param("edge", _DECIDED, "0 0 all ticks", id="the-step-ends-as-it-is-struck"),
        pytest.param("spin", _COUNTED, "2 0 all ticks", id="another-step-runs-by-then"),
        pytest.param("spin", _ENTERED, "2 0 all ticks", id="the-interrupt-level-is-entered"),
    ],
)
def test_a_kill_meets_whom_it_is_meant_for(
    hog: str, moment: str, expected: str, micropython: Path, folded_firmware: Path
) -> None:
    tests = Path(__file__).parents[1]
    done = subprocess.run(
        [micropython, "-c", _SCRIPT.replace("HOG", hog) + moment + _END],
        env={"MICROPYPATH": f"{folded_firmware}:{tests}:.frozen"},
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    assert done.stdout + done.stderr == expected + "\n"
