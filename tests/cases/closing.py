"""Cases: the last step of a task that ends, and other code of a task that nobody else runs."""

from bulkhead import DEAD, OK, UNKNOWN
from cases.rig import burn_us, controlled, echo, idle, is_down, told, until
from kernel.abi import (
    BUDGET, CLOSING, DORMANT, EXCEPTION, FAULTED, HEARTBEAT, PROTOCOL, RECEIVING, RUNNING,
    SYSCALL,
)  # fmt: skip
from kernel.layout import CPU_US, ENDING, GENERATION, LAST_STEP, RECORD, STATE


def slow_to_close(rig, us=4000):
    """Return a service whose `finally` block takes a while."""

    def main(task):
        try:
            rig.log.append("begins")
            while True:
                yield task.recv()
        finally:
            burn_us(rig, us)
            rig.log.append("closed")

    return main


def state_by_inspect(task, kernel, number):
    """Return a task's state as the kernel tells it."""
    yield task.inspect(kernel, number)
    state, ending = told(task.arg, STATE, RECORD + ENDING)
    return CLOSING if ending & LAST_STEP else state


def test_finally_of_a_stopped_task_runs_in_its_own_name_and_time(rig):
    """The controller's budget is less than it takes."""

    def script(task, kernel):
        rig.log.append((yield task.stop(kernel, 1)))
        rig.log.append((yield from state_by_inspect(task, kernel, 1)))
        yield from until(task, is_down(rig, "slow"))
        rig.log.append((yield from state_by_inspect(task, kernel, 1)))

    slow = ("slow", slow_to_close(rig, 30_000), {"budget_ms": 1000})
    controlled(rig, script, slow, budget_ms=15)
    rig.expect(rig.log, ["begins", OK, CLOSING, "closed", DORMANT])
    rig.expect(rig.word("slow", CPU_US) >= 15_000, True)


def test_finally_is_preempted_by_the_more_important_only(rig):
    def important(task):
        yield task.sleep(4)
        rig.log.append("important")
        yield task.recv()

    def lesser(task):
        yield task.sleep(4)
        rig.log.append("lesser")
        yield task.recv()

    def script(task, kernel):
        yield task.stop(kernel, 1)
        yield from until(task, lambda: "lesser" in rig.log)

    others = (
        ("slow", slow_to_close(rig, 30_000), {"priority": 4, "budget_ms": 1000}),
        ("important", important, {"priority": 2}),
        ("lesser", lesser, {"priority": 6}),
    )
    controlled(rig, script, *others)
    rig.expect(rig.log, ["begins", "important", "closed", "lesser"])


def test_task_that_is_started_while_it_closes_starts_after_that(rig):
    def script(task, kernel):
        rig.log.append((yield task.stop(kernel, 1)))
        rig.log.append((yield task.start(kernel, 1)))
        rig.log.append((yield task.start(kernel, 1)))
        yield from until(task, lambda: rig.state("slow") == RECEIVING)

    controlled(rig, script, ("slow", slow_to_close(rig), {}))
    rig.expect(rig.log, ["begins", OK, OK, OK, "closed", "begins"])
    rig.expect((rig.state("slow"), rig.generation("slow")), (RECEIVING, 2))


def test_task_that_is_stopped_while_it_closes_stays_down(rig):
    def script(task, kernel):
        yield task.stop(kernel, 1, HEARTBEAT)
        yield task.start(kernel, 1)
        rig.log.append((yield task.stop(kernel, 1, PROTOCOL)))
        rig.log.append((yield task.stop(kernel, 1)))
        yield from until(task, is_down(rig, "slow"))

    controlled(rig, script, ("slow", slow_to_close(rig), {}))
    rig.expect(rig.log, ["begins", UNKNOWN, OK, "closed"])
    rig.expect((rig.state("slow"), rig.fault("slow")), (DORMANT, HEARTBEAT))


def test_finally_that_spins_is_killed_at_the_tasks_budget(rig):
    spins = [True]

    def bad(task):
        try:
            rig.log.append("begins")
            yield task.recv()
        finally:
            while True:
                if not spins:
                    break

    def script(task, kernel):
        yield task.stop(kernel, 1)
        yield task.start(kernel, 1)
        yield from until(task, lambda: rig.state("bad") == RECEIVING)

    controlled(rig, script, ("bad", bad, {"budget_ms": 5}), ("echo", echo, {}))
    spins.clear()  # what is left of the service is garbage now, and CPython closes it
    rig.expect(rig.log, ["begins", "begins"])
    rig.expect((rig.state("bad"), rig.generation("bad")), (RECEIVING, 2))


def test_finally_that_swallows_its_kill_is_over_all_the_same(rig):
    spins = [True]

    def bad(task):
        try:
            rig.log.append("begins")
            yield task.recv()
        finally:
            try:
                while True:
                    if not spins:
                        break
            except KeyboardInterrupt:
                rig.log.append("swallowed")

    def script(task, kernel):
        yield task.stop(kernel, 1)
        yield task.start(kernel, 1)
        yield from until(task, lambda: rig.state("bad") == RECEIVING)

    controlled(rig, script, ("bad", bad, {"budget_ms": 5}), ("echo", echo, {}))
    spins.clear()
    rig.expect(rig.log, ["begins", "swallowed", "begins"])
    rig.expect([rig.fault(name) for name in ("bad", "echo", "controller")], [0, 0, 0])


def test_preempted_task_that_is_stopped_ends_as_it_goes_on(rig):
    def spin(task):
        try:
            while True:
                pass
        finally:
            rig.log.append("closed")
        yield

    def script(task, kernel):
        yield from until(task, lambda: rig.state("spin") == RUNNING)
        rig.log.append((yield task.stop(kernel, 1, HEARTBEAT)))
        rig.log.append((yield task.start(kernel, 1)))
        rig.log.append(rig.generation("spin"))
        yield from until(task, lambda: "closed" in rig.log)
        yield from until(task, lambda: rig.state("spin") == RUNNING)
        yield task.sleep(2)
        rig.log.append((yield task.stop(kernel, 1)))
        yield from until(task, is_down(rig, "spin"))

    controlled(rig, script, ("spin", spin, {"budget_ms": 1000, "priority": 6}))
    rig.expect(rig.log, [OK, OK, 2, "closed", OK, "closed"])
    rig.expect((rig.state("spin"), rig.fault("spin")), (DORMANT, HEARTBEAT))
    last = rig.words_of("spin").rstrip().split("\n")[-1]
    rig.expect(last, "killed: it was not heard of for longer than its heartbeat_ms")


def test_order_to_stop_one_befalls_no_other(rig):
    """The one is preempted as it is stopped, and would end its step by itself at once."""

    def brief(task):
        rig.log.append("working")
        while rig.generation("brief") == 1:
            pass
        yield task.recv()

    def innocent(task):
        yield from until(task, is_down(rig, "brief"))
        raise ValueError("an ordinary mistake")

    def script(task, kernel):
        yield from until(task, lambda: "working" in rig.log)
        rig.log.append((yield task.stop(kernel, 1)))
        yield from until(task, is_down(rig, "innocent"))

    brief_options = {"priority": 6, "budget_ms": 1000}
    controlled(
        rig, script, ("brief", brief, brief_options), ("innocent", innocent, {"priority": 5})
    )
    rig.expect(rig.log, ["working", OK])
    rig.expect((rig.state("brief"), rig.fault("brief")), (DORMANT, 0))
    rig.expect((rig.state("innocent"), rig.fault("innocent")), (FAULTED, EXCEPTION))


def test_what_was_raised_is_written_by_the_task_itself(rig):
    class Slow(Exception):
        def __repr__(self):
            burn_us(rig, 30_000)
            return "took its time"

        __str__ = __repr__

    def bad(task):
        yield task.sleep(1)
        raise Slow

    def script(task, kernel):
        yield from until(task, lambda: rig.generation("bad") == 2)
        yield task.fault_text(kernel, 1)
        rig.log.append(task.arg)
        yield from until(task, is_down(rig, "bad"))

    bad_options = {"priority": 5, "budget_ms": 1000}
    controlled(rig, script, ("bad", bad, bad_options), budget_ms=15)
    rig.expect(rig.log, [b"Slow"])
    rig.expect((rig.fault("bad"), rig.word("bad", CPU_US) >= 15_000), (EXCEPTION, True))
    words = rig.words_of("bad")
    if "took its time" not in words or "in bad" not in words:
        raise AssertionError(words)


def test_text_that_fails_leaves_where_it_came_from(rig):
    class Broken(Exception):
        def __repr__(self):
            return self.__repr__()

        __str__ = __repr__

    def bad(task):
        yield task.sleep(1)
        raise Broken

    controlled(rig, lambda task, _kernel: until(task, is_down(rig, "bad")), ("bad", bad, {}))
    words = rig.words_of("bad")
    if "in bad" not in words or "Broken" not in words:
        raise AssertionError(words)


def raises(rig, error_of):
    """Have a service raise what `error_of()` makes, and its text asked for while it closes."""

    def bad(task):
        yield task.sleep(1)
        raise error_of()

    def script(task, kernel):
        yield from until(task, lambda: rig.generation("bad") == 2)
        while not is_down(rig, "bad")():
            yield task.fault_text(kernel, 1)
            yield task.sleep(1)
        yield task.fault_text(kernel, 1)
        yield task.next_fault(kernel)

    controlled(rig, script, ("bad", bad, {"priority": 5, "budget_ms": 40}), budget_ms=20)
    rig.expect(rig.state("bad"), FAULTED)


def spinning(*bases):
    """Return a class whose objects spin when they are written out."""

    def spin(_self):
        while True:
            pass

    return type("Spinning", bases or (object,), {"__repr__": spin, "__str__": spin})


def test_text_that_spins_costs_its_own_task_only(rig):
    raises(rig, spinning(Exception))


def test_text_of_an_operand_that_spins_costs_its_own_task_only(rig):
    raises(rig, lambda: ValueError(spinning()()))


def test_text_of_a_memory_error_of_its_own_costs_its_own_task_only(rig):
    raises(rig, spinning(MemoryError))


def test_text_of_a_missing_key_costs_its_own_task_only(rig):
    raises(rig, lambda: KeyError(spinning()()))


def test_huge_number_in_an_exception_costs_its_own_task_only(rig):
    bits = 40_000  # apart: mpy-cross would make the number
    raises(rig, lambda: ValueError(1 << bits))


def test_arguments_that_an_exception_only_claims_cost_its_own_task_only(rig):
    class Liar(ValueError):
        def __init__(self, evil):
            super().__init__(evil)
            self.args = ("harmless",)

    raises(rig, lambda: Liar(spinning()()))


def test_class_that_learns_to_speak_after_its_fault_is_not_asked(rig):
    class Plain(ValueError):
        pass

    def spin(_self):
        while True:
            pass

    def bad(task):
        yield task.sleep(1)
        raise Plain("plain")

    def script(task, kernel):
        yield from until(task, is_down(rig, "bad"))
        Plain.__repr__ = Plain.__str__ = spin
        yield task.fault_text(kernel, 1)
        rig.log.append(task.arg)

    controlled(rig, script, ("bad", bad, {}), budget_ms=15)
    rig.expect(rig.log, [b"Plain"])


def test_class_of_its_own_that_says_nothing_is_written_by_the_kernel(rig):
    class Plain(ValueError):
        pass

    def bad(task):
        raise Plain("the reason")
        yield

    rig.add("bad", bad)
    rig.run(10)
    rig.expect("Plain: the reason" in rig.words_of("bad"), True)
    rig.expect("in bad" in rig.words_of("bad"), True)


def test_class_that_is_called_like_a_built_in_one_is_none(rig):
    def spin(_self):
        while True:
            pass

    raises(rig, type("ValueError", (ValueError,), {"__repr__": spin, "__str__": spin}))


def test_yield_of_no_trap_runs_the_finally_blocks(rig):
    def bad(task):
        try:
            yield None
        finally:
            rig.log.append("closed")

    rig.add("bad", bad)
    rig.run(10)
    rig.expect(rig.log, ["closed"])
    rig.expect((rig.state("bad"), rig.fault("bad")), (FAULTED, EXCEPTION))


def test_main_that_returns_what_acts_like_a_generator_is_a_fault(rig):
    class Fake:
        def send(self, value):
            rig.log.append("resumed")
            return 0

        def close(self):
            rig.log.append("closed")

    def main(task):
        return Fake()

    def script(task, kernel):
        yield from until(task, is_down(rig, "fake"))

    controlled(rig, script, ("fake", main, {}))
    rig.expect((rig.log, rig.fault("fake")), ([], EXCEPTION))


def test_stop_for_what_is_no_kind_of_fault_faults_who_stops(rig):
    class Kind:
        def __bool__(self):
            rig.log.append("code in the kernel")
            return True

    def main(task):
        yield task.stop(task.cap("kernel"), 1, Kind())

    rig.add("echo", echo)
    rig.add("controller", main, uses="kernel:control")
    rig.run(10)
    rig.expect((rig.log, rig.fault("controller"), rig.state("echo")), ([], SYSCALL, RECEIVING))


def test_reopen_of_one_that_closes_says_dead(rig):
    def client(task):
        slow = task.cap("slow")
        yield from until(task, lambda: rig.generation("slow") == 2)
        rig.log.append((yield task.reopen(slow)))
        rig.log.append((yield task.call(slow, 1)))
        yield from until(task, lambda: rig.state("slow") == RECEIVING)
        rig.log.append((yield task.reopen(slow)))
        rig.log.append("client")

    def script(task, kernel):
        yield task.stop(kernel, 1, HEARTBEAT)
        yield from until(task, is_down(rig, "slow"))
        yield task.start(kernel, 1)
        yield from until(task, lambda: "client" in rig.log)

    others = (
        ("slow", slow_to_close(rig, 30_000), {"priority": 5, "budget_ms": 1000}),
        ("client", client, {"priority": 2, "uses": "slow:call"}),
    )
    controlled(rig, script, *others)
    rig.expect(rig.log, ["begins", DEAD, DEAD, "closed", "begins", OK, "client"])


def test_killed_step_tells_where_it_was(rig):
    def spin(task):
        while True:
            pass
        yield

    rig.add("spin", spin, budget_ms=5)
    rig.add("idle", idle)
    rig.run(40)
    rig.expect(rig.fault("spin"), BUDGET)
    rig.expect("in spin" in rig.words_of("spin"), True)
    rig.expect(rig.word("idle", GENERATION), 1)
