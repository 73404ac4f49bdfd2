"""Cases: priorities, preemption, priority lent by callers, timeouts, budgets and kills."""

from bulkhead import OK, TIMEOUT
from cases.rig import burn_us, echo, idle, no_branch, silent
from kernel.abi import BUDGET, FAULTED, RECEIVING
from kernel.layout import CLIENTS, PRIORITY, STEPS


def spin(task):
    while True:
        pass
    yield


def test_more_important_service_runs_first(rig):
    def named(value):
        def main(task):
            rig.log.append(value)
            yield task.recv()

        return main

    for value in (6, 0, 3, 7):
        rig.add("s%d" % value, named(value), priority=value)
    rig.run(5)
    rig.expect(rig.log, [0, 3, 6, 7])


def test_equals_take_turns(rig):
    def named(value):
        def main(task):
            for _ in range(3):
                rig.log.append(value)
                yield task.sleep(0)

        return main

    for value in (1, 2):
        rig.add("s%d" % value, named(value))
    rig.run(5)
    rig.expect(rig.log, [1, 2, 1, 2, 1, 2])


def test_spinning_service_is_preempted_by_a_timeout(rig):
    def periodic(task):
        for _ in range(3):
            rig.log.append((yield task.sleep(5)))

    rig.add("spin", spin, priority=7, budget_ms=1000)
    rig.add("periodic", periodic, priority=1)
    rig.run(40)
    rig.expect(rig.log, [OK, OK, OK])


def test_preempted_service_goes_on_where_it_was(rig):
    def worker(task):
        total = 0
        for value in range(20000):
            total += value
        rig.log.append(total)
        yield task.recv()

    def periodic(task):
        while True:
            yield task.sleep(1)

    rig.add("worker", worker, priority=7, budget_ms=5000)
    rig.add("periodic", periodic, priority=1)
    rig.run(400)
    rig.expect(rig.log, [199990000])


def test_less_important_service_does_not_preempt(rig):
    def important(task):
        yield task.sleep(2)
        rig.log.append("begin")
        for _ in range(3000):
            pass
        rig.log.append("end")
        yield task.recv()

    def lesser(task):
        yield task.sleep(2)
        rig.log.append("lesser")
        yield task.recv()

    rig.add("important", important, priority=1, budget_ms=500)
    rig.add("lesser", lesser, priority=5)
    rig.run(100)
    rig.expect(rig.log, ["begin", "end", "lesser"])


def test_spinning_service_is_killed_at_its_budget(rig):
    rig.add("spin", spin, priority=5, budget_ms=10)
    rig.run(80)
    rig.expect(rig.state("spin"), FAULTED)
    rig.expect(rig.fault("spin"), BUDGET)


def test_service_within_its_budget_lives(rig):
    def worker(task):
        for _ in range(5):
            for _ in range(100):
                pass
            yield task.sleep(1)
        rig.log.append("done")
        yield task.recv()

    rig.add("worker", worker, budget_ms=500)
    rig.run(60)
    rig.expect(rig.log, ["done"])


def test_spinning_service_at_the_interrupt_level_is_killed(rig):
    def important(task):
        yield task.sleep(3)
        while True:
            pass

    def worker(task):
        for _ in range(2):
            for _ in range(20000):
                pass
        rig.log.append("worker")
        yield task.recv()

    rig.add("worker", worker, priority=6, budget_ms=5000)
    rig.add("important", important, priority=1, budget_ms=10)
    rig.run(300)
    rig.expect(rig.fault("important"), BUDGET)
    rig.expect(rig.fault("worker"), 0)
    rig.expect(rig.log, ["worker"])


def test_service_that_swallows_the_kill_is_faulted_at_its_next_trap(rig):
    def stubborn(task):
        try:
            while True:
                pass
        except BaseException:
            rig.log.append("swallowed")
        yield task.recv()
        rig.log.append("went on")

    rig.add("stubborn", stubborn, budget_ms=10)
    rig.run(120)
    rig.expect(rig.log, ["swallowed"])
    rig.expect(rig.fault("stubborn"), BUDGET)


def test_service_that_swallows_every_kill_is_struck_again(rig):
    def stubborn(task):
        for _ in range(3):
            try:
                while True:
                    pass
            except KeyboardInterrupt:
                rig.log.append("swallowed")
        yield task.recv()

    rig.add("stubborn", stubborn, budget_ms=10)
    rig.run(700)
    rig.expect(rig.log, ["swallowed"] * 3)
    rig.expect(rig.fault("stubborn"), BUDGET)


def test_kill_in_a_finally_block_is_contained(rig):
    def nested(task):
        try:
            while True:
                pass
        finally:
            rig.log.append("finally")
        yield

    rig.add("nested", nested, budget_ms=10)
    rig.add("echo", echo)
    rig.run(80)
    rig.expect(rig.log, ["finally"])
    rig.expect(rig.state("echo"), RECEIVING)


def test_kill_as_the_step_ends_harms_nobody_else(rig):
    """Steps that end from just before to just after their budget, so that strikes come late."""
    budget_us = 4000
    kinds = []

    def edge(task):
        while True:
            length = budget_us - 600 + 50 * len(rig.log)
            rig.log.append(length)
            burn_us(rig, length)
            no_branch()
            yield task.sleep(1)

    def keeper(task):
        kernel = task.cap("kernel")
        while len(rig.log) < 50:
            yield task.sleep(1)
            if (yield task.next_fault(kernel)):
                kinds.append(rig.fault("edge"))
                yield task.start(kernel, rig.kernel.number("edge"))
        rig.log.append("end")
        yield task.stop(kernel, rig.kernel.number("edge"))
        rig.finish()
        yield task.recv()

    def client(task):
        while True:
            yield task.call(task.cap("echo"), 1, 1)
            yield task.sleep(1)

    rig.add("echo", echo, priority=5)
    rig.add("client", client, priority=6, uses="echo:call")
    rig.add("edge", edge, priority=4, budget_ms=4)
    rig.add("keeper", keeper, priority=0, uses="kernel:control")
    rig.run(60_000)  # a bound: it finishes long before
    rig.expect(rig.log[-1], "end")
    if rig.port.name in ("rp2", "sim"):  # elsewhere a kill is a signal, which takes its time
        rig.expect(set(kinds), {BUDGET})
    rig.expect([rig.fault(name) for name in ("echo", "client", "keeper")], [0, 0, 0])


def test_others_go_on_after_a_kill(rig):
    def periodic(task):
        while True:
            yield task.sleep(5)
            rig.log.append("tick")

    rig.add("spin", spin, priority=6, budget_ms=10)
    rig.add("periodic", periodic, priority=2)
    rig.run(100)
    if len(rig.log) < 8:
        raise AssertionError("only %d ticks" % len(rig.log))


def test_sleep_lasts_at_least_its_time(rig):
    def sleeper(task):
        start = rig.port.now()
        yield task.sleep(10)
        rig.log.append(rig.port.now() - start)
        yield task.recv()

    rig.add("sleeper", sleeper)
    rig.run(40)
    if not 10000 <= rig.log[0] < 15000:
        raise AssertionError("slept %d us" % rig.log[0])


def test_timeouts_end_in_their_order(rig):
    def named(value):
        def main(task):
            yield task.sleep(value)
            rig.log.append(value)
            yield task.recv()

        return main

    for value in (30, 10, 20):
        rig.add("s%d" % value, named(value))
    rig.run(60)
    rig.expect(rig.log, [10, 20, 30])


def lent(rig, *, until):
    """A caller at 1 waits for a server at 6 that is busy; return what the server's words say."""

    def server(task):
        yield task.recv()
        rig.log.append(rig.word("server", PRIORITY))
        yield task.sleep(until)
        yield task.reply_recv(OK)

    def client(task):
        rig.log.append((yield task.call(task.cap("server"), 1, None, 10)))
        rig.log.append(rig.word("server", PRIORITY))
        yield task.recv()

    rig.add("server", server, priority=6)
    rig.add("client", client, priority=1, uses="server:call")


def test_server_runs_at_its_callers_priority(rig):
    lent(rig, until=1)
    rig.run(30)
    rig.expect(rig.log, [1, OK, 6])


def test_priority_is_given_back_when_the_call_times_out(rig):
    lent(rig, until=30)
    rig.run(60)
    rig.expect(rig.log, [1, TIMEOUT, 6])


def test_priority_is_given_back_while_another_caller_is_served_still(rig):
    def server(task):
        while True:
            operation = yield task.recv()
            while operation == 2:  # those of operation 1 are never answered
                operation = yield task.reply_recv(OK, 0)

    def low(task):
        yield task.call(task.cap("server"), 1)

    def high(task):
        yield task.sleep(2)
        for _ in range(2):
            yield task.call(task.cap("server"), 2)
            rig.log.append((rig.word("server", CLIENTS), rig.word("server", PRIORITY)))
        yield task.recv()

    rig.add("server", server, priority=6)
    rig.add("low", low, priority=5, uses="server:call")
    rig.add("high", high, priority=1, uses="server:call")
    rig.run(10)
    rig.expect(rig.log, [(1, 5), (1, 5)])


def test_priority_is_lent_through_a_chain(rig):
    def end(task):
        yield task.recv()
        rig.log.append(rig.word("end", PRIORITY))
        yield task.reply_recv(OK)

    def middle(task):
        yield task.recv()
        yield task.call(task.cap("end"), 1)
        yield task.reply_recv(OK)

    def client(task):
        yield task.sleep(2)
        yield task.call(task.cap("middle"), 1)
        rig.log.append((rig.word("middle", PRIORITY), rig.word("end", PRIORITY)))
        yield task.recv()

    rig.add("end", end, priority=7)
    rig.add("middle", middle, priority=5, uses="end:call")
    rig.add("client", client, priority=0, uses="middle:call")
    rig.run(30)
    rig.expect(rig.log, [0, (5, 7)])


def test_priority_reaches_a_chain_that_waits_already(rig):
    def end(task):
        yield task.sleep(10)
        yield task.recv()
        rig.log.append(rig.word("end", PRIORITY))
        yield task.reply_recv(OK)

    def middle(task):
        yield task.recv()
        yield task.call(task.cap("end"), 1)
        yield task.reply_recv(OK)
        yield task.reply_recv(OK)

    def caller(task):
        yield task.call(task.cap("middle"), 1)
        yield task.recv()

    def urgent(task):
        yield task.sleep(4)
        yield task.call(task.cap("middle"), 1)
        yield task.recv()

    rig.add("end", end, priority=7)
    rig.add("middle", middle, priority=6, uses="end:call")
    rig.add("caller", caller, priority=5, uses="middle:call")
    rig.add("urgent", urgent, priority=1, uses="middle:call")
    rig.run(50)
    rig.expect(rig.log, [1])
    rig.expect(rig.word("middle", PRIORITY), 6)
    rig.expect(rig.word("end", PRIORITY), 7)


def test_lent_priority_keeps_a_middle_service_from_running_first(rig):
    """The inversion that lost Mars Pathfinder its data: high waits for low while middle runs."""

    def low(task):
        yield task.recv()
        for _ in range(3000):
            pass
        rig.log.append("low served")
        yield task.reply_recv(OK)

    def middle(task):
        yield task.sleep(2)
        rig.log.append("middle")
        yield task.recv()

    def high(task):
        yield task.call(task.cap("low"), 1)
        rig.log.append("high")
        yield task.recv()

    rig.add("low", low, priority=7, budget_ms=500)
    rig.add("middle", middle, priority=4)
    rig.add("high", high, priority=1, uses="low:call")
    rig.run(100)
    rig.expect(rig.log, ["low served", "high", "middle"])


def test_call_to_a_preempted_server_is_served_when_it_goes_on(rig):
    def server(task):
        for _ in range(20000):
            pass
        yield task.recv()
        rig.log.append("served")
        yield task.reply_recv(OK)

    def client(task):
        yield task.sleep(3)
        rig.log.append((yield task.call(task.cap("server"), 1)))
        yield task.recv()

    rig.add("server", server, priority=6, budget_ms=5000)
    rig.add("client", client, priority=1, uses="server:call")
    rig.run(200)
    rig.expect(rig.log, ["served", OK])


def test_death_of_the_caller_takes_the_priority_back(rig):
    def client(task):
        yield task.call(task.cap("server"), 1)

    def killer(task):
        yield task.sleep(3)
        rig.log.append(rig.word("server", PRIORITY))
        yield task.stop(task.cap("kernel"), rig.kernel.number("client"))
        rig.log.append((rig.word("server", PRIORITY), rig.word("server", CLIENTS)))
        yield task.recv()

    rig.add("server", silent, priority=6)
    rig.add("client", client, priority=2, uses="server:call")
    rig.add("killer", killer, priority=0, uses="kernel:control")
    rig.run(20)
    rig.expect(rig.log, [2, (6, 0)])


def test_idle_system_makes_no_steps(rig):
    rig.add("one", idle)
    rig.add("two", idle)
    rig.run(50)
    rig.expect(rig.word("one", STEPS) + rig.word("two", STEPS), 2)


def _spinner(rig, letter, *, step_ms):
    """Return a service that notes its letter every millisecond, in steps of a length.

    It waits when 300 letters have been noted.
    """

    def main(task):
        while len(rig.log) < 300:
            start = rig.port.now()
            noted = -1
            while True:
                passed = (rig.port.now() - start) & 0x3FFFFFFF
                if passed // 1000 > noted:
                    noted = passed // 1000
                    rig.log.append(letter)
                if passed >= step_ms * 1000:
                    break
            yield task.sleep(0)
        yield task.recv()

    return main


def test_equals_share_inside_a_long_step(rig):
    """One that does not yield for 100 ms is set aside when its slice is over."""
    rig.add("long", _spinner(rig, "a", step_ms=100), budget_ms=300)
    rig.add("equal", _spinner(rig, "b", step_ms=10), budget_ms=300)
    rig.run(400)
    if "b" not in rig.log[: rig.log.index("a") + 40]:
        raise AssertionError(rig.log)


def test_preempted_equal_goes_on_after_one_slice(rig):
    """Equals that stay ready do not keep the processor from the one they were put on top of."""
    rig.add("long", _spinner(rig, "a", step_ms=150), budget_ms=300)
    for name in ("b", "c"):
        rig.add(name, _spinner(rig, name, step_ms=5), budget_ms=300)
    rig.run(400)
    first = rig.log.index("b")
    if "a" not in rig.log[first : first + 40] or "c" not in rig.log:
        raise AssertionError(rig.log)


def test_less_important_does_not_share(rig):
    rig.add("long", _spinner(rig, "a", step_ms=150), budget_ms=300)
    rig.add("lesser", _spinner(rig, "b", step_ms=5), priority=4, budget_ms=300)
    rig.run(400)
    rig.expect("b" in rig.log[:100], False)
