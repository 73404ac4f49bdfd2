"""Times of the kernel come round after 18 minutes: what is older must not seem young again."""

from collections.abc import Generator
from typing import Any

import pytest

from cases.ports import CasePort
from cases.rig import Rig, idle
from kernel.abi import EXCEPTION
from kernel.faults import fault
from kernel.limits import SUPERVISOR_FAULTS_MAX, TIME_MASK

_RANGE_MS = (TIME_MASK + 1) / 1000


def supervisor(task: Any) -> Generator[int, int, None]:
    """Start the others, and wait as the one that ships does: an hour at most."""
    kernel = task.cap("kernel")
    yield task.start(kernel, 2)
    while True:
        yield task.recv(3_600_000)


@pytest.mark.parametrize("ranges", [1, 2, 3, 7])
def test_a_line_that_fires_now_and_then_is_no_storm(ranges: int) -> None:
    rig = Rig(CasePort())
    served = []

    def gauge(task: Any) -> Generator[int, int, None]:
        line = task.cap("edge")
        while True:
            yield task.acknowledge(line)
            yield task.recv()
            served.append(rig.port.uptime_ms())

    rig.add("supervisor", supervisor, priority=0, uses="kernel:control")
    rig.add("gauge", gauge, lines=("edge",), rate=1)
    rig.start()
    for number in range(4):
        at_ms = 100 + number * (ranges * _RANGE_MS + 100)
        rig.port.at(int(at_ms), lambda: rig.port.fire(rig.line(0)))
    rig.run(int(4 * (ranges + 1) * _RANGE_MS))
    assert len(served) == 4
    assert rig.fault("gauge") == 0


@pytest.mark.parametrize("ranges", [1, 2, 3, 4, 9])
def test_faults_of_the_supervisor_that_are_long_ago_do_not_reset_the_board(ranges: int) -> None:
    rig = Rig(CasePort())
    rig.add("supervisor", supervisor, priority=0, uses="kernel:control")
    rig.add("other", idle)
    rig.run(100)
    for _ in range(SUPERVISOR_FAULTS_MAX):
        fault(rig.kernel, rig.task("supervisor"), EXCEPTION, None)
        rig.run(100)
    rig.run(int(ranges * _RANGE_MS))
    fault(rig.kernel, rig.task("supervisor"), EXCEPTION, None)
    rig.run(100)
    assert rig.generation("supervisor") == SUPERVISOR_FAULTS_MAX + 2


def test_as_many_faults_of_the_supervisor_in_a_row_reset_the_board() -> None:
    rig = Rig(CasePort())
    rig.add("supervisor", supervisor, priority=0, uses="kernel:control")
    rig.add("other", idle)
    rig.run(int(5 * _RANGE_MS))
    with pytest.raises(SystemExit):
        for _ in range(SUPERVISOR_FAULTS_MAX + 1):
            rig.run(100)
            fault(rig.kernel, rig.task("supervisor"), EXCEPTION, None)
        rig.run(100)
