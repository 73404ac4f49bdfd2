"""A strike before every store of the kernel: it ends the step it is meant for, or none.

The tick comes at the very end of a budget, between any two instructions of compiled
code. So the kernel's array here tells of each store, and a scenario runs once for every store at
which a task runs, with its budget over and the tick just before that store.
"""

from collections.abc import Generator
from typing import Any

import pytest
from told_stores import Words

from cases.ports import CasePort
from cases.rig import Rig, burn_us
from kernel import state
from kernel.abi import BUDGET
from kernel.layout import ARMED, RUNNING_TASK, STEP_DEADLINE, STRUCK

Main = Generator[int, int, None]
_END_MS = 60


class Scenario:
    """A hog with a long step, preempted by what sleeps, beside an equal and a server."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(state, "array", Words)
        self.rig = Rig(CasePort())
        self.struck = 0
        self.countdown = 0
        self.rig.add("sleeper", self.sleeper, priority=1, uses="server:call")
        self.rig.add("server", self.server, priority=2)
        self.rig.add("hog", self.hog, priority=5, budget_ms=10)
        self.rig.add("equal", self.server, priority=5)

    def sleeper(self, task: Any) -> Main:
        for _ in range(5):
            yield task.sleep(2)
            burn_us(self.rig, 100)
            yield task.call(task.cap("server"), 1)
        yield task.recv()

    def server(self, task: Any) -> Main:
        yield task.recv()
        while True:
            burn_us(self.rig, 100)
            yield task.reply_recv(0)

    def hog(self, task: Any) -> Main:
        for _ in range(2):
            burn_us(self.rig, 4_500)
            yield task.sleep(1)
        yield task.recv()

    def strike(self) -> None:
        """Be the tick at the end of the budget of whoever runs, at the store counted down to."""
        words = self.rig.kernel.words
        if not (words[ARMED] and words[RUNNING_TASK]) or self.struck:
            return
        self.countdown -= 1
        if self.countdown < 0:
            self.struck = words[RUNNING_TASK]
            port = self.rig.port
            port.clock.us = max(port.clock.us, words[STEP_DEADLINE])
            port._tick()

    def run(self, store: int) -> bool:
        """Run with a strike before that store; return whether there was one."""
        words = self.rig.start().words
        self.countdown = store
        words.before = self.strike
        self.rig.run(_END_MS)
        words.before = None
        return self.struck != 0


def test_a_strike_before_any_store_ends_whom_it_is_meant_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = 0
    names = ("sleeper", "server", "hog", "equal")
    ended = set()
    while True:
        scenario = Scenario(monkeypatch)
        rig = scenario.rig
        if not scenario.run(store):
            break
        for name in names:
            if rig.fault(name):
                assert (rig.task(name), rig.fault(name)) == (scenario.struck, BUDGET), store
                ended.add(name)
        assert rig.kernel.words[STRUCK] == 0, store
        store += 1
    assert store > 20
    assert "hog" in ended
