"""What runs on top of a step is no part of it: neither of its account nor of its allowance.

The tick measures from NOW how much of a step were collections, which are not charged.
"""

from collections.abc import Generator
from typing import Any

from cases.ports import CasePort
from cases.rig import Rig, burn_us
from kernel.layout import CPU_US, NOW
from kernel.limits import TIME_MASK

Main = Generator[int, int, None]
_ON_TOP_US = 5_000


def test_time_on_top_of_a_step_is_not_the_steps_own() -> None:
    rig = Rig(CasePort())

    def low(task: Any) -> Main:
        words = rig.kernel.words
        begun_us = words[NOW]
        while not rig.log:
            burn_us(rig, 10)
        rig.log.append((words[NOW] - begun_us) & TIME_MASK)
        rig.log.append(rig.word("low", CPU_US))  # of the steps before
        yield task.recv()

    def high(task: Any) -> Main:
        yield task.sleep(2)
        burn_us(rig, _ON_TOP_US)
        rig.log.append("has run")
        yield task.recv()

    rig.add("low", low, priority=5, budget_ms=10)
    rig.add("high", high, priority=1)
    rig.run(20)
    _, shifted_us, before_us = rig.log
    assert _ON_TOP_US <= shifted_us < _ON_TOP_US + 1_000
    assert before_us < _ON_TOP_US
    assert before_us <= rig.word("low", CPU_US) < _ON_TOP_US
    assert rig.fault("low") == 0
