"""Cases: the hard level, where a driver is resumed in the hardware interrupt itself."""

from bulkhead import NOTIFIED, OK
from cases.rig import idle
from kernel.abi import (
    ATTENDING, BUDGET, CRASH, DEAD, EXCEPTION, FAULTED, INJECTED, RECEIVING, RETURNED, STORM,
    SYSCALL, TIMEOUT,
)  # fmt: skip
from kernel.layout import (
    LATENCY_BUCKETS, LINE, LINE_COUNT, LINE_HARD, LINE_LATENCY, LINE_MASKED, QUIET, TASKS_END,
)  # fmt: skip
from micropython import const

# What services note, beside statuses; hard ones may not allocate.
FIRED = const(1000)
STEP = const(1001)
SEEN = const(1002)
WATCHER = const(2000)  # and the bits that it was notified of


def stopper(rig, step=None):
    """A hard driver that notes each interrupt and what `step` makes of it, then acknowledges."""

    def main(sys):
        line = sys.cap("edge")
        yield sys.acknowledge(line)
        while True:
            status = yield sys.recv()
            rig.note(status)
            if step is not None:
                rig.note((yield step(sys)))
            yield sys.acknowledge(line)

    return main


def fire(rig, index=0):
    rig.port.fire(rig.line(index))


def word(rig, field, index=0):
    """Return a word of the line with that index."""
    return rig.kernel.words[rig.kernel.words[TASKS_END] + LINE * index + field]


def source(rig, firings=1):
    """Return a service that fires the first line and notes when it has."""

    def main(sys):
        yield sys.sleep(5)
        for _ in range(firings):
            fire(rig)
            rig.note(FIRED)
        yield sys.recv()

    return main


def test_hard_driver_runs_before_its_interrupt_returns(rig):
    rig.add("stopper", stopper(rig), priority=7, lines=("edge",), hard=True)
    rig.add("source", source(rig, 2), priority=1)
    rig.run(20)
    rig.expect(rig.noted(), [NOTIFIED, FIRED, NOTIFIED, FIRED])
    rig.expect(rig.state("stopper"), ATTENDING)
    rig.expect(word(rig, LINE_COUNT), 2)


def test_hard_driver_is_told_which_line_fired(rig):
    def main(sys):
        lines = [sys.cap("one"), sys.cap("two")]
        for line in lines:
            yield sys.acknowledge(line)
        while True:
            yield sys.recv()
            rig.note(sys.bits())
            yield sys.acknowledge(lines[sys.bits() - 1])

    rig.add("stopper", main, lines=("one", "two"), hard=True)
    rig.start()
    rig.port.at(3, lambda: (fire(rig, 1), fire(rig, 0), fire(rig, 1)))
    rig.run(20)
    rig.expect(rig.noted(), [2, 1, 2])


def test_hard_line_stays_masked_without_an_acknowledgement(rig):
    def main(sys):
        yield sys.acknowledge(sys.cap("edge"))
        while True:
            yield sys.recv()
            rig.note(STEP)

    rig.add("stopper", main, lines=("edge",), hard=True)
    rig.start()
    rig.port.at(3, lambda: fire(rig))
    rig.port.at(5, lambda: fire(rig))
    rig.run(20)
    rig.expect(rig.noted(), [STEP])
    rig.expect(rig.state("stopper"), ATTENDING)


def test_hard_driver_acknowledges_another_line_of_its_own(rig):
    def main(sys):
        one, two = sys.cap("one"), sys.cap("two")
        yield sys.acknowledge(one)
        yield sys.acknowledge(two)
        while True:
            yield sys.recv()
            rig.note(sys.bits())
            if sys.bits() == 2:
                yield sys.acknowledge(one)
                yield sys.acknowledge(two)

    rig.add("stopper", main, lines=("one", "two"), hard=True)
    rig.start()
    for time, line in ((3, 0), (4, 0), (5, 1), (6, 0)):
        rig.port.at(time, lambda line=line: fire(rig, line))
    rig.run(20)
    rig.expect(rig.noted(), [1, 2, 1])


def notifying(sys):
    return sys.notify(sys.cap("watcher"), 5)


def watcher(rig):
    def main(sys):
        while True:
            status = yield sys.recv()
            rig.note(WATCHER + sys.bits() if status == NOTIFIED else status)

    return main


def test_notification_of_a_hard_step_preempts_what_was_interrupted(rig):
    def spin(sys):
        yield sys.sleep(5)
        fire(rig)
        while rig.noted()[-1] < WATCHER:
            pass
        rig.note(SEEN)
        yield sys.recv()

    step = stopper(rig, notifying)
    rig.add("stopper", step, lines=("edge",), hard=True, uses="watcher:notify")
    rig.add("watcher", watcher(rig), priority=2)
    rig.add("spin", spin, priority=7, budget_ms=500)
    rig.run(40)
    wanted = [NOTIFIED, OK, WATCHER + 5, SEEN]
    rig.expect(rig.noted(), wanted)


def test_notifications_of_hard_steps_merge_until_they_are_taken(rig):
    def step(sys):
        return sys.notify(sys.cap("watcher"), rig.count)

    rig.add("stopper", stopper(rig, step), lines=("edge",), hard=True, uses="watcher:notify")
    rig.add("source", source(rig, 3), priority=1)
    rig.add("watcher", watcher(rig), priority=2)
    rig.run(20)
    rig.expect(rig.noted()[-1], WATCHER + (1 | 4 | 7))


def test_notifying_a_dead_incarnation_from_a_hard_step_is_dead(rig):
    def short(sys):
        yield sys.sleep(1)

    def step(sys):
        return sys.notify(sys.cap("short"), 1)

    rig.add("stopper", stopper(rig, step), lines=("edge",), hard=True, uses="short:notify")
    rig.add("short", short)
    rig.start()
    rig.port.at(5, lambda: fire(rig))
    rig.run(20)
    rig.expect(rig.noted(), [NOTIFIED, DEAD])
    rig.expect(rig.fault("stopper"), 0)


def test_bits_left_for_an_incarnation_are_not_its_successors(rig):
    def step(sys):
        return sys.notify(sys.cap("victim"), 1)

    def supervisor(sys):
        kernel = sys.cap("kernel")
        for number in (2, 3):
            yield sys.start(kernel, number)
        yield sys.recv()
        yield sys.start(kernel, 3)
        rig.note((yield sys.recv(20)))

    def victim(sys):
        if rig.generation("victim") > 1:
            rig.note((yield sys.recv(3)))
            yield sys.recv()
        yield sys.sleep(3)
        fire(rig)
        raise ValueError

    rig.add("supervisor", supervisor, uses="kernel:control", priority=0)
    rig.add("stopper", stopper(rig, step), lines=("edge",), hard=True, uses="victim:notify")
    rig.add("victim", victim, priority=4)
    rig.run(40)
    rig.expect(rig.noted()[:3], [NOTIFIED, OK, TIMEOUT])


def test_interrupt_before_a_hard_driver_attends_is_an_ordinary_step(rig):
    def main(sys):
        line = sys.cap("edge")
        yield sys.acknowledge(line)
        yield sys.sleep(4)
        rig.note((yield sys.recv()))
        yield sys.acknowledge(line)
        rig.note((yield sys.recv()))

    rig.add("stopper", main, lines=("edge",), hard=True)
    rig.start()
    rig.port.at(2, lambda: fire(rig))
    rig.run(20)
    rig.expect(rig.noted(), [NOTIFIED])
    rig.expect(rig.state("stopper"), ATTENDING)


def test_interrupt_just_before_a_hard_driver_attends_is_not_lost(rig):
    def main(sys):
        line = sys.cap("edge")
        yield sys.acknowledge(line)
        fire(rig)
        rig.note((yield sys.recv()))
        rig.note(rig.state("stopper"))
        yield sys.acknowledge(line)
        yield sys.recv()

    rig.add("stopper", main, lines=("edge",), hard=True)
    rig.run(20)
    rig.expect(rig.noted(), [NOTIFIED, 2])
    rig.expect(rig.state("stopper"), ATTENDING)


def faulted(rig, step, kind, rate=1000, firings=1):
    """Fire the line of a hard driver that goes wrong, beside a service that must not notice."""

    def main(sys):
        line = sys.cap("edge")
        yield sys.acknowledge(line)
        while True:
            yield sys.recv()
            yield step(sys)
            yield sys.acknowledge(line)

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
    faulted(rig, lambda sys: sys.call(sys.cap("other"), 1), SYSCALL)
    rig.expect(rig.state("other"), RECEIVING)


def test_sleep_in_a_hard_step_is_a_syscall_fault(rig):
    faulted(rig, lambda sys: sys.sleep(1), SYSCALL)


def test_forged_handle_in_a_hard_step_is_a_syscall_fault(rig):
    faulted(rig, lambda sys: sys.notify(99 << 13, 1), SYSCALL)


def test_acknowledging_without_a_line_in_a_hard_step_is_a_syscall_fault(rig):
    faulted(rig, lambda sys: sys.acknowledge(sys.cap("other")), SYSCALL)


def test_exception_in_a_hard_step_is_an_exception_fault_with_its_traceback(rig):
    faulted(rig, lambda sys: no_such_name, EXCEPTION)  # noqa: F821
    rig.expect("NameError" in rig.words_of("stopper"), True)


def test_yield_of_no_number_in_a_hard_step_is_an_exception_fault(rig):
    faulted(rig, lambda sys: "trap", EXCEPTION)


def test_hard_driver_that_returns_is_a_returned_fault(rig):
    def main(sys):
        yield sys.acknowledge(sys.cap("edge"))
        yield sys.recv()

    rig.add("stopper", main, lines=("edge",), hard=True)
    rig.add("source", source(rig))
    rig.run(20)
    rig.expect(rig.fault("stopper"), RETURNED)


def test_timeout_of_a_hard_driver_is_an_exception_fault(rig):
    def main(sys):
        yield sys.recv(5)

    rig.add("stopper", main, lines=("edge",), hard=True)
    rig.run(20)
    rig.expect(rig.fault("stopper"), EXCEPTION)


def test_hard_line_at_its_declared_rate_is_served(rig):
    rig.add("stopper", stopper(rig), lines=("edge",), hard=True, rate=5)
    rig.add("source", source(rig, 5))
    rig.run(20)
    rig.expect(rig.fault("stopper"), 0)


def test_hard_line_above_its_declared_rate_is_a_storm(rig):
    faulted(rig, lambda sys: sys.notify(sys.cap("other"), 0), STORM, rate=5, firings=6)
    rig.expect(word(rig, LINE_COUNT), 6)


def test_attending_is_for_hard_drivers_only(rig):
    def main(sys):
        yield sys.attend()

    rig.add("soft", main, lines=("edge",))
    rig.run(5)
    rig.expect(rig.fault("soft"), SYSCALL)


def test_latency_of_a_hard_line_is_kept(rig):
    rig.add("stopper", stopper(rig), lines=("edge",), hard=True)
    rig.add("source", source(rig, 2))
    rig.run(20)
    rig.expect(sum(word(rig, LINE_LATENCY + n) for n in range(LATENCY_BUCKETS)), 2)


def restarted(rig, number, stop):
    """Run a hard driver whose supervisor starts it again after `stop`."""

    def supervisor(sys):
        kernel = sys.cap("kernel")
        yield sys.start(kernel, 2)
        yield sys.sleep(3)
        yield stop(sys, kernel)
        fire(rig)
        yield sys.start(kernel, 2)
        yield sys.sleep(3)
        fire(rig)
        while True:
            yield sys.recv()

    rig.add("supervisor", supervisor, priority=0, uses="kernel:control")
    rig.add("stopper", stopper(rig), lines=("edge",), hard=True)
    rig.run(20)
    rig.expect(rig.noted(), [NOTIFIED])
    rig.expect(rig.generation("stopper"), number)
    rig.expect(rig.state("stopper"), ATTENDING)


def test_hard_driver_that_is_stopped_and_started_attends_again(rig):
    restarted(rig, 2, lambda sys, kernel: sys.stop(kernel, 2))


def test_hard_driver_that_is_faulted_and_started_attends_again(rig):
    restarted(rig, 2, lambda sys, kernel: sys.stop(kernel, 2, INJECTED))
    rig.expect(rig.fault("stopper"), INJECTED)


def test_crash_is_injected_into_a_hard_driver_that_attends(rig):
    def supervisor(sys):
        kernel = sys.cap("kernel")
        yield sys.start(kernel, 2)
        yield sys.sleep(3)
        rig.note((yield sys.inject(kernel, 2, CRASH)))
        while True:
            yield sys.recv()

    rig.add("supervisor", supervisor, priority=0, uses="kernel:control")
    rig.add("stopper", stopper(rig), lines=("edge",), hard=True)
    rig.run(20)
    rig.expect(rig.noted(), [OK])
    rig.expect(rig.fault("stopper"), EXCEPTION)


def test_kill_of_what_was_interrupted_does_not_hit_a_hard_driver(rig):
    def hog(sys):
        yield sys.sleep(5)
        while True:
            fire(rig)

    steps = [0]

    def main(sys):
        line = sys.cap("edge")
        yield sys.acknowledge(line)
        while True:
            yield sys.recv()
            for _ in range(3):
                steps[0] += 1
            yield sys.acknowledge(line)

    rig.add("stopper", main, lines=("edge",), hard=True, rate=1_000_000)
    rig.add("hog", hog, budget_ms=5)
    rig.run(20)
    rig.expect(rig.fault("hog"), BUDGET)
    rig.expect(rig.fault("stopper"), 0)
    rig.expect(steps[0] > 3, True)
