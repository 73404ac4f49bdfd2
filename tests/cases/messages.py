"""Cases: call, reply, receive, send, notify, and the values that messages carry."""

from bulkhead import DEAD, NOTIFIED, OK, TIMEOUT
from cases.rig import echo, silent
from kernel.abi import FAIL, RECEIVING, SYSCALL
from kernel.layout import CLIENTS


def test_call_gets_the_reply_and_its_value(rig):
    def client(task):
        status = yield task.call(task.cap("server"), 7, 41)
        rig.log.append((status, task.arg))

    rig.add("server", echo)
    rig.add("client", client, uses="server:call")
    rig.run(5)
    rig.expect(rig.log, [(OK, 42)])


def test_server_sees_operation_value_and_badge(rig):
    def server(task):
        operation = yield task.recv()
        rig.log.append((operation, task.arg, task.badge()))
        yield task.reply(OK)

    def client(task):
        yield task.call(task.cap("server"), 191, "text")

    rig.add("server", server)
    rig.add("client", client, uses="server:call")
    rig.run(5)
    rig.expect(rig.log, [(191, "text", 2)])


def test_status_of_the_reply_reaches_the_caller(rig):
    def server(task):
        yield task.recv()
        yield task.reply_recv(17, b"why")

    def client(task):
        status = yield task.call(task.cap("server"), 1)
        rig.log.append((status, task.arg))

    rig.add("server", server)
    rig.add("client", client, uses="server:call")
    rig.run(5)
    rig.expect(rig.log, [(17, b"why")])


def test_call_before_the_server_receives_is_queued(rig):
    def server(task):
        yield task.sleep(3)
        operation = yield task.recv()
        while True:
            operation = yield task.reply_recv(OK, operation)

    def client(task):
        status = yield task.call(task.cap("server"), 9)
        rig.log.append((status, task.arg))

    rig.add("server", server, priority=1)
    rig.add("client", client, uses="server:call")
    rig.run(20)
    rig.expect(rig.log, [(OK, 9)])


def test_callers_are_received_most_important_first(rig):
    def server(task):
        yield task.sleep(3)
        while True:
            yield task.recv()
            rig.log.append(task.arg)
            yield task.reply(OK)

    def named(value):
        def main(task):
            yield task.call(task.cap("server"), 1, value)

        return main

    rig.add("server", server, priority=0)
    for value in (5, 2, 7, 3):
        rig.add("c%d" % value, named(value), priority=value, uses="server:call")
    rig.run(20)
    rig.expect(rig.log, [2, 3, 5, 7])


def test_equal_callers_are_received_in_order(rig):
    def server(task):
        yield task.sleep(3)
        while True:
            yield task.recv()
            rig.log.append(task.arg)
            yield task.reply(OK)

    def named(value):
        def main(task):
            yield task.call(task.cap("server"), 1, value)

        return main

    rig.add("server", server, priority=0)
    for value in (4, 1, 3):
        rig.add("c%d" % value, named(value), priority=3, uses="server:call")
    rig.run(20)
    rig.expect(rig.log, [4, 1, 3])


def test_call_times_out_when_the_server_never_replies(rig):
    def client(task):
        status = yield task.call(task.cap("server"), 1, None, 5)
        rig.log.append(status)

    rig.add("server", silent)
    rig.add("client", client, uses="server:call")
    rig.run(40)
    rig.expect(rig.log, [TIMEOUT])
    rig.expect(rig.word("server", CLIENTS), 0)


def test_call_times_out_while_still_queued(rig):
    def server(task):
        yield task.sleep(60)
        operation = yield task.recv(1)
        rig.log.append(operation)

    def client(task):
        status = yield task.call(task.cap("server"), 1, None, 5)
        rig.log.append(status)

    rig.add("server", server)
    rig.add("client", client, uses="server:call")
    rig.run(100)
    rig.expect(rig.log, [TIMEOUT, TIMEOUT])


def test_reply_after_the_timeout_is_dropped(rig):
    def server(task):
        yield task.recv()
        yield task.sleep(20)
        rig.log.append(("reply", (yield task.reply(3))))
        yield task.recv()

    def client(task):
        rig.log.append((yield task.call(task.cap("server"), 1, None, 5)))
        rig.log.append((yield task.sleep(40)))

    rig.add("server", server)
    rig.add("client", client, uses="server:call")
    rig.run(80)
    rig.expect(rig.log, [TIMEOUT, ("reply", OK), OK])


def test_reply_to_answers_callers_out_of_order(rig):
    def server(task):
        yield task.recv()
        first = task.caller()
        yield task.recv()
        second = task.caller()
        yield task.reply_to(second, OK, "second")
        yield task.reply_to(first, OK, "first")
        yield task.recv()

    def client(task):
        yield task.call(task.cap("server"), 1)
        rig.log.append(task.arg)

    rig.add("server", server)
    rig.add("one", client, uses="server:call")
    rig.add("two", client, uses="server:call")
    rig.run(10)
    rig.expect(rig.log, ["second", "first"])


def test_second_reply_to_the_same_call_does_nothing(rig):
    def server(task):
        yield task.recv()
        token = task.caller()
        yield task.reply(1)
        rig.log.append((yield task.reply_to(token, 2)))
        yield task.recv()

    def client(task):
        rig.log.append((yield task.call(task.cap("server"), 1)))

    rig.add("server", server, priority=1)
    rig.add("client", client, uses="server:call")
    rig.run(10)
    rig.expect(rig.log, [OK, 1])


def test_forged_token_faults_the_replier(rig):
    def server(task):
        yield task.recv()
        yield task.reply_to(255, OK)

    def client(task):
        rig.log.append((yield task.call(task.cap("server"), 1)))

    rig.add("server", server)
    rig.add("client", client, uses="server:call")
    rig.run(10)
    rig.expect(rig.fault("server"), SYSCALL)
    rig.expect(rig.log, [DEAD])


def test_token_of_another_servers_caller_answers_nobody(rig):
    def server(task):
        yield task.recv()
        yield task.send(task.cap("other"), 1, task.caller())
        yield task.sleep(5)
        yield task.reply(1)
        yield task.recv()

    def other(task):
        yield task.recv()
        rig.log.append((yield task.reply_to(task.arg, 2)))
        yield task.recv()

    def client(task):
        rig.log.append((yield task.call(task.cap("server"), 1)))

    rig.add("server", server, uses="other:send")
    rig.add("other", other, mailbox=(1, FAIL))
    rig.add("client", client, uses="server:call")
    rig.run(10)
    rig.expect(rig.log, [OK, 1])


def test_reply_without_a_caller_is_harmless(rig):
    def server(task):
        rig.log.append((yield task.reply(OK)))
        yield task.recv()

    rig.add("server", server)
    rig.run(5)
    rig.expect(rig.log, [OK])
    rig.expect(rig.state("server"), RECEIVING)


def test_recv_times_out(rig):
    def server(task):
        rig.log.append((yield task.recv(3)))

    rig.add("server", server)
    rig.run(20)
    rig.expect(rig.log, [TIMEOUT])


def test_recv_with_timeout_zero_polls(rig):
    def server(task):
        rig.log.append((yield task.recv(0)))

    rig.add("server", server)
    rig.run(5)
    rig.expect(rig.log, [TIMEOUT])


def test_caller_is_told_dead_when_the_server_faults_while_serving(rig):
    def server(task):
        yield task.recv()
        raise ValueError("no")

    def client(task):
        rig.log.append((yield task.call(task.cap("server"), 1)))

    rig.add("server", server)
    rig.add("client", client, uses="server:call")
    rig.run(5)
    rig.expect(rig.log, [DEAD])


def test_queued_caller_is_told_dead_when_the_server_faults(rig):
    def server(task):
        yield task.sleep(3)
        raise ValueError("no")

    def client(task):
        rig.log.append((yield task.call(task.cap("server"), 1)))

    rig.add("server", server)
    rig.add("client", client, uses="server:call")
    rig.run(20)
    rig.expect(rig.log, [DEAD])


def test_call_to_a_dead_server_answers_dead_at_once(rig):
    def server(task):
        raise ValueError("no")
        yield task.recv()

    def client(task):
        yield task.sleep(3)
        rig.log.append((yield task.call(task.cap("server"), 1)))
        rig.log.append((yield task.reopen(task.cap("server"))))

    rig.add("server", server)
    rig.add("client", client, uses="server:call")
    rig.run(20)
    rig.expect(rig.log, [DEAD, DEAD])


def test_death_of_a_queued_caller_leaves_the_server_untouched(rig):
    def server(task):
        yield task.sleep(5)
        rig.log.append((yield task.recv(1)))

    def client(task):
        yield task.call(task.cap("server"), 1)

    def killer(task):
        yield task.sleep(2)
        yield task.stop(task.cap("kernel"), 2)

    rig.add("server", server)
    rig.add("client", client, uses="server:call")
    rig.add("killer", killer, uses="kernel:control")
    rig.run(20)
    rig.expect(rig.log, [TIMEOUT])


def test_operation_above_191_faults_the_caller(rig):
    def client(task):
        yield task.call(task.cap("server"), 192)

    rig.add("server", echo)
    rig.add("client", client, uses="server:call")
    rig.run(5)
    rig.expect(rig.fault("client"), SYSCALL)


def test_status_above_191_faults_the_server(rig):
    def server(task):
        yield task.recv()
        yield task.reply_recv(DEAD)

    def client(task):
        rig.log.append((yield task.call(task.cap("server"), 1)))

    rig.add("server", server)
    rig.add("client", client, uses="server:call")
    rig.run(5)
    rig.expect(rig.fault("server"), SYSCALL)


def test_notification_wakes_a_receiver_with_its_bits(rig):
    def receiver(task):
        status = yield task.recv()
        rig.log.append((status, task.bits()))

    def sender(task):
        rig.log.append((yield task.notify(task.cap("receiver"), 6)))

    rig.add("receiver", receiver)
    rig.add("sender", sender, uses="receiver:notify")
    rig.run(5)
    rig.expect(rig.log, [OK, (NOTIFIED, 6)])


def test_notifications_before_recv_are_merged(rig):
    def receiver(task):
        yield task.sleep(5)
        status = yield task.recv()
        rig.log.append((status, task.bits()))
        rig.log.append((yield task.recv(1)))

    def sender(task):
        receiver = task.cap("receiver")
        yield task.notify(receiver, 1)
        yield task.notify(receiver, 4)
        yield task.notify(receiver, 1)

    rig.add("receiver", receiver)
    rig.add("sender", sender, uses="receiver:notify")
    rig.run(20)
    rig.expect(rig.log, [(NOTIFIED, 5), TIMEOUT])


def test_task_cannot_raise_the_kernels_bits(rig):
    def receiver(task):
        yield task.recv(5)
        rig.log.append(task.bits())

    def sender(task):
        word = task.notify(task.cap("receiver"), 1)
        task.registers[0] |= 1 << 28
        yield word

    rig.add("receiver", receiver)
    rig.add("sender", sender, uses="receiver:notify")
    rig.run(20)
    rig.expect(rig.log, [1])


def test_notification_comes_before_a_queued_call(rig):
    def server(task):
        yield task.sleep(5)
        rig.log.append((yield task.recv()))
        rig.log.append((yield task.recv()))
        yield task.reply(OK)

    def client(task):
        yield task.call(task.cap("server"), 3)

    def bell(task):
        yield task.notify(task.cap("server"), 1)

    rig.add("server", server)
    rig.add("client", client, uses="server:call")
    rig.add("bell", bell, uses="server:notify")
    rig.run(20)
    rig.expect(rig.log, [NOTIFIED, 3])


def test_call_through_a_chain_of_servers(rig):
    def middle(task):
        end = task.cap("end")
        yield task.recv()
        while True:
            yield task.call(end, 1, task.arg * 2)
            yield task.reply_recv(OK, task.arg)

    def client(task):
        yield task.call(task.cap("middle"), 1, 10)
        rig.log.append(task.arg)

    rig.add("end", echo)
    rig.add("middle", middle, uses="end:call")
    rig.add("client", client, uses="middle:call")
    rig.run(5)
    rig.expect(rig.log, [21])


def test_thousand_calls_leave_nothing_behind(rig):
    def client(task):
        server = task.cap("server")
        for value in range(1000):
            yield task.call(server, 1, value)
        rig.log.append(task.arg)

    rig.add("server", echo)
    rig.add("client", client, uses="server:call", budget_ms=5)
    rig.run(300)
    rig.expect(rig.log, [1000])
    rig.expect(rig.word("server", CLIENTS), 0)
    rig.expect(rig.state("server"), RECEIVING)


def test_recv_that_timed_out_has_no_caller(rig):
    def server(task):
        yield task.recv()
        rig.log.append(task.caller() != 0)
        yield task.reply(OK)
        status = yield task.recv(5)
        rig.log.append((status, task.caller()))
        yield task.recv()

    def client(task):
        yield task.call(task.cap("server"), 1)
        yield task.recv()

    rig.add("server", server)
    rig.add("client", client, uses="server:call")
    rig.run(40)
    rig.expect(rig.log, [True, (TIMEOUT, 0)])
