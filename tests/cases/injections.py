"""Cases: what is injected into a service is done, and harms itself alone."""

from bulkhead import DEAD, FULL, NOTIFIED, OK, REFUSED, TIMEOUT, UNKNOWN
from cases.rig import burn_us, control, echo
from bulkhead.terms import (
    BAD_MESSAGE, BAD_TRAP, CATCH_KILL, CLOCK_JUMP, CRASH, DOUBLE_REPLY, DROP_REPLY, FLOOD,
    FORGED_HANDLE, HANG, INTERRUPT_STORM, KILL_IN_CALL, KILL_IN_START, LATE_REPLY, LEAK,
    LOST_INTERRUPT, MEMORY_FULL, NONSENSE, PROTOCOL_ERROR, RETURN, REVOKED_HANDLE, SPIN, SPIN_IN_C,
    STALE_HANDLE, WRONG_REPLY,
)  # fmt: skip
from kernel.abi import (
    BUDGET, EXCEPTION, INJECTED, MEMORY, OPERATIONS, PROTOCOL, RETURNED, SLEEPING, STORM, SYSCALL,
)  # fmt: skip


def inject(rig, kind, *others, wait=40, server=echo, **options):
    """Inject into a service, an echo service, and let it show; `others` are more services."""

    def script(task, kernel):
        rig.log.append((yield task.inject(kernel, 1, kind)))
        yield task.sleep(wait)

    control(rig, script, ("echo", server, options), *others)


def test_injected_crash_is_an_exception(rig):
    inject(rig, CRASH)
    rig.expect(rig.fault("echo"), EXCEPTION)
    if "InjectedCrash" not in rig.words_of("echo"):
        raise AssertionError(rig.words_of("echo"))


def test_injected_spin_is_a_budget_fault(rig):
    inject(rig, SPIN, budget_ms=10)
    rig.expect(rig.fault("echo"), BUDGET)


def test_injected_hang_sleeps_without_end(rig):
    inject(rig, HANG)
    rig.expect((rig.state("echo"), rig.fault("echo")), (SLEEPING, 0))


def test_dropped_reply_times_the_caller_out_once(rig):
    def client(task):
        server = task.cap("echo")
        yield task.sleep(8)
        rig.log.append((yield task.call(server, 1, 1, 5)))
        rig.log.append((yield task.call(server, 1, 1, 5)))
        yield task.recv()

    inject(rig, DROP_REPLY, ("client", client, {"uses": "echo:call"}))
    rig.expect(rig.log, [OK, TIMEOUT, OK])
    rig.expect(rig.fault("echo"), 0)


def test_injection_of_an_unknown_kind_is_refused(rig):
    inject(rig, 99)
    rig.expect(rig.log, [UNKNOWN])


def test_injection_into_the_midst_of_a_step_is_for_later(rig):
    def busy(task):
        burn_us(rig, 15_000)
        yield task.recv()

    def script(task, kernel):
        rig.log.append((yield task.inject(kernel, 1, CRASH)))
        yield task.sleep(30)
        rig.log.append((yield task.inject(kernel, 1, CRASH)))
        yield task.sleep(5)

    control(rig, script, ("busy", busy, {"budget_ms": 50}))
    rig.expect((rig.log, rig.fault("busy")), ([FULL, OK], EXCEPTION))


def test_injection_while_a_module_is_loaded_is_for_later(rig):
    def script(task, kernel):
        rig.kernel.loading = 1  # as the first step of one from a file has it
        rig.log.append((yield task.inject(kernel, 1, CRASH)))
        rig.kernel.loading = 0

    control(rig, script, ("echo", echo, {}))
    rig.expect((rig.log, rig.fault("echo")), ([FULL], 0))


def faulted(rig, kind, fault, words="", **options):
    """Inject what faults an echo service that may call another."""
    options["uses"] = "other:call"
    inject(rig, kind, ("other", echo, {}), **options)
    rig.expect(rig.fault("echo"), fault)
    rig.expect(rig.generation("echo"), 2)
    rig.expect(rig.generation("other"), 1)
    if words not in rig.words_of("echo"):
        raise AssertionError(rig.words_of("echo"))


def test_injected_return_ends_main(rig):
    faulted(rig, RETURN, RETURNED)


def test_injected_spin_in_a_c_call_is_a_budget_fault(rig):
    faulted(rig, SPIN_IN_C, BUDGET, budget_ms=5, wait=400)


def ends_by_memory_or_budget(rig, kind):
    # On unix the handler of a signal raises the kill: in the midst of an allocation too, and then
    # the interpreter's heap is not whole any more. So there the budget is not what ends it.
    on_unix = rig.port.name == "unix"
    inject(rig, kind, wait=400 if on_unix else 40, budget_ms=1000 if on_unix else 2)
    if rig.fault("echo") not in (MEMORY, BUDGET):
        raise AssertionError(rig.fault("echo"))


def test_injected_leak_ends_by_memory_or_budget(rig):
    ends_by_memory_or_budget(rig, LEAK)


def test_injected_full_memory_ends_by_memory_or_budget(rig):
    ends_by_memory_or_budget(rig, MEMORY_FULL)


def test_injected_catch_of_a_kill_is_a_budget_fault(rig):
    faulted(rig, CATCH_KILL, BUDGET, budget_ms=5)


def test_injected_forged_handle_is_a_syscall_fault(rig):
    faulted(rig, FORGED_HANDLE, SYSCALL, "NoRight")


def test_injected_stale_handle_is_a_syscall_fault(rig):
    faulted(rig, STALE_HANDLE, SYSCALL, "NoRight")


def test_injected_revoked_handle_answers_dead(rig):
    faulted(rig, REVOKED_HANDLE, EXCEPTION, "answers %d" % DEAD, slots=1)


def test_injected_bad_trap_is_a_syscall_fault(rig):
    faulted(rig, BAD_TRAP, SYSCALL, "NoRight")


def test_injected_bad_message_is_a_syscall_fault(rig):
    faulted(rig, BAD_MESSAGE, SYSCALL, "BadMessage")


def test_injected_kill_in_start_ends_two_incarnations(rig):
    def beginner(task):
        rig.log.append("began")
        yield task.recv()

    def script(task, kernel):
        rig.log.append((yield task.inject(kernel, 1, KILL_IN_START)))
        rig.log.append(rig.fault("beginner"))
        yield task.sleep(20)
        rig.log.append((rig.fault("beginner"), rig.generation("beginner")))
        rig.log.append((yield task.start(kernel, 1)))

    control(rig, script, ("beginner", beginner, {}))
    rig.expect(rig.log, ["began", OK, INJECTED, "began", (EXCEPTION, 3), OK, "began"])


def answers(rig, kind, timeout_ms=None, wait=80, server=echo):
    """Inject into an echo service; return what a client gets of three calls, with the values."""

    def client(task):
        server = task.cap("echo")
        yield task.sleep(8)
        for number in (1, 2, 3):
            status = yield task.call(server, 1, number, timeout_ms)
            rig.log.append((status, task.arg if status < OPERATIONS else None))
            if status == DEAD:
                break
        yield task.recv()

    inject(rig, kind, ("client", client, {"uses": "echo:call"}), wait=wait, server=server)
    rig.expect(rig.log.pop(0), OK)
    return rig.log


def later(task):
    """Answer by `reply_to` alone, when something else has been done."""
    while True:
        yield task.recv()
        caller, value = task.caller(), task.arg
        yield task.sleep(1)
        yield task.reply_to(caller, OK, value + 1)


def test_injected_wrong_reply_is_wrong_once(rig):
    rig.expect(answers(rig, WRONG_REPLY), [(NONSENSE, b"nonsense"), (OK, 3), (OK, 4)])
    rig.expect(rig.fault("echo"), 0)


def test_injected_second_reply_reaches_nobody(rig):
    rig.expect(answers(rig, DOUBLE_REPLY), [(OK, 2), (OK, 3), (OK, 4)])
    rig.expect(rig.fault("echo"), 0)


def test_injected_late_reply_is_a_timeout_for_its_caller_alone(rig):
    late = [(TIMEOUT, None), (TIMEOUT, None), (TIMEOUT, None)]
    rig.expect(answers(rig, LATE_REPLY, timeout_ms=5), late)
    rig.expect((rig.fault("echo"), rig.state("echo")), (0, SLEEPING))


def test_injected_protocol_error_faults_the_caller(rig):
    rig.expect(answers(rig, PROTOCOL_ERROR), [])
    rig.expect((rig.fault("echo"), rig.fault("client")), (0, PROTOCOL))


def test_injected_kill_in_a_call_answers_dead(rig):
    rig.expect(answers(rig, KILL_IN_CALL), [(DEAD, None)])
    rig.expect(rig.fault("echo"), EXCEPTION)


def test_injected_misdeeds_at_a_reply_befall_who_answers_by_reply_to(rig):
    rig.expect(
        answers(rig, WRONG_REPLY, server=later), [(NONSENSE, b"nonsense"), (OK, 3), (OK, 4)]
    )
    rig.expect(rig.fault("echo"), 0)


def test_injected_drop_of_a_later_reply_times_the_caller_out_once(rig):
    dropped = [(TIMEOUT, None), (OK, 3), (OK, 4)]
    rig.expect(answers(rig, DROP_REPLY, timeout_ms=8, server=later), dropped)
    rig.expect(rig.fault("echo"), 0)


def test_injected_second_later_reply_reaches_nobody(rig):
    rig.expect(answers(rig, DOUBLE_REPLY, server=later), [(OK, 2), (OK, 3), (OK, 4)])
    rig.expect(rig.fault("echo"), 0)


def test_injected_protocol_error_faults_who_was_to_be_answered_later(rig):
    rig.expect(answers(rig, PROTOCOL_ERROR, server=later), [])
    rig.expect((rig.fault("echo"), rig.fault("client")), (0, PROTOCOL))


def test_injected_kill_at_a_later_reply_answers_dead(rig):
    rig.expect(answers(rig, KILL_IN_CALL, server=later), [(DEAD, None)])
    rig.expect(rig.fault("echo"), EXCEPTION)


def test_injected_flood_comes_before_the_next_step_and_harms_nothing(rig):
    def target(task):
        other = task.cap("other")
        while True:
            operation = yield task.recv()
            rig.log.append((operation, task.arg))
            yield task.reply((yield task.call(other, 1, 1)), task.arg)

    def other(task):
        calls = 0
        operation = yield task.recv()
        while True:
            calls += operation == NONSENSE
            answer = (REFUSED, calls) if operation == NONSENSE else (OK, calls)
            operation = yield task.reply_recv(*answer)

    def client(task):
        yield task.sleep(8)
        rig.log.append(((yield task.call(task.cap("target"), 7, 5)), task.arg))
        yield task.recv()

    def script(task, kernel):
        rig.log.append((yield task.inject(kernel, 1, FLOOD)))
        yield task.sleep(40)

    control(
        rig,
        script,
        ("target", target, {"uses": "other:call"}),
        ("other", other, {}),
        ("client", client, {"uses": "target:call"}),
    )
    rig.expect(rig.log, [OK, (7, 5), (OK, 100)])


def driver(rig):
    """Return a driver that logs what its `recv` of 30 ms gives, and acknowledges."""

    def main(task):
        line = task.cap("edge")
        while True:
            yield task.acknowledge(line)
            status = yield task.recv(30)
            rig.log.append((status, task.bits() if status == NOTIFIED else 0))

    return main


def test_injected_lost_interrupt_is_lost_alone(rig):
    def script(task, kernel):
        rig.log.append((yield task.inject(kernel, 1, LOST_INTERRUPT)))
        for _ in range(2):
            rig.port.fire(rig.line(0))
            yield task.sleep(5)
        yield task.sleep(35)

    control(rig, script, ("driver", driver(rig), {"lines": ("edge",)}))
    rig.expect(rig.log, [OK, (NOTIFIED, 1), (TIMEOUT, 0)])
    rig.expect(rig.fault("driver"), 0)


def test_injected_lost_interrupt_leaves_a_notification_that_came_with_it(rig):
    def script(task, kernel):
        rig.log.append((yield task.inject(kernel, 1, LOST_INTERRUPT)))
        yield task.notify(task.cap("driver"), 4)  # it is not waiting when the two come
        rig.port.fire(rig.line(0))
        yield task.notify(task.cap("driver"), 2)
        yield task.sleep(45)

    control(rig, script, ("driver", driver(rig), {"lines": ("edge",)}), uses="driver:notify")
    rig.expect(rig.log, [OK, (NOTIFIED, 4), (NOTIFIED, 2), (TIMEOUT, 0)])
    rig.expect(rig.fault("driver"), 0)


def test_injected_lost_interrupt_takes_a_driver(rig):
    inject(rig, LOST_INTERRUPT)
    rig.expect((rig.log, rig.fault("echo")), ([UNKNOWN], 0))


def test_injected_storm_is_a_storm(rig):
    def script(task, kernel):
        rig.log.append((yield task.inject(kernel, 1, INTERRUPT_STORM)))
        yield task.sleep(5)
        rig.log.append((yield task.inject(kernel, 1, INTERRUPT_STORM)))

    control(rig, script, ("driver", driver(rig), {"lines": ("edge",)}))
    rig.expect(rig.log, [OK, (NOTIFIED, 1), UNKNOWN])
    rig.expect(rig.fault("driver"), STORM)


def test_injected_clock_jump_stops_all_and_faults_nobody(rig):
    def sleeper(task):
        while True:
            yield task.sleep(10)
            rig.log.append(rig.port.now())

    def script(task, kernel):
        before = rig.port.now()
        yield task.inject(kernel, 1, CLOCK_JUMP)
        yield task.call(task.cap("echo"), 1)
        yield task.sleep(15)
        rig.log.insert(0, before)

    def echoing(task):
        yield from echo(task)

    rig.add("echo", echoing, budget_ms=5)
    rig.add("sleeper", sleeper, priority=2, budget_ms=5)

    def main(task):
        yield from script(task, task.cap("kernel"))
        yield task.recv()

    rig.add("controller", main, priority=1, budget_ms=5, uses="kernel:control echo:call")
    rig.run(1_100)
    before, after = rig.log[:2]
    if after - before < 1_000_000:
        raise AssertionError(rig.log)
    rig.expect([rig.fault(name) for name in ("echo", "sleeper", "controller")], [0, 0, 0])
