"""Cases: faults and what others see of them, control of tasks, capabilities, injection."""

from bulkhead import DEAD, NOTIFIED, OK, UNKNOWN
from cases.rig import control, echo, idle
from kernel.abi import (
    DORMANT, EXCEPTION, FAULT_BIT, FAULTED, HEARTBEAT, MEMORY,
    PROTOCOL, RECEIVING, REOPEN, RETURNED, SUPERVISOR_DIED, SYSCALL, TRAP_SHIFT,
)  # fmt: skip

from kernel.layout import CPU_US


def test_exception_ends_the_service_alone(rig):
    def main(task):
        raise ValueError("the reason")
        yield

    rig.add("bad", main)
    rig.add("good", idle)
    rig.run(5)
    rig.expect((rig.state("bad"), rig.fault("bad")), (FAULTED, EXCEPTION))
    rig.expect(rig.generation("bad"), 2)
    rig.expect((rig.state("good"), rig.generation("good")), (RECEIVING, 1))


def test_last_words_hold_the_traceback(rig):
    def main(task):
        yield task.sleep(1)
        raise ValueError("the reason")

    rig.add("bad", main)
    rig.run(10)
    words = rig.words_of("bad")
    if "ValueError: the reason" not in words or "in main" not in words:
        raise AssertionError(words)


def test_fault_without_a_traceback_has_no_words_of_an_earlier_one(rig):
    def main(task):
        yield task.sleep(1)
        if rig.log:
            yield task.recv()
        rig.log.append("first")
        raise ValueError("the first reason")

    def script(task, kernel):
        yield task.sleep(5)
        yield task.start(kernel, 1)
        yield task.sleep(5)
        yield task.stop(kernel, 1, HEARTBEAT)
        yield task.fault_text(kernel, 1)
        rig.log.append(task.arg)

    control(rig, script, ("bad", main, {}))
    rig.expect(rig.log, ["first", b""])


def test_time_of_a_killed_step_is_charged(rig):
    def spin(task):
        while True:
            pass
        yield

    rig.add("spin", spin, budget_ms=10)
    rig.run(80)
    if rig.word("spin", CPU_US) < 9000:
        raise AssertionError(rig.word("spin", CPU_US))


def test_return_of_main_is_told_apart(rig):
    def main(task):
        yield task.sleep(1)

    rig.add("short", main)
    rig.run(10)
    rig.expect(rig.fault("short"), RETURNED)


def test_main_that_is_no_generator_is_a_fault(rig):
    def main(task):
        return None

    rig.add("wrong", main)
    rig.run(5)
    rig.expect(rig.fault("wrong"), EXCEPTION)
    if "generator" not in rig.words_of("wrong"):
        raise AssertionError(rig.words_of("wrong"))


def test_memory_error_is_a_memory_fault(rig):
    def main(task):
        raise MemoryError
        yield

    rig.add("fat", main)
    rig.run(5)
    rig.expect(rig.fault("fat"), MEMORY)


def wrong_trap(rig, value):
    def main(task):
        yield value

    rig.add("wrong", main)
    rig.add("good", idle)
    rig.run(5)
    rig.expect(rig.fault("wrong"), SYSCALL)
    rig.expect(rig.fault("good"), 0)


def test_trap_without_a_meaning_is_a_syscall_fault(rig):
    wrong_trap(rig, 31 << 8)


def test_negative_trap_is_a_syscall_fault(rig):
    wrong_trap(rig, -1)


def test_yield_of_something_else_is_contained(rig):
    def main(task):
        yield "text"

    rig.add("wrong", main)
    rig.add("good", idle)
    rig.run(5)
    rig.expect(rig.state("wrong"), FAULTED)
    rig.expect(rig.state("good"), RECEIVING)


def test_handle_that_was_not_granted_is_a_syscall_fault(rig):
    def main(task):
        yield task.call(5 << 13, 1)

    rig.add("wrong", main)
    rig.run(5)
    rig.expect(rig.fault("wrong"), SYSCALL)


def test_call_without_the_right_is_a_syscall_fault(rig):
    def main(task):
        yield task.call(task.cap("server"), 1)

    rig.add("server", echo)
    rig.add("wrong", main, uses="server:notify")
    rig.run(5)
    rig.expect(rig.fault("wrong"), SYSCALL)


def test_send_without_the_right_is_a_syscall_fault(rig):
    def main(task):
        yield task.send(task.cap("server"), 1)

    rig.add("server", echo, mailbox=(1, 0))
    rig.add("wrong", main, uses="server:call")
    rig.run(5)
    rig.expect(rig.fault("wrong"), SYSCALL)


def test_notify_without_the_right_is_a_syscall_fault(rig):
    def main(task):
        yield task.notify(task.cap("server"), 1)

    rig.add("server", echo)
    rig.add("wrong", main, uses="server:call")
    rig.run(5)
    rig.expect(rig.fault("wrong"), SYSCALL)


def test_control_without_the_capability_is_a_syscall_fault(rig):
    def main(task):
        yield task.stop(task.cap("server"), 1)

    rig.add("server", echo)
    rig.add("wrong", main, uses="server:call")
    rig.run(5)
    rig.expect(rig.fault("wrong"), SYSCALL)
    rig.expect(rig.state("server"), RECEIVING)


def test_unknown_capability_name_says_what_to_do(rig):
    def main(task):
        task.cap("nothing")
        yield

    rig.add("wrong", main)
    rig.run(5)
    if "service.toml" not in rig.words_of("wrong"):
        raise AssertionError(rig.words_of("wrong"))


def test_frame_that_was_taken_apart_is_contained(rig):
    def main(task):
        trap = task.call(task.cap("server"), 1)
        del task.arg
        task.arg = [1]
        yield trap

    rig.add("server", echo)
    rig.add("wrong", main, uses="server:call")
    rig.run(5)
    rig.expect(rig.fault("wrong"), SYSCALL)


def test_stopped_task_is_dormant_and_can_start_again(rig):
    def script(task, kernel):
        rig.log.append((yield task.stop(kernel, 1)))
        yield task.sleep(1)
        rig.log.append(rig.state("echo"))
        rig.log.append((yield task.start(kernel, 1)))
        yield task.sleep(2)
        rig.log.append((rig.state("echo"), rig.generation("echo")))

    control(rig, script, ("echo", echo, {}))
    rig.expect(rig.log, [OK, DORMANT, OK, (RECEIVING, 2)])


def test_client_that_starts_after_its_server_failed_is_told_at_once(rig):
    def server(task):
        if not rig.log:
            rig.log.append("fails")
            raise ValueError
        yield from echo(task)

    def client(task):
        handle = task.cap("server")
        for _ in range(2):
            rig.log.append((yield task.call(handle, 1, 1)))
            rig.log.append((yield task.reopen(handle)))
            yield task.recv()

    def supervisor(task):
        kernel = task.cap("kernel")
        yield task.start(kernel, 1)
        yield task.sleep(1)
        yield task.start(kernel, 2)
        yield task.sleep(1)
        yield task.start(kernel, 1)
        yield task.sleep(1)
        yield task.notify(task.cap("client"), 1)
        yield task.sleep(1)
        yield task.notify(task.cap("client"), 1)
        yield task.sleep(1)
        rig.finish()
        yield task.recv()

    rig.add("server", server)
    rig.add("client", client, uses="server:call")
    rig.add("supervisor", supervisor, priority=0, uses="kernel:control client:notify")
    rig.run(40)
    # Its first handle names the one that failed; `reopen` says so too, and later names the next.
    rig.expect(rig.log, ["fails", DEAD, DEAD, DEAD, OK])


def test_full_heap_in_a_trap_is_a_memory_fault(rig):
    def without_room(_kernel, _w, _task, _trap):
        raise MemoryError

    def main(task):
        yield task.reopen(task.cap("echo"))

    rig.add("echo", echo)
    rig.add("main", main, uses="echo:call")
    rig.start().handlers[REOPEN >> TRAP_SHIFT] = without_room
    rig.run(5)
    rig.expect((rig.fault("main"), rig.state("echo")), (MEMORY, RECEIVING))


def test_start_of_a_running_task_is_unknown(rig):
    def script(task, kernel):
        rig.log.append((yield task.start(kernel, 1)))

    control(rig, script, ("echo", echo, {}))
    rig.expect(rig.log, [UNKNOWN])


def test_control_of_a_task_that_is_not_there_is_unknown(rig):
    def script(task, kernel):
        rig.log.append((yield task.start(kernel, 99)))
        rig.log.append((yield task.inspect(kernel, 99)))

    control(rig, script, ("echo", echo, {}))
    rig.expect(rig.log, [UNKNOWN, UNKNOWN])


def test_stop_with_a_fault_records_its_kind(rig):
    def script(task, kernel):
        yield task.stop(kernel, 1, HEARTBEAT)
        rig.log.append((yield task.next_fault(kernel)))
        rig.log.append((yield task.next_fault(kernel)))

    control(rig, script, ("echo", echo, {}))
    rig.expect(rig.fault("echo"), HEARTBEAT)
    rig.expect(rig.log, [1, 0])


def test_stop_runs_the_finally_blocks(rig):
    def main(task):
        try:
            yield task.recv()
        finally:
            rig.log.append("closed")

    def script(task, kernel):
        yield task.stop(kernel, 1)

    control(rig, script, ("held", main, {}))
    rig.expect(rig.log, ["closed"])


def test_finally_block_that_spins_is_killed(rig):
    def main(task):
        try:
            yield task.recv()
        finally:
            while True:
                pass

    def script(task, kernel):
        yield task.stop(kernel, 1)
        rig.log.append("stopped")

    control(rig, script, ("held", main, {"budget_ms": 10}))
    rig.expect(rig.log, ["stopped"])
    rig.expect(rig.state("held"), DORMANT)


def test_preempted_task_that_is_stopped_is_struck(rig):
    def spin(task):
        while True:
            pass
        yield

    def script(task, kernel):
        rig.log.append((yield task.stop(kernel, 1, HEARTBEAT)))

    control(rig, script, ("spin", spin, {"priority": 7, "budget_ms": 10000}))
    rig.expect(rig.log, [OK])
    rig.expect((rig.state("spin"), rig.fault("spin")), (FAULTED, HEARTBEAT))


def test_handle_of_an_earlier_incarnation_answers_dead_until_reopened(rig):
    def client(task):
        server = task.cap("echo")
        yield task.sleep(10)
        rig.log.append((yield task.call(server, 1, 1)))
        rig.log.append((yield task.reopen(server)))
        rig.log.append((yield task.call(server, 1, 1)))
        yield task.recv()

    def script(task, kernel):
        yield task.stop(kernel, 1)
        yield task.start(kernel, 1)

    control(rig, script, ("echo", echo, {}), ("client", client, {"uses": "echo:call"}))
    rig.expect(rig.log, [DEAD, OK, OK])


def test_module_state_starts_afresh_with_each_incarnation(rig):
    def main(task):
        task.private = getattr(task, "private", 0) + 1
        rig.log.append(task.private)
        yield task.recv()

    def script(task, kernel):
        yield task.stop(kernel, 1)
        yield task.start(kernel, 1)

    control(rig, script, ("one", main, {}))
    rig.expect(rig.log, [1, 1])


def test_reply_fault_faults_the_caller(rig):
    def server(task):
        yield task.recv()
        rig.log.append((yield task.reply_fault()))
        yield task.recv()

    def client(task):
        yield task.call(task.cap("server"), 1)

    rig.add("server", server)
    rig.add("client", client, uses="server:call")
    rig.run(5)
    rig.expect(rig.fault("client"), PROTOCOL)
    rig.expect(rig.log, [OK])
    rig.expect(rig.state("server"), RECEIVING)


def test_supervisor_is_notified_of_a_fault(rig):
    def supervisor(task):
        kernel = task.cap("kernel")
        yield task.start(kernel, 2)
        status = yield task.recv()
        rig.log.append((status, task.bits() == FAULT_BIT, (yield task.next_fault(kernel))))
        yield task.recv()

    def bad(task):
        raise ValueError
        yield

    rig.add("supervisor", supervisor, priority=0, uses="kernel:control")
    rig.add("bad", bad)
    rig.run(10)
    rig.expect(rig.log, [(NOTIFIED, True, 2)])


def test_supervisor_is_restarted_by_the_kernel(rig):
    def supervisor(task):
        rig.log.append("start")
        if len(rig.log) < 3:
            raise ValueError("the supervisor's own fault")
        yield task.recv()

    rig.add("supervisor", supervisor, priority=0, uses="kernel:control")
    rig.add("echo", echo)
    rig.run(10)
    rig.expect(rig.log, ["start"] * 3)
    rig.expect(rig.generation("supervisor"), 3)


def test_supervisor_that_keeps_dying_resets_the_board(rig):
    def supervisor(task):
        rig.log.append("start")
        raise ValueError
        yield

    rig.add("supervisor", supervisor, priority=0)
    causes = []

    def panic(cause):
        causes.append(cause)
        raise SystemExit

    rig.port.panic = panic
    try:
        rig.run(10)
    except SystemExit:
        pass
    rig.expect(causes[0], SUPERVISOR_DIED)
    rig.expect(rig.log, ["start"] * 6)
