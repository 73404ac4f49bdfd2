"""Cases: receiving from one task only, and that nobody waits for ever or out of turn."""

from bulkhead import DEAD, NOTIFIED, OK, TIMEOUT
from cases.rig import echo, idle, silent
from kernel.abi import AWAITING, BLOCK, CALLING, FULL, RECEIVING, SYSCALL
from kernel.layout import CLIENTS, PEER, PRIORITY


def caller(rig, value, *, delay_ms=0, timeout_ms=None):
    """Return a client that calls the server once and logs its value with the status."""

    def main(task):
        yield task.sleep(delay_ms)
        status = yield task.call(task.cap("server"), 1, value, timeout_ms)
        rig.log.append((value, status))
        yield from idle(task)

    return main


def until_calling(rig, task, name):
    """Wait until the service `name` is queued at a server."""
    while rig.state(name) != CALLING:
        yield task.sleep(1)


def closed(rig, *, timeout_ms=None, delay_ms=3):
    """Return a server that receives from `wanted` alone, then from all; it logs what came."""

    def server(task):
        yield task.sleep(delay_ms)
        status = yield task.recv_from(task.cap("wanted"), timeout_ms)
        rig.log.append(task.arg if status == 1 else status)
        while True:
            if status == 1:
                yield task.reply(OK)
            status = yield task.recv()
            rig.log.append(task.arg if status == 1 else status)

    return server


def test_closed_receive_takes_a_queued_call_of_its_sender_alone(rig):
    rig.add("server", closed(rig), uses="wanted:notify")
    rig.add("other", caller(rig, "other"), priority=1, uses="server:call")
    rig.add("wanted", caller(rig, "wanted"), priority=5, uses="server:call")
    rig.run(20)
    rig.expect(rig.log[0], "wanted")
    rig.expect(sorted(str(entry) for entry in rig.log[1:]), sorted(
        [str(entry) for entry in ["other", ("wanted", OK), ("other", OK)]]
    ))  # fmt: skip


def test_closed_receive_waits_for_a_call_of_its_sender(rig):
    rig.add("server", closed(rig, delay_ms=0), uses="wanted:notify")
    rig.add("other", caller(rig, "other", delay_ms=2), priority=1, uses="server:call")
    rig.add("wanted", caller(rig, "wanted", delay_ms=6), priority=5, uses="server:call")
    rig.run(20)
    rig.expect(rig.log[0], "wanted")
    rig.expect(len(rig.log), 4)


def test_others_stay_queued_meanwhile(rig):
    rig.add("server", closed(rig, delay_ms=0), uses="wanted:notify")
    rig.add("other", caller(rig, "other"), priority=1, uses="server:call")
    rig.add("wanted", idle)
    rig.run(10)
    rig.expect((rig.state("server"), rig.state("other")), (AWAITING, CALLING))
    rig.expect(rig.word("server", PEER), rig.task("wanted"))
    rig.expect(rig.word("wanted", CLIENTS), 1)


def test_caller_of_a_closed_server_times_out(rig):
    rig.add("server", closed(rig, delay_ms=0), uses="wanted:notify")
    rig.add("other", caller(rig, "other", timeout_ms=5), uses="server:call")
    rig.add("wanted", idle)
    rig.run(20)
    rig.expect(rig.log, [("other", TIMEOUT)])
    rig.expect(rig.word("server", CLIENTS), 0)


def test_closed_receive_times_out(rig):
    rig.add("server", closed(rig, timeout_ms=5), uses="wanted:notify")
    rig.add("wanted", idle)
    rig.run(20)
    rig.expect((rig.log, rig.state("server")), ([TIMEOUT], RECEIVING))
    rig.expect(rig.word("wanted", CLIENTS), 0)


def test_notification_ends_a_closed_receive(rig):
    def bell(task):
        yield task.sleep(6)
        yield task.notify(task.cap("server"), 2)

    rig.add("server", closed(rig), uses="wanted:notify")
    rig.add("wanted", idle)
    rig.add("bell", bell, uses="server:notify")
    rig.run(20)
    rig.expect((rig.log, rig.word("wanted", CLIENTS)), ([NOTIFIED], 0))


def test_pending_notification_comes_before_the_sender(rig):
    def bell(task):
        yield task.notify(task.cap("server"), 2)

    rig.add("server", closed(rig), uses="wanted:notify")
    rig.add("wanted", caller(rig, "wanted"), uses="server:call")
    rig.add("bell", bell, uses="server:notify")
    rig.run(20)
    rig.expect(rig.log, [NOTIFIED, "wanted", ("wanted", OK)])


def test_interrupt_ends_a_closed_receive(rig):
    def driver(task):
        yield task.acknowledge(task.cap("edge"))
        rig.log.append((yield task.recv_from(task.cap("wanted"))))

    rig.add("driver", driver, uses="wanted:notify", lines=("edge",))
    rig.add("wanted", idle)
    rig.start()
    rig.port.at(5, lambda: rig.port.fire(rig.line(0)))
    rig.run(20)
    rig.expect(rig.log, [NOTIFIED])


def test_death_of_the_sender_ends_a_closed_receive(rig):
    def wanted(task):
        yield task.sleep(6)
        raise ValueError("no")

    rig.add("server", closed(rig), uses="wanted:notify")
    rig.add("wanted", wanted)
    rig.run(20)
    rig.expect((rig.log, rig.state("server")), ([DEAD], RECEIVING))


def test_closed_receive_from_a_dead_task_is_dead_at_once(rig):
    def wanted(_sys):
        raise ValueError("no")
        yield

    rig.add("wanted", wanted)
    rig.add("server", closed(rig), uses="wanted:notify")
    rig.run(20)
    rig.expect(rig.log, [DEAD])


def test_closed_receive_through_a_forged_handle_faults(rig):
    def server(task):
        yield task.recv_from(5 << 13)

    rig.add("server", server)
    rig.run(5)
    rig.expect(rig.fault("server"), SYSCALL)


def test_closed_receive_from_the_kernel_or_oneself_or_a_line_faults(rig):
    def server(target):
        return lambda task: (yield task.recv_from(task.cap(target)))

    rig.add("kernels", server("kernel"), uses="kernel:control")
    rig.add("self", server("self"), uses="self:call")
    rig.add("lines", server("edge"), lines=("edge",))
    rig.run(5)
    rig.expect([rig.fault(name) for name in ("kernels", "self", "lines")], [SYSCALL] * 3)


def test_killed_closed_receiver_leaves_its_sender_untouched(rig):
    def killer(task):
        yield task.sleep(5)
        yield task.stop(task.cap("kernel"), 1)

    rig.add("server", closed(rig, delay_ms=0), uses="wanted:notify")
    rig.add("wanted", idle)
    rig.add("killer", killer, uses="kernel:control")
    rig.run(10)
    rig.expect((rig.word("wanted", CLIENTS), rig.word("wanted", PRIORITY)), (0, 3))


def test_sender_waited_for_runs_at_the_priority_of_those_queued(rig):
    """No inversion: an important caller waits for a closed server, a spinner does not matter."""

    def wanted(task):
        yield task.sleep(8)
        for _ in range(200):
            pass
        yield task.call(task.cap("server"), 1, "wanted")
        yield from idle(task)

    def spinner(task):
        yield task.sleep(5)
        while True:
            pass

    rig.add("server", closed(rig, delay_ms=0), priority=6, uses="wanted:notify")
    rig.add("important", caller(rig, "important", delay_ms=3), priority=1, uses="server:call")
    rig.add("spinner", spinner, priority=4, budget_ms=60)
    rig.add("wanted", wanted, priority=6, uses="server:call")
    rig.run(30)
    rig.expect(rig.log, ["wanted", "important", ("important", OK)])


def test_priority_is_lent_through_a_closed_receive_and_given_back(rig):
    def watch(task):
        yield from until_calling(rig, task, "important")
        rig.log.append([rig.word(name, PRIORITY) for name in ("end", "wanted", "server")])
        yield task.sleep(60)
        rig.log.append([rig.word(name, PRIORITY) for name in ("end", "wanted", "server")])

    def wanted(task):
        yield task.call(task.cap("end"), 1, None, 40)
        yield from idle(task)

    rig.add("end", silent, priority=7)
    rig.add("wanted", wanted, priority=6, uses="end:call")
    rig.add("server", closed(rig, delay_ms=0, timeout_ms=40), priority=5, uses="wanted:notify")
    rig.add("important", caller(rig, 1, delay_ms=2, timeout_ms=40), priority=1, uses="server:call")
    rig.add("watch", watch, priority=0)
    rig.run(120)
    rig.expect(rig.log[0], [1, 1, 1])
    rig.expect(rig.log[-1], [7, 6, 5])


def test_priority_of_callers_queued_before_is_lent_too(rig):
    def watch(task):
        while rig.state("server") != AWAITING:
            yield task.sleep(1)
        rig.log.append(rig.word("wanted", PRIORITY))

    rig.add("server", closed(rig), priority=6, uses="wanted:notify")
    rig.add("important", caller(rig, 1), priority=1, uses="server:call")
    rig.add("wanted", idle, priority=7)
    rig.add("watch", watch, priority=0)
    rig.run(12)
    rig.expect(rig.log, [1])


def test_priority_lent_to_a_blocked_sender_reaches_its_receiver(rig):
    def full(task):
        yield task.sleep(1000)

    def sender(task):
        for _ in range(2):
            yield task.send(task.cap("full"), 1)

    def watch(task):
        yield from until_calling(rig, task, "important")
        rig.log.append(rig.word("full", PRIORITY))

    rig.add("full", full, priority=7, mailbox=(1, BLOCK))
    rig.add("server", sender, priority=6, uses="full:send")
    rig.add("important", caller(rig, 1, delay_ms=2, timeout_ms=20), priority=1, uses="server:call")
    rig.add("watch", watch, priority=0)
    rig.run(15)
    rig.expect(rig.log, [1])


def test_circle_of_waits_ends_at_the_deadline(rig):
    """The server waits for `wanted`, which calls a task that calls the server."""

    def between(task):
        yield task.recv()
        rig.log.append((yield task.call(task.cap("server"), 1)))
        yield from idle(task)

    def wanted(task):
        rig.log.append((yield task.call(task.cap("between"), 1, None, 10)))
        yield from idle(task)

    rig.add("server", closed(rig, delay_ms=0), uses="wanted:notify")
    rig.add("between", between, uses="server:call")
    rig.add("wanted", wanted, uses="between:call")
    rig.run(1100)
    rig.expect(rig.log, [TIMEOUT, TIMEOUT])
    rig.expect(rig.word("server", CLIENTS), 0)


def test_circle_of_calls_that_time_out_harms_no_other(rig):
    """Each of two calls the other, at a priority that a third has lent them."""
    woken = []

    def important(task):
        yield task.sleep(2)
        yield task.call(task.cap("server"), 1, None, 2)
        while True:
            woken.append(rig.port.now())
            yield task.sleep(1)

    def asks(name, timeout_ms):
        def main(task):
            yield task.recv()
            rig.log.append((yield task.call(task.cap(name), 1, None, timeout_ms)))
            yield from idle(task)

        return main

    rig.add("server", asks("between", 9), priority=5, uses="between:call")
    rig.add("between", asks("server", 5), priority=4, uses="server:call")
    rig.add("important", important, priority=1, uses="server:call")
    rig.run(60)
    rig.expect(len(woken) > 20, True)
    rig.expect(rig.log, [TIMEOUT, TIMEOUT])
    rig.expect([rig.word(name, PRIORITY) for name in ("server", "between")], [5, 4])


def test_priority_lent_to_a_circle_of_calls_ends_with_its_lender(rig):
    def important(task):
        yield task.sleep(2)
        yield task.call(task.cap("server"), 1, None, 4)
        rig.log.append([rig.word(name, PRIORITY) for name in ("server", "between")])
        rig.finish()
        yield task.recv()

    def asks(name):
        def main(task):
            yield task.recv()
            yield task.call(task.cap(name), 1, None, 1000)

        return main

    def watch(task):
        yield from until_calling(rig, task, "between")
        rig.log.append([rig.word(name, PRIORITY) for name in ("server", "between")])
        yield task.recv()

    rig.add("server", asks("between"), priority=5, uses="between:call")
    rig.add("between", asks("server"), priority=4, uses="server:call")
    rig.add("important", important, priority=1, uses="server:call")
    rig.add("watch", watch, priority=0)
    rig.run(500)
    rig.expect(rig.log, [[1, 1], [4, 4]])


def test_call_without_a_timeout_ends_after_a_second(rig):
    def client(task):
        start = rig.port.now()
        status = yield task.call(task.cap("server"), 1)
        rig.log.append((status, 990 < (rig.port.now() - start) // 1000 < 1100))

    rig.add("server", silent)
    rig.add("client", client, uses="server:call")
    rig.run(1100)
    rig.expect(rig.log, [(TIMEOUT, True)])


def test_blocked_send_without_a_timeout_ends_after_a_second(rig):
    def sender(task):
        for _ in range(2):
            rig.log.append((yield task.send(task.cap("full"), 1)))

    rig.add("full", lambda task: (yield task.sleep(5000)), mailbox=(1, BLOCK))
    rig.add("sender", sender, uses="full:send")
    rig.run(1100)
    rig.expect(rig.log, [OK, TIMEOUT])


def test_client_of_a_spinning_server_gets_its_deadline(rig):
    def server(task):
        yield task.recv()
        while True:
            pass

    rig.add("server", server, priority=4, budget_ms=30)
    rig.add("client", caller(rig, 1, timeout_ms=5), priority=3, uses="server:call")
    rig.run(60)
    rig.expect(rig.log, [(1, TIMEOUT)])


def test_server_outlives_clients_that_flood_it_and_give_up(rig):
    def flood(task):
        while not rig.log:
            yield task.call(task.cap("server"), 1, None, 0)
        yield from idle(task)

    rig.add("server", echo, priority=3)
    for index in range(3):
        rig.add("flood%d" % index, flood, priority=3, uses="server:call")

    def client(task):
        yield task.sleep(5)
        rig.log.append((yield task.call(task.cap("server"), 1, 5)))
        yield from idle(task)

    rig.add("client", client, priority=2, uses="server:call")
    rig.run(20)
    rig.expect(rig.log, [OK])


def test_reply_to_a_client_that_faulted_does_not_block(rig):
    def server(task):
        yield task.recv()
        yield task.stop(task.cap("kernel"), 2)
        rig.log.append((yield task.reply(OK)))
        yield task.recv()

    rig.add("server", server, uses="kernel:control")
    rig.add("client", caller(rig, 1), uses="server:call")
    rig.run(5)
    rig.expect((rig.log, rig.state("server")), ([OK], RECEIVING))


def test_call_to_oneself_ends_at_the_deadline(rig):
    def main(task):
        rig.log.append((yield task.call(task.cap("main"), 1, None, 5)))
        yield from idle(task)

    rig.add("main", main, uses="main:call")
    rig.run(20)
    rig.expect((rig.log, rig.word("main", CLIENTS)), ([TIMEOUT], 0))


def test_send_to_a_closed_server_waits_in_its_mailbox(rig):
    def sender(task):
        for _ in range(2):
            rig.log.append((yield task.send(task.cap("server"), 1, "mail")))

    def server(task):
        rig.log.append((yield task.recv_from(task.cap("wanted"), 5)))
        yield task.recv()
        rig.log.append(task.arg)

    rig.add("server", server, uses="wanted:notify", mailbox=(1, 0))
    rig.add("sender", sender, uses="server:send")
    rig.add("wanted", idle)
    rig.run(20)
    rig.expect(rig.log, [OK, FULL, TIMEOUT, "mail"])
