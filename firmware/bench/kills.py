"""How far past the end of its budget a spinning service is killed, at both levels.

From STEP_DEADLINE, the kernel's own end of the hog's budget, to the first instruction that
another service runs after the kill: the supervisor's stand-in here, which the fault notifies and
which is all that a real supervisor needs to act. So the timer's lateness, the injected exception,
its landing, the fault with its record and the switch are all in it; its traceback is written out
when the supervisor takes the fault, after that.

The stand-in sleeps, computes for a while, a little longer each time so that budgets end at every
phase of the tick, and starts the hog. At the main level nothing else is ready. At the interrupt
level a less important service spins, so that the stand-in, and the hog with it, runs on top.
"""

from time import sleep_us, ticks_diff, ticks_us

from bench.report import figure
from bench.stage import CONTROL, Stage, beneath, row
from kernel.abi import BUDGET
from kernel.layout import OUTER, STEP_DEADLINE
from micropython import const

_KILLS = const(50)
_BUDGET_US = const(2_000)
_PHASE_STEP_US = const(20)
_HOG = const(2)  # task numbers, in the order of the table
_BASE = const(3)


class Witness:
    """What the hog notes before it spins: when it must be dead, and at which level it runs."""

    def __init__(self, stage):
        self.stage = stage
        self.deadline = 0
        self.on_top = 0

    def note(self):
        """Read the kernel's words as the running task."""
        words = self.stage.kernel.words
        self.deadline = words[STEP_DEADLINE]
        self.on_top = 1 if words[OUTER] else 0


def measure(at_interrupt_level):
    """Return the microseconds over budget of each kill, sorted; raise if one was not a kill."""
    stage = Stage()
    witness = Witness(stage)
    over = []

    def hog(task):
        witness.note()
        while True:
            pass
        yield

    def supervisor(task):
        kernel = task.cap("kernel")
        yield task.start(kernel, _BASE)
        while len(over) < _KILLS:
            yield task.sleep(2)
            sleep_us(len(over) * _PHASE_STEP_US % 1000)
            yield task.start(kernel, _HOG)
            yield task.recv()
            over.append(ticks_diff(ticks_us(), witness.deadline))
            number = yield task.next_fault(kernel)
            kind = task.badge()
            if number != _HOG or kind != BUDGET or witness.on_top != at_interrupt_level:
                raise ValueError("task %d ended with fault %d" % (number, kind))
        stage.finish()
        while True:  # a supervisor that returned would be started again
            yield task.recv()

    stage.perform([
        row("supervisor", supervisor, 0, (CONTROL,)),
        row("hog", hog, 3, budget_us=_BUDGET_US),
        row("base", beneath(stage, at_interrupt_level), 7),
    ])  # fmt: skip
    if len(over) != _KILLS:
        raise ValueError("%d kills of %d" % (len(over), _KILLS))
    over.sort()
    return over


def main():
    """Measure."""
    main_level = measure(0)
    interrupt_level = measure(1)
    figure("hog_kill_main_level_ms", main_level[-1] / 1000)
    figure("hog_kill_interrupt_level_ms", interrupt_level[-1] / 1000)
    figure("hog_kill_median_ms", sorted(main_level + interrupt_level)[_KILLS] / 1000)
    figure("hog_kill_over_budget_ms", max(main_level[-1], interrupt_level[-1]) / 1000)
