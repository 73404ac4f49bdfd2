"""Cases: call, reply, receive, send, notify, and the values that messages carry."""

from bulkhead import DEAD, NOTIFIED, OK, TIMEOUT
from cases.rig import echo, silent
from kernel.abi import RECEIVING, SYSCALL
from kernel.layout import CLIENTS


def test_call_gets_the_reply_and_its_value(rig):
    def client(sys):
        status = yield sys.call(sys.cap("server"), 7, 41)
        rig.log.append((status, sys.arg))

    rig.add("server", echo)
    rig.add("client", client, uses="server:call")
    rig.run(5)
    rig.expect(rig.log, [(OK, 42)])


def test_server_sees_operation_value_and_badge(rig):
    def server(sys):
        operation = yield sys.recv()
        rig.log.append((operation, sys.arg, sys.badge()))
        yield sys.reply(OK)

    def client(sys):
        yield sys.call(sys.cap("server"), 191, "text")

    rig.add("server", server)
    rig.add("client", client, uses="server:call")
    rig.run(5)
    rig.expect(rig.log, [(191, "text", 2)])


def test_status_of_the_reply_reaches_the_caller(rig):
    def server(sys):
        yield sys.recv()
        yield sys.reply_recv(17, b"why")

    def client(sys):
        status = yield sys.call(sys.cap("server"), 1)
        rig.log.append((status, sys.arg))

    rig.add("server", server)
    rig.add("client", client, uses="server:call")
    rig.run(5)
    rig.expect(rig.log, [(17, b"why")])


def test_call_before_the_server_receives_is_queued(rig):
    def server(sys):
        yield sys.sleep(3)
        operation = yield sys.recv()
        while True:
            operation = yield sys.reply_recv(OK, operation)

    def client(sys):
        status = yield sys.call(sys.cap("server"), 9)
        rig.log.append((status, sys.arg))

    rig.add("server", server, priority=1)
    rig.add("client", client, uses="server:call")
    rig.run(20)
    rig.expect(rig.log, [(OK, 9)])


def test_callers_are_received_most_important_first(rig):
    def server(sys):
        yield sys.sleep(3)
        while True:
            yield sys.recv()
            rig.log.append(sys.arg)
            yield sys.reply(OK)

    def named(value):
        def main(sys):
            yield sys.call(sys.cap("server"), 1, value)

        return main

    rig.add("server", server, priority=0)
    for value in (5, 2, 7, 3):
        rig.add("c%d" % value, named(value), priority=value, uses="server:call")
    rig.run(20)
    rig.expect(rig.log, [2, 3, 5, 7])


def test_equal_callers_are_received_in_order(rig):
    def server(sys):
        yield sys.sleep(3)
        while True:
            yield sys.recv()
            rig.log.append(sys.arg)
            yield sys.reply(OK)

    def named(value):
        def main(sys):
            yield sys.call(sys.cap("server"), 1, value)

        return main

    rig.add("server", server, priority=0)
    for value in (4, 1, 3):
        rig.add("c%d" % value, named(value), priority=3, uses="server:call")
    rig.run(20)
    rig.expect(rig.log, [4, 1, 3])


def test_call_times_out_when_the_server_never_replies(rig):
    def client(sys):
        status = yield sys.call(sys.cap("server"), 1, None, 5)
        rig.log.append(status)

    rig.add("server", silent)
    rig.add("client", client, uses="server:call")
    rig.run(40)
    rig.expect(rig.log, [TIMEOUT])
    rig.expect(rig.word("server", CLIENTS), 0)


def test_call_times_out_while_still_queued(rig):
    def server(sys):
        yield sys.sleep(60)
        operation = yield sys.recv(1)
        rig.log.append(operation)

    def client(sys):
        status = yield sys.call(sys.cap("server"), 1, None, 5)
        rig.log.append(status)

    rig.add("server", server)
    rig.add("client", client, uses="server:call")
    rig.run(100)
    rig.expect(rig.log, [TIMEOUT, TIMEOUT])


def test_reply_after_the_timeout_is_dropped(rig):
    def server(sys):
        yield sys.recv()
        yield sys.sleep(20)
        rig.log.append(("reply", (yield sys.reply(3))))
        yield sys.recv()

    def client(sys):
        rig.log.append((yield sys.call(sys.cap("server"), 1, None, 5)))
        rig.log.append((yield sys.sleep(40)))

    rig.add("server", server)
    rig.add("client", client, uses="server:call")
    rig.run(80)
    rig.expect(rig.log, [TIMEOUT, ("reply", OK), OK])


def test_reply_to_answers_callers_out_of_order(rig):
    def server(sys):
        yield sys.recv()
        first = sys.caller()
        yield sys.recv()
        second = sys.caller()
        yield sys.reply_to(second, OK, "second")
        yield sys.reply_to(first, OK, "first")
        yield sys.recv()

    def client(sys):
        yield sys.call(sys.cap("server"), 1)
        rig.log.append(sys.arg)

    rig.add("server", server)
    rig.add("one", client, uses="server:call")
    rig.add("two", client, uses="server:call")
    rig.run(10)
    rig.expect(rig.log, ["second", "first"])


def test_second_reply_to_the_same_call_does_nothing(rig):
    def server(sys):
        yield sys.recv()
        token = sys.caller()
        yield sys.reply(1)
        rig.log.append((yield sys.reply_to(token, 2)))
        yield sys.recv()

    def client(sys):
        rig.log.append((yield sys.call(sys.cap("server"), 1)))

    rig.add("server", server, priority=1)
    rig.add("client", client, uses="server:call")
    rig.run(10)
    rig.expect(rig.log, [OK, 1])


def test_forged_token_faults_the_replier(rig):
    def server(sys):
        yield sys.recv()
        yield sys.reply_to(255, OK)

    def client(sys):
        rig.log.append((yield sys.call(sys.cap("server"), 1)))

    rig.add("server", server)
    rig.add("client", client, uses="server:call")
    rig.run(10)
    rig.expect(rig.fault("server"), SYSCALL)
    rig.expect(rig.log, [DEAD])


def test_reply_without_a_caller_is_harmless(rig):
    def server(sys):
        rig.log.append((yield sys.reply(OK)))
        yield sys.recv()

    rig.add("server", server)
    rig.run(5)
    rig.expect(rig.log, [OK])
    rig.expect(rig.state("server"), RECEIVING)


def test_recv_times_out(rig):
    def server(sys):
        rig.log.append((yield sys.recv(3)))

    rig.add("server", server)
    rig.run(20)
    rig.expect(rig.log, [TIMEOUT])


def test_recv_with_timeout_zero_polls(rig):
    def server(sys):
        rig.log.append((yield sys.recv(0)))

    rig.add("server", server)
    rig.run(5)
    rig.expect(rig.log, [TIMEOUT])


def test_caller_is_told_dead_when_the_server_faults_while_serving(rig):
    def server(sys):
        yield sys.recv()
        raise ValueError("no")

    def client(sys):
        rig.log.append((yield sys.call(sys.cap("server"), 1)))

    rig.add("server", server)
    rig.add("client", client, uses="server:call")
    rig.run(5)
    rig.expect(rig.log, [DEAD])


def test_queued_caller_is_told_dead_when_the_server_faults(rig):
    def server(sys):
        yield sys.sleep(3)
        raise ValueError("no")

    def client(sys):
        rig.log.append((yield sys.call(sys.cap("server"), 1)))

    rig.add("server", server)
    rig.add("client", client, uses="server:call")
    rig.run(20)
    rig.expect(rig.log, [DEAD])


def test_call_to_a_dead_server_answers_dead_at_once(rig):
    def server(sys):
        raise ValueError("no")
        yield sys.recv()

    def client(sys):
        yield sys.sleep(3)
        rig.log.append((yield sys.call(sys.cap("server"), 1)))
        rig.log.append((yield sys.reopen(sys.cap("server"))))

    rig.add("server", server)
    rig.add("client", client, uses="server:call")
    rig.run(20)
    rig.expect(rig.log, [DEAD, DEAD])


def test_death_of_a_queued_caller_leaves_the_server_untouched(rig):
    def server(sys):
        yield sys.sleep(5)
        rig.log.append((yield sys.recv(1)))

    def client(sys):
        yield sys.call(sys.cap("server"), 1)

    def killer(sys):
        yield sys.sleep(2)
        yield sys.stop(sys.cap("kernel"), 2)

    rig.add("server", server)
    rig.add("client", client, uses="server:call")
    rig.add("killer", killer, uses="kernel:control")
    rig.run(20)
    rig.expect(rig.log, [TIMEOUT])


def test_operation_above_191_faults_the_caller(rig):
    def client(sys):
        yield sys.call(sys.cap("server"), 192)

    rig.add("server", echo)
    rig.add("client", client, uses="server:call")
    rig.run(5)
    rig.expect(rig.fault("client"), SYSCALL)


def test_status_above_191_faults_the_server(rig):
    def server(sys):
        yield sys.recv()
        yield sys.reply_recv(DEAD)

    def client(sys):
        rig.log.append((yield sys.call(sys.cap("server"), 1)))

    rig.add("server", server)
    rig.add("client", client, uses="server:call")
    rig.run(5)
    rig.expect(rig.fault("server"), SYSCALL)


def test_notification_wakes_a_receiver_with_its_bits(rig):
    def receiver(sys):
        status = yield sys.recv()
        rig.log.append((status, sys.bits()))

    def sender(sys):
        rig.log.append((yield sys.notify(sys.cap("receiver"), 6)))

    rig.add("receiver", receiver)
    rig.add("sender", sender, uses="receiver:notify")
    rig.run(5)
    rig.expect(rig.log, [OK, (NOTIFIED, 6)])


def test_notifications_before_recv_are_merged(rig):
    def receiver(sys):
        yield sys.sleep(5)
        status = yield sys.recv()
        rig.log.append((status, sys.bits()))
        rig.log.append((yield sys.recv(1)))

    def sender(sys):
        receiver = sys.cap("receiver")
        yield sys.notify(receiver, 1)
        yield sys.notify(receiver, 4)
        yield sys.notify(receiver, 1)

    rig.add("receiver", receiver)
    rig.add("sender", sender, uses="receiver:notify")
    rig.run(20)
    rig.expect(rig.log, [(NOTIFIED, 5), TIMEOUT])


def test_task_cannot_raise_the_kernels_bits(rig):
    def receiver(sys):
        yield sys.recv(5)
        rig.log.append(sys.bits())

    def sender(sys):
        word = sys.notify(sys.cap("receiver"), 1)
        sys.registers[0] |= 1 << 28
        yield word

    rig.add("receiver", receiver)
    rig.add("sender", sender, uses="receiver:notify")
    rig.run(20)
    rig.expect(rig.log, [1])


def test_notification_comes_before_a_queued_call(rig):
    def server(sys):
        yield sys.sleep(5)
        rig.log.append((yield sys.recv()))
        rig.log.append((yield sys.recv()))
        yield sys.reply(OK)

    def client(sys):
        yield sys.call(sys.cap("server"), 3)

    def bell(sys):
        yield sys.notify(sys.cap("server"), 1)

    rig.add("server", server)
    rig.add("client", client, uses="server:call")
    rig.add("bell", bell, uses="server:notify")
    rig.run(20)
    rig.expect(rig.log, [NOTIFIED, 3])


def test_call_through_a_chain_of_servers(rig):
    def middle(sys):
        end = sys.cap("end")
        yield sys.recv()
        while True:
            yield sys.call(end, 1, sys.arg * 2)
            yield sys.reply_recv(OK, sys.arg)

    def client(sys):
        yield sys.call(sys.cap("middle"), 1, 10)
        rig.log.append(sys.arg)

    rig.add("end", echo)
    rig.add("middle", middle, uses="end:call")
    rig.add("client", client, uses="middle:call")
    rig.run(5)
    rig.expect(rig.log, [21])


def test_thousand_calls_leave_nothing_behind(rig):
    def client(sys):
        server = sys.cap("server")
        for value in range(1000):
            yield sys.call(server, 1, value)
        rig.log.append(sys.arg)

    rig.add("server", echo)
    rig.add("client", client, uses="server:call", budget_ms=5)
    rig.run(300)
    rig.expect(rig.log, [1000])
    rig.expect(rig.word("server", CLIENTS), 0)
    rig.expect(rig.state("server"), RECEIVING)


def test_recv_that_timed_out_has_no_caller(rig):
    def server(sys):
        yield sys.recv()
        rig.log.append(sys.caller() != 0)
        yield sys.reply(OK)
        status = yield sys.recv(5)
        rig.log.append((status, sys.caller()))
        yield sys.recv()

    def client(sys):
        yield sys.call(sys.cap("server"), 1)
        yield sys.recv()

    rig.add("server", server)
    rig.add("client", client, uses="server:call")
    rig.run(40)
    rig.expect(rig.log, [True, (TIMEOUT, 0)])
