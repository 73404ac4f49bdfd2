"""Cases: the hard level, where a driver is resumed in the hardware interrupt itself."""

from bulkhead import NOTIFIED, OK
from cases.rig import control, idle
from bulkhead.terms import CRASH
from kernel.abi import (
    ATTENDING, BUDGET, DEAD, EXCEPTION, FAULTED, INJECTED, LOAD, RECEIVING, RETURNED, STORM, SWAP,
    SYSCALL, TIMEOUT, UNKNOWN,
)  # fmt: skip
from kernel.layout import LINE, LINE_COUNT, LINE_HARD, LINE_MASKED, QUIET, TASKS_END
from micropython import const

# What services note, beside statuses; hard ones may not allocate.
FIRED = const(1000)
STEP = const(1001)
SEEN = const(1002)
WATCHER = const(2000)  # and the bits that it was notified of


def stopper(rig, step=None):
    """A hard driver that notes each interrupt and what `step` makes of it, then acknowledges."""

    def main(task):
        line = task.cap("edge")
        yield task.acknowledge(line)
        while True:
            status = yield task.recv()
            rig.note(status)
            if step is not None:
                rig.note((yield step(task)))
            yield task.acknowledge(line)

    return main


def fire(rig, index=0):
    rig.port.fire(rig.line(index))


def word(rig, field, index=0):
    """Return a word of the line with that index."""
    return rig.kernel.words[rig.kernel.words[TASKS_END] + LINE * index + field]


def source(rig, firings=1):
    """Return a service that fires the first line and notes when it has."""

    def main(task):
        yield task.sleep(5)
        for _ in range(firings):
            fire(rig)
            rig.note(FIRED)
        yield task.recv()

    return main


def test_hard_driver_runs_before_its_interrupt_returns(rig):
    rig.add("stopper", stopper(rig), priority=7, lines=("edge",), hard=True)
    rig.add("source", source(rig, 2), priority=1)
    rig.run(20)
    rig.expect(rig.noted(), [NOTIFIED, FIRED, NOTIFIED, FIRED])
    rig.expect(rig.state("stopper"), ATTENDING)
    rig.expect(word(rig, LINE_COUNT), 2)


def test_hard_driver_is_told_which_line_fired(rig):
    def main(task):
        lines = [task.cap("one"), task.cap("two")]
        for line in lines:
            yield task.acknowledge(line)
        while True:
            yield task.recv()
            rig.note(task.bits())
            yield task.acknowledge(lines[task.bits() - 1])

    rig.add("stopper", main, lines=("one", "two"), hard=True)
    rig.start()
    rig.port.at(3, lambda: (fire(rig, 1), fire(rig, 0), fire(rig, 1)))
    rig.run(20)
    rig.expect(rig.noted(), [2, 1, 2])


def test_hard_line_stays_masked_without_an_acknowledgement(rig):
    def main(task):
        yield task.acknowledge(task.cap("edge"))
        while True:
            yield task.recv()
            rig.note(STEP)

    rig.add("stopper", main, lines=("edge",), hard=True)
    rig.start()
    rig.port.at(3, lambda: fire(rig))
    rig.port.at(5, lambda: fire(rig))
    rig.run(20)
    rig.expect(rig.noted(), [STEP])
    rig.expect(rig.state("stopper"), ATTENDING)


def test_hard_driver_acknowledges_another_line_of_its_own(rig):
    def main(task):
        one, two = task.cap("one"), task.cap("two")
        yield task.acknowledge(one)
        yield task.acknowledge(two)
        while True:
            yield task.recv()
            rig.note(task.bits())
            if task.bits() == 2:
                yield task.acknowledge(one)
                yield task.acknowledge(two)

    rig.add("stopper", main, lines=("one", "two"), hard=True)
    rig.start()
    for time, line in ((3, 0), (4, 0), (5, 1), (6, 0)):
        rig.port.at(time, lambda line=line: fire(rig, line))
    rig.run(20)
    rig.expect(rig.noted(), [1, 2, 1])


def notifying(task):
    return task.notify(task.cap("watcher"), 5)


def watcher(rig):
    def main(task):
        while True:
            status = yield task.recv()
            rig.note(WATCHER + task.bits() if status == NOTIFIED else status)

    return main


def test_notification_of_a_hard_step_preempts_what_was_interrupted(rig):
    def spin(task):
        yield task.sleep(5)
        fire(rig)
        while rig.noted()[-1] < WATCHER:
            pass
        rig.note(SEEN)
        yield task.recv()

    step = stopper(rig, notifying)
    rig.add("stopper", step, lines=("edge",), hard=True, uses="watcher:notify")
    rig.add("watcher", watcher(rig), priority=2)
    rig.add("spin", spin, priority=7, budget_ms=500)
    rig.run(40)
    wanted = [NOTIFIED, OK, WATCHER + 5, SEEN]
    rig.expect(rig.noted(), wanted)


def test_notifications_of_hard_steps_merge_until_they_are_taken(rig):
    def step(task):
        return task.notify(task.cap("watcher"), rig.count)

    rig.add("stopper", stopper(rig, step), lines=("edge",), hard=True, uses="watcher:notify")
    rig.add("source", source(rig, 3), priority=1)
    rig.add("watcher", watcher(rig), priority=2)
    rig.run(20)
    rig.expect(rig.noted()[-1], WATCHER + (1 | 4 | 7))


def test_notifying_a_dead_incarnation_from_a_hard_step_is_dead(rig):
    def short(task):
        yield task.sleep(1)

    def step(task):
        return task.notify(task.cap("short"), 1)

    rig.add("stopper", stopper(rig, step), lines=("edge",), hard=True, uses="short:notify")
    rig.add("short", short)
    rig.start()
    rig.port.at(5, lambda: fire(rig))
    rig.run(20)
    rig.expect(rig.noted(), [NOTIFIED, DEAD])
    rig.expect(rig.fault("stopper"), 0)


def test_bits_left_for_an_incarnation_are_not_its_successors(rig):
    def step(task):
        return task.notify(task.cap("victim"), 1)

    def supervisor(task):
        kernel = task.cap("kernel")
        for number in (2, 3):
            yield task.start(kernel, number)
        yield task.recv()
        yield task.start(kernel, 3)
        rig.note((yield task.recv(20)))

    def victim(task):
        if rig.generation("victim") > 1:
            rig.note((yield task.recv(3)))
            yield task.recv()
        yield task.sleep(3)
        fire(rig)
        raise ValueError

    rig.add("supervisor", supervisor, uses="kernel:control", priority=0)
    rig.add("stopper", stopper(rig, step), lines=("edge",), hard=True, uses="victim:notify")
    rig.add("victim", victim, priority=4)
    rig.run(40)
    rig.expect(rig.noted()[:3], [NOTIFIED, OK, TIMEOUT])


def test_interrupt_before_a_hard_driver_attends_is_an_ordinary_step(rig):
    def main(task):
        line = task.cap("edge")
        yield task.acknowledge(line)
        yield task.sleep(4)
        rig.note((yield task.recv()))
        yield task.acknowledge(line)
        rig.note((yield task.recv()))

    rig.add("stopper", main, lines=("edge",), hard=True)
    rig.start()
    rig.port.at(2, lambda: fire(rig))
    rig.run(20)
    rig.expect(rig.noted(), [NOTIFIED])
    rig.expect(rig.state("stopper"), ATTENDING)


def test_interrupt_just_before_a_hard_driver_attends_is_not_lost(rig):
    def main(task):
        line = task.cap("edge")
        yield task.acknowledge(line)
        fire(rig)
        rig.note((yield task.recv()))
        rig.note(rig.state("stopper"))
        yield task.acknowledge(line)
        yield task.recv()

    rig.add("stopper", main, lines=("edge",), hard=True)
    rig.run(20)
    rig.expect(rig.noted(), [NOTIFIED, 2])
    rig.expect(rig.state("stopper"), ATTENDING)


def faulted(rig, step, kind, rate=1000, firings=1):
    """Fire the line of a hard driver that goes wrong, beside a service that must not notice."""

    def main(task):
        line = task.cap("edge")
        yield task.acknowledge(line)
        while True:
            yield task.recv()
            yield step(task)
            yield task.acknowledge(line)

    rig.add("stopper", main, lines=("edge",), hard=True, rate=rate, uses="other:call,notify")
    rig.add("source", source(rig, firings), priority=1)
    rig.add("other", idle)
    rig.run(20)
    rig.expect(rig.noted(), [FIRED] * firings)
    rig.expect(rig.fault("stopper"), kind)
    rig.expect(rig.state("stopper"), FAULTED)
    rig.expect(rig.fault("source"), 0)
    rig.expect((word(rig, LINE_MASKED), word(rig, LINE_HARD)), (QUIET, 0))


def test_call_in_a_hard_step_is_a_syscall_fault(rig):
    faulted(rig, lambda task: task.call(task.cap("other"), 1), SYSCALL)
    rig.expect(rig.state("other"), RECEIVING)


def test_sleep_in_a_hard_step_is_a_syscall_fault(rig):
    faulted(rig, lambda task: task.sleep(1), SYSCALL)


def test_forged_handle_in_a_hard_step_is_a_syscall_fault(rig):
    faulted(rig, lambda task: task.notify(99 << 13, 1), SYSCALL)


def test_acknowledging_without_a_line_in_a_hard_step_is_a_syscall_fault(rig):
    faulted(rig, lambda task: task.acknowledge(task.cap("other")), SYSCALL)


def test_exception_in_a_hard_step_is_an_exception_fault_with_its_traceback(rig):
    faulted(rig, lambda task: no_such_name, EXCEPTION)  # noqa: F821
    rig.expect("NameError" in rig.words_of("stopper"), True)


def test_yield_of_no_number_in_a_hard_step_is_an_exception_fault(rig):
    faulted(rig, lambda task: "trap", EXCEPTION)


def test_hard_driver_that_returns_is_a_returned_fault(rig):
    def main(task):
        yield task.acknowledge(task.cap("edge"))
        yield task.recv()

    rig.add("stopper", main, lines=("edge",), hard=True)
    rig.add("source", source(rig))
    rig.run(20)
    rig.expect(rig.fault("stopper"), RETURNED)


def test_timeout_of_a_hard_driver_is_an_exception_fault(rig):
    def main(task):
        yield task.recv(5)

    rig.add("stopper", main, lines=("edge",), hard=True)
    rig.run(20)
    rig.expect(rig.fault("stopper"), EXCEPTION)


def test_hard_line_at_its_declared_rate_is_served(rig):
    rig.add("stopper", stopper(rig), lines=("edge",), hard=True, rate=5)
    rig.add("source", source(rig, 5))
    rig.run(20)
    rig.expect(rig.fault("stopper"), 0)


def test_hard_line_above_its_declared_rate_is_a_storm(rig):
    faulted(rig, lambda task: task.notify(task.cap("other"), 0), STORM, rate=5, firings=6)
    rig.expect(word(rig, LINE_COUNT), 6)


def test_attending_is_for_hard_drivers_only(rig):
    def main(task):
        yield task.attend()

    rig.add("soft", main, lines=("edge",))
    rig.run(5)
    rig.expect(rig.fault("soft"), SYSCALL)


def restarted(rig, number, stop):
    """Run a hard driver whose supervisor starts it again after `stop`."""

    def supervisor(task):
        kernel = task.cap("kernel")
        yield task.start(kernel, 2)
        yield task.sleep(3)
        yield stop(task, kernel)
        fire(rig)
        yield task.start(kernel, 2)
        yield task.sleep(3)
        fire(rig)
        while True:
            yield task.recv()

    rig.add("supervisor", supervisor, priority=0, uses="kernel:control")
    rig.add("stopper", stopper(rig), lines=("edge",), hard=True)
    rig.run(20)
    rig.expect(rig.noted(), [NOTIFIED])
    rig.expect(rig.generation("stopper"), number)
    rig.expect(rig.state("stopper"), ATTENDING)


def test_hard_driver_that_is_stopped_and_started_attends_again(rig):
    restarted(rig, 2, lambda task, kernel: task.stop(kernel, 2))


def test_hard_driver_that_is_faulted_and_started_attends_again(rig):
    restarted(rig, 2, lambda task, kernel: task.stop(kernel, 2, INJECTED))
    rig.expect(rig.fault("stopper"), INJECTED)


def test_crash_is_injected_into_a_hard_driver_that_attends(rig):
    def supervisor(task):
        kernel = task.cap("kernel")
        yield task.start(kernel, 2)
        yield task.sleep(3)
        rig.note((yield task.inject(kernel, 2, CRASH)))
        while True:
            yield task.recv()

    rig.add("supervisor", supervisor, priority=0, uses="kernel:control")
    rig.add("stopper", stopper(rig), lines=("edge",), hard=True)
    rig.run(20)
    rig.expect(rig.noted(), [OK])
    rig.expect(rig.fault("stopper"), EXCEPTION)


def test_kill_of_what_was_interrupted_does_not_hit_a_hard_driver(rig):
    def hog(task):
        yield task.sleep(5)
        while True:
            fire(rig)

    steps = [0]

    def main(task):
        line = task.cap("edge")
        yield task.acknowledge(line)
        while True:
            yield task.recv()
            for _ in range(3):
                steps[0] += 1
            yield task.acknowledge(line)

    rig.add("stopper", main, lines=("edge",), hard=True, rate=1_000_000)
    rig.add("hog", hog, budget_ms=5)
    rig.run(20)
    rig.expect(rig.fault("hog"), BUDGET)
    rig.expect(rig.fault("stopper"), 0)
    rig.expect(steps[0] > 3, True)


class Struck:
    """What a hard driver hands over, or cannot; its line fires meanwhile."""

    def __init__(self, rig, error=None):
        self.rig = rig
        self.error = error

    def export_state(self):
        fire(self.rig)
        self.rig.note(FIRED)
        if self.error is not None:
            raise self.error
        return True

    def import_state(self, _version, _state):
        pass


def exchanged(rig, error, status):
    """Fire the line of a hard driver while its code is exchanged, and after."""

    def code(mark):
        def main(task):
            task.carry_over(Struck(rig, error))
            line = task.cap("edge")
            yield task.acknowledge(line)
            while True:
                rig.note((yield task.recv()))
                rig.note(mark)
                yield task.acknowledge(line)

        return main

    def script(task, kernel):
        yield task.replace(kernel, 1, LOAD, code(SEEN))
        rig.log.append((yield task.replace(kernel, 1, SWAP, 1)))
        yield task.sleep(5)
        fire(rig)
        rig.note(FIRED)

    control(rig, script, ("stopper", code(STEP), {"lines": ("edge",), "hard": True}))
    rig.expect(rig.log, [status])
    rig.expect((rig.state("stopper"), rig.fault("stopper")), (ATTENDING, 0))
    rig.expect(word(rig, LINE_COUNT), 2)


def test_edge_while_a_hard_driver_is_exchanged_waits_for_the_new_code(rig):
    exchanged(rig, None, OK)
    rig.expect(rig.noted(), [FIRED, NOTIFIED, SEEN, NOTIFIED, SEEN, FIRED])


def test_hard_driver_that_cannot_hand_over_goes_on_with_the_edge_that_came_meanwhile(rig):
    exchanged(rig, ValueError("not now"), UNKNOWN)
    rig.expect(rig.noted(), [FIRED, NOTIFIED, STEP, NOTIFIED, STEP, FIRED])
