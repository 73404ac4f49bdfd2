"""Cases: budgets of a step and of a period; turns of equals; kills, and tasks that catch them."""

from bulkhead import OK
from cases.rig import burn_us, echo, idle, no_branch
from kernel.abi import BUDGET, DORMANT, DROP_OLDEST, EXCEPTION, FAULTED, RECEIVING, SLEEPING
from kernel.layout import CPU_US


def worker(rig, *, step_ms, pause_ms, steps):
    """Return a service that computes in steps of one length and sleeps between them."""

    def main(task):
        for _ in range(steps):
            burn_us(rig, step_ms * 1000)
            rig.log.append("step")
            yield task.sleep(pause_ms)
        yield task.recv()

    return main


def test_period_budget_that_is_kept_is_no_fault(rig):
    main = worker(rig, step_ms=4, pause_ms=16, steps=6)
    rig.add("worker", main, budget_ms=500, period_ms=20, period_budget_ms=15)
    rig.run(150)
    rig.expect((len(rig.log), rig.fault("worker")), (6, 0))


def test_period_budget_that_is_exceeded_is_a_budget_fault(rig):
    main = worker(rig, step_ms=10, pause_ms=5, steps=20)
    rig.add("worker", main, budget_ms=500, period_ms=1000, period_budget_ms=25)
    rig.run(150)
    rig.expect((rig.state("worker"), rig.fault("worker")), (FAULTED, BUDGET))
    if not 1 <= len(rig.log) <= 3:  # fewer than three where a busy machine draws a step out
        raise AssertionError(rig.log)
    if "period" not in rig.words_of("worker"):
        raise AssertionError(rig.words_of("worker"))


def test_period_budget_begins_again_with_the_next_period(rig):
    main = worker(rig, step_ms=5, pause_ms=45, steps=6)
    rig.add("worker", main, budget_ms=500, period_ms=40, period_budget_ms=16)
    rig.run(450)
    rig.expect((len(rig.log), rig.fault("worker")), (6, 0))


def test_task_without_a_period_may_compute_for_ever(rig):
    rig.add("worker", worker(rig, step_ms=5, pause_ms=0, steps=12), budget_ms=500)
    rig.run(150)
    rig.expect((len(rig.log), rig.fault("worker")), (12, 0))


def test_time_on_top_of_a_task_is_not_charged_to_it(rig):
    def on_top(task):
        while True:
            burn_us(rig, 5_000)
            yield task.sleep(5)

    def below(task):
        burn_us(rig, 40_000)
        rig.log.append(rig.state("on_top") == SLEEPING)
        yield task.sleep(1)
        rig.log.append("charged for itself alone")
        yield task.recv()

    rig.add("on_top", on_top, priority=1)
    rig.add("below", below, budget_ms=300, period_ms=1000, period_budget_ms=36)
    rig.run(100)
    rig.expect((rig.log, rig.fault("below")), ([True, "charged for itself alone"], 0))


def test_next_incarnation_begins_with_a_whole_budget(rig):
    def supervisor(task):
        kernel = task.cap("kernel")
        while True:
            yield task.start(kernel, 2)
            yield task.recv()
            rig.log.append((yield task.next_fault(kernel)))

    rig.add("supervisor", supervisor, priority=0, uses="kernel:control")
    main = worker(rig, step_ms=6, pause_ms=1, steps=20)
    rig.add("worker", main, budget_ms=500, period_ms=1000, period_budget_ms=10)
    rig.run(60)
    rig.expect(rig.log[:6], ["step", "step", 2] * 2)


def test_client_of_a_server_over_its_period_gets_its_answer_first(rig):
    def server(task):
        yield task.recv()
        yield task.reply_recv(OK)  # far from its budget, however slow the machine is
        burn_us(rig, 70_000)
        yield task.reply_recv(OK)

    def client(task):
        for _ in range(3):
            rig.log.append((yield task.call(task.cap("server"), 1, None, 500)))
        rig.finish()

    rig.add("server", server, budget_ms=500, period_ms=10_000, period_budget_ms=60)
    rig.add("client", client, uses="server:call")
    rig.run(2_000)
    rig.expect(rig.log, [OK, 193, 193])


def test_step_that_ends_within_its_budget_is_not_killed(rig):
    rig.add("worker", worker(rig, step_ms=15, pause_ms=1, steps=3), budget_ms=100)
    rig.run(100)
    rig.expect((len(rig.log), rig.fault("worker")), (3, 0))


def test_step_over_its_budget_is_killed(rig):
    rig.add("worker", worker(rig, step_ms=50, pause_ms=1, steps=1), budget_ms=20)
    rig.run(100)
    rig.expect((rig.log, rig.fault("worker")), ([], BUDGET))


def test_kill_runs_the_finally_blocks(rig):
    def main(task):
        try:
            burn_us(rig, 100_000)
        finally:
            rig.log.append("closed")
        yield

    rig.add("worker", main, budget_ms=10)
    rig.run(60)
    rig.expect((rig.log, rig.fault("worker")), (["closed"], BUDGET))


def test_task_that_catches_a_kill_and_traps_is_dropped_without_being_closed(rig):
    kept = []

    def main(task):
        kept.append(rig.kernel.generators[1])
        try:
            try:
                while True:
                    pass
            except BaseException:
                rig.log.append("caught")
            yield task.sleep(1)
        finally:
            rig.log.append("closed")

    rig.add("stubborn", main, budget_ms=10)
    rig.add("good", echo)
    rig.run(600)
    rig.expect((rig.state("stubborn"), rig.fault("stubborn")), (FAULTED, BUDGET))
    rig.expect(rig.log, ["caught"])
    rig.expect(rig.state("good"), RECEIVING)
    if rig.kernel.generators[1] is not None:
        raise AssertionError("the generator is kept")


def test_task_that_catches_a_kill_and_spins_on_is_struck_again(rig):
    def main(task):
        try:
            while True:
                pass
        except BaseException:
            rig.log.append("caught")
        while True:
            pass
        yield

    rig.add("stubborn", main, budget_ms=10)
    rig.run(600)
    rig.expect((rig.log, rig.fault("stubborn")), (["caught"], BUDGET))


def test_task_that_raises_after_it_caught_a_kill_has_that_fault(rig):
    def main(task):
        try:
            while True:
                pass
        except BaseException:
            raise ValueError("instead") from None
        yield

    rig.add("stubborn", main, budget_ms=10)
    rig.run(600)
    rig.expect(rig.fault("stubborn"), EXCEPTION)


def stop_preempted(rig, spin, kind):
    """Have a controller stop the service `spin` while it is preempted by that controller."""

    def controller(task):
        yield task.sleep(5)
        rig.log.append((yield task.stop(task.cap("kernel"), 2, kind)))
        yield task.recv()

    rig.add("controller", controller, priority=0, uses="kernel:control")
    rig.add("spin", spin, priority=7, budget_ms=10_000)
    rig.add("good", idle)
    rig.run(600)
    rig.expect(rig.fault("controller"), 0)


def test_preempted_task_that_is_stopped_for_good_is_dormant(rig):
    def spin(task):
        while True:
            pass
        yield

    stop_preempted(rig, spin, None)
    rig.expect((rig.log, rig.state("spin"), rig.fault("spin")), ([OK], DORMANT, 0))
    rig.expect(rig.generation("spin"), 2)


def test_preempted_task_that_traps_before_the_strike_is_stopped_all_the_same(rig):
    def spin(task):
        while not rig.log:
            pass
        yield task.sleep(1)
        rig.log.append("went on")
        yield task.recv()

    stop_preempted(rig, spin, None)
    rig.expect((rig.log, rig.state("spin")), ([OK], DORMANT))


def test_killed_tasks_time_is_charged_to_it_alone(rig):
    def good(task):
        while True:
            yield task.sleep(1)

    rig.add("worker", worker(rig, step_ms=100, pause_ms=1, steps=1), budget_ms=30)
    rig.add("good", good, priority=1)
    rig.run(80)
    if rig.word("good", CPU_US) > 20_000 or rig.word("worker", CPU_US) < 15_000:
        raise AssertionError((rig.word("good", CPU_US), rig.word("worker", CPU_US)))
    rig.expect(rig.fault("good"), 0)


def test_kill_that_comes_while_the_first_unwinds_harms_nobody(rig):
    def bad(task):
        yield task.sleep(1)
        try:
            while True:
                pass
        finally:
            sum(bytes(20_000))  # one C call, longer than from a strike to the next

    def good(task):
        for _ in range(3):
            yield task.sleep(50)
            rig.log.append("ran")
        yield task.recv()

    rig.add("bad", bad, budget_ms=3)
    rig.add("good", good, priority=4)
    rig.run(200)
    rig.expect((rig.state("bad"), rig.fault("bad")), (FAULTED, BUDGET))
    rig.expect(rig.log, ["ran"] * 3)


def test_kill_as_the_last_step_ends_is_forgotten(rig):
    """The one that the kernel makes for a task that is stopped: its `finally` blocks."""

    def edge(task):
        length = 1500 + 50 * len(rig.log)
        try:
            yield task.recv()
        finally:
            burn_us(rig, length)
            no_branch()

    def supervisor(task):
        kernel = task.cap("kernel")
        while len(rig.log) < 30:
            yield task.start(kernel, 2)
            yield task.sleep(1)
            rig.log.append((yield task.stop(kernel, 2)))
        rig.finish()
        yield task.recv()

    rig.add("supervisor", supervisor, priority=0, budget_ms=100, uses="kernel:control")
    rig.add("edge", edge, priority=4, budget_ms=2)
    rig.run(60_000)  # a bound: it finishes long before
    if rig.port.name in ("rp2", "sim"):  # elsewhere a kill is a signal, which takes its time
        rig.expect((rig.log, rig.fault("edge"), rig.fault("supervisor")), ([OK] * 30, 0, 0))


def test_who_wakes_the_important_all_the_time_leaves_its_equals_their_turns(rig):
    def busy(trap):
        def main(task):
            for _ in range(20_000):
                if rig.count == 4:
                    break
                yield trap(task)
            rig.log.append(rig.count)
            yield task.recv()

        return main

    def important(task):
        while True:
            yield task.recv()

    def equal(task):
        for _ in range(4):
            yield task.sleep(1)
            rig.count += 1

    rig.add("important", important, priority=1, mailbox=(2, DROP_OLDEST))
    rig.add(
        "flood", busy(lambda task: task.notify(task.cap("important"), 1)), uses="important:notify"
    )
    rig.add("send", busy(lambda task: task.send(task.cap("important"), 1)), uses="important:send")
    rig.add("equal", equal)
    rig.run(60)
    rig.expect(rig.log, [4, 4])


def test_words_of_a_kill_end_with_what_it_was_for(rig):
    def main(task):
        while True:
            pass
        yield

    rig.add("busy", main, budget_ms=5)
    rig.run(30)
    last = rig.words_of("busy").rstrip().split("\n")[-1]
    rig.expect(last, "killed: it held the processor for longer than its budget, without a yield")
