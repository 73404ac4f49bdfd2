"""A strike before any store of the kernel, and a hard line before any store that follows.

What `tests/model/kill.pml` says of the model, of the code itself: a kill ends the step it was
meant for or none, a hard driver loses nothing and is never hit, and nothing is left over.
"""

from collections.abc import Generator
from typing import Any

import pytest
from told_stores import Words

from cases.ports import CasePort
from cases.rig import Rig, burn_us
from kernel import state
from kernel.abi import ATTENDING, BUDGET, NOTIFIED
from kernel.layout import ARMED, LINE_COUNT, RUNNING_TASK, STEP_DEADLINE, STRUCK, TASKS_END

Main = Generator[int, int, None]
_END_MS = 60
# The stores after a strike before which the line fires: all until the struck task is replaced by
# the next, and some of the step that follows.
_AHEAD = 24


class Scenario:
    """A hog that is preempted, beside a hard driver and whom it notifies."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, strike_at: int, fire_after: int) -> None:
        monkeypatch.setattr(state, "array", Words)
        self.rig = Rig(CasePort())
        self.strike_at = strike_at
        self.fire_after = fire_after
        self.struck = 0
        self.steps = 0
        self.bits = 0
        self.rig.add("stop", self.stop, lines=("edge",), hard=True, uses="watcher:notify")
        self.rig.add("watcher", self.watcher, priority=2)
        self.rig.add("sleeper", self.sleeper, priority=1)
        self.rig.add("hog", self.hog, priority=5, budget_ms=8)

    def stop(self, task: Any) -> Main:
        line = task.cap("edge")
        yield task.acknowledge(line)
        while True:
            assert (yield task.recv()) == NOTIFIED
            self.steps += 1
            yield task.notify(task.cap("watcher"), self.steps)
            yield task.acknowledge(line)

    def watcher(self, task: Any) -> Main:
        while True:
            yield task.recv()
            self.bits |= task.bits()

    def sleeper(self, task: Any) -> Main:
        for _ in range(3):
            yield task.sleep(2)
            burn_us(self.rig, 50)
        yield task.recv()

    def hog(self, task: Any) -> Main:
        burn_us(self.rig, 3_000)
        yield task.sleep(1)
        burn_us(self.rig, 3_000)
        yield task.recv()

    def look(self) -> None:
        """Be the interrupts that are due before this store."""
        words = self.rig.kernel.words
        if self.rig.port.clock.us >= _END_MS * 1000:  # in the midst of the run's end
            return
        if self.struck:
            if self.fire_after == 0:
                self.rig.port.fire(self.rig.line(0))
            self.fire_after -= 1
        elif words[ARMED] and words[RUNNING_TASK]:
            if self.strike_at == 0:
                self.struck = words[RUNNING_TASK]
                port = self.rig.port
                port.clock.us = max(port.clock.us, words[STEP_DEADLINE])
                port._tick()
            self.strike_at -= 1

    def run(self) -> bool:
        """Run; return whether both interrupts came."""
        words = self.rig.start().words
        words.before = self.look
        self.rig.run(_END_MS)
        words.before = None
        self.rig.run(5)
        return self.struck != 0 and self.fire_after < 0


def judge(scenario: Scenario, at: str) -> None:
    rig = scenario.rig
    words = rig.kernel.words
    for name in ("stop", "watcher", "sleeper", "hog"):
        if rig.fault(name):
            assert (rig.task(name), rig.fault(name)) == (scenario.struck, BUDGET), at
    assert words[STRUCK] == 0, at
    if rig.fault("stop"):  # struck before it attended
        return
    assert rig.state("stop") == ATTENDING, at
    assert words[words[TASKS_END] + LINE_COUNT] == scenario.steps, at
    if not rig.fault("watcher"):
        assert scenario.bits == scenario.steps, at


def test_a_strike_and_a_hard_line_before_any_two_stores(monkeypatch: pytest.MonkeyPatch) -> None:
    strike_at = 0
    pairs = 0
    served = 0
    while True:
        struck = False
        for fire_after in range(_AHEAD):
            scenario = Scenario(monkeypatch, strike_at, fire_after)
            if not scenario.run():
                struck = struck or scenario.struck != 0
                break
            struck = True
            pairs += 1
            served += scenario.steps
            judge(scenario, f"strike before store {strike_at}, line {fire_after} stores later")
        if not struck:
            break
        strike_at += 1
    assert strike_at > 10
    assert pairs > 10 * _AHEAD
    assert served > pairs // 2
