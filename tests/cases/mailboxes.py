"""Cases: mailboxes, and the values that messages carry."""

from array import array

from bulkhead import DEAD, FULL, OK, TIMEOUT
from cases.rig import echo, silent, told
from kernel.abi import BLOCK, DROP_OLDEST, FAIL, SYSCALL
from kernel.layout import DROPPED, MAIL_COUNT, PEER, RECORD


def test_send_reaches_a_waiting_receiver(rig):
    def receiver(task):
        operation = yield task.recv()
        rig.log.append((operation, task.arg, task.badge(), task.caller()))

    def sender(task):
        rig.log.append((yield task.send(task.cap("receiver"), 4, "hello")))

    rig.add("receiver", receiver, mailbox=(2, FAIL))
    rig.add("sender", sender, uses="receiver:send")
    rig.run(5)
    rig.expect(rig.log, [OK, (4, "hello", 2, 0)])


def mailbox(rig, policy, sends, depth=2):
    """Send to a receiver that sleeps for 10 ms and then takes all there is."""

    def receiver(task):
        yield task.sleep(10)
        while (yield task.recv(5)) != TIMEOUT:
            rig.log.append(task.arg)

    def sender(task):
        statuses = []
        for index in range(sends):
            statuses.append((yield task.send(task.cap("receiver"), 1, index)))
        rig.log.append(statuses)

    rig.add("receiver", receiver, mailbox=(depth, policy))
    rig.add("sender", sender, uses="receiver:send")
    rig.run(60)


def test_mailbox_keeps_order(rig):
    mailbox(rig, FAIL, 2)
    rig.expect(rig.log, [[OK, OK], 0, 1])


def test_full_mailbox_fails_the_send(rig):
    mailbox(rig, FAIL, 4)
    rig.expect(rig.log, [[OK, OK, FULL, FULL], 0, 1])
    rig.expect(rig.particular("receiver", DROPPED), 2)


def test_full_mailbox_drops_the_oldest(rig):
    mailbox(rig, DROP_OLDEST, 4)
    rig.expect(rig.log, [[OK, OK, OK, OK], 2, 3])
    rig.expect(rig.particular("receiver", DROPPED), 2)


def test_full_mailbox_blocks_the_sender_until_there_is_room(rig):
    mailbox(rig, BLOCK, 4)
    rig.expect(sorted(str(entry) for entry in rig.log), ["0", "1", "2", "3", "[0, 0, 0, 0]"])
    rig.expect([entry for entry in rig.log if type(entry) is int], [0, 1, 2, 3])


def test_blocked_send_times_out(rig):
    def receiver(task):
        yield task.sleep(60)

    def sender(task):
        receiver = task.cap("receiver")
        yield task.send(receiver, 1)
        rig.log.append((yield task.send(receiver, 1, None, 5)))

    rig.add("receiver", receiver, mailbox=(1, BLOCK))
    rig.add("sender", sender, uses="receiver:send")
    rig.run(30)
    rig.expect(rig.log, [TIMEOUT])
    rig.expect(rig.word("receiver", MAIL_COUNT), 1)


def test_blocked_sender_is_told_dead(rig):
    def receiver(task):
        yield task.sleep(5)
        raise ValueError("no")

    def sender(task):
        receiver = task.cap("receiver")
        yield task.send(receiver, 1)
        rig.log.append((yield task.send(receiver, 1)))

    rig.add("receiver", receiver, mailbox=(1, BLOCK))
    rig.add("sender", sender, uses="receiver:send")
    rig.run(30)
    rig.expect(rig.log, [DEAD])
    rig.expect(rig.word("sender", PEER), 0)


def test_every_immutable_value_arrives_as_it_was_sent(rig):
    values = [None, True, 5, -3, 1.5, "text", b"bytes", (1, "a", b"b", None, 2.5), ""]

    def client(task):
        server = task.cap("server")
        for value in values:
            yield task.call(server, 1, value)
            rig.log.append(task.arg)

    def server(task):
        yield task.recv()
        while True:
            yield task.reply_recv(OK, task.arg)

    rig.add("server", server)
    rig.add("client", client, uses="server:call")
    rig.run(20)
    rig.expect(rig.log, values)


def test_bytearray_is_copied(rig):
    data = bytearray(b"abc")

    def server(task):
        yield task.recv()
        rig.log.append(task.arg)
        data[0] = 0
        rig.log.append(task.arg)
        yield task.reply(OK)

    def client(task):
        yield task.call(task.cap("server"), 1, data)

    rig.add("server", server)
    rig.add("client", client, uses="server:call")
    rig.run(5)
    rig.expect(rig.log, [b"abc", b"abc"])


def refused(rig, value):
    def client(task):
        yield task.call(task.cap("server"), 1, value)

    rig.add("server", echo)
    rig.add("client", client, uses="server:call")
    rig.run(5)
    rig.expect(rig.fault("client"), SYSCALL)
    rig.expect(rig.fault("server"), 0)


def test_list_as_a_value_faults_the_sender(rig):
    refused(rig, [1])


def test_dict_as_a_value_faults_the_sender(rig):
    refused(rig, {})


def test_function_as_a_value_faults_the_sender(rig):
    refused(rig, echo)


def test_list_inside_a_tuple_faults_the_sender(rig):
    refused(rig, (1, [2]))


def test_256_bytes_pass(rig):
    def client(task):
        rig.log.append((yield task.call(task.cap("server"), 1, bytes(256))))

    rig.add("server", echo)
    rig.add("client", client, uses="server:call")
    rig.run(5)
    rig.expect(rig.log, [OK])


def test_257_bytes_fault_the_sender(rig):
    refused(rig, bytes(257))


def test_mutable_value_in_a_reply_faults_the_server(rig):
    def server(task):
        yield task.recv()
        yield task.reply_recv(OK, [1])

    def client(task):
        rig.log.append((yield task.call(task.cap("server"), 1)))

    rig.add("server", server)
    rig.add("client", client, uses="server:call")
    rig.run(5)
    rig.expect(rig.fault("server"), SYSCALL)
    rig.expect(rig.log, [DEAD])


def admitted(rig, value):
    """Let a call carry `value` and come back with it."""

    def client(task):
        rig.log.append((yield task.call(task.cap("server"), 1, value)))
        rig.log.append(task.arg == value)

    def server(task):
        yield task.recv()
        yield task.reply_recv(OK, task.arg)

    rig.add("server", server)
    rig.add("client", client, uses="server:call")
    rig.run(5)
    rig.expect(rig.log, [OK, True])


def test_text_of_256_characters_passes(rig):
    admitted(rig, "x" * 256)


def test_text_of_257_characters_faults_the_sender(rig):
    refused(rig, "x" * 257)


def test_bytearray_of_257_bytes_faults_the_sender(rig):
    refused(rig, bytearray(257))


def test_tuple_of_16_items_passes(rig):
    admitted(rig, tuple(range(16)))


def test_tuple_of_17_items_faults_the_sender(rig):
    refused(rig, tuple(range(17)))


def test_tuple_with_256_bytes_passes(rig):
    admitted(rig, (b"x" * 100, "y" * 156, 1, None))


def test_tuple_with_257_bytes_faults_the_sender(rig):
    refused(rig, (b"x" * 100, "y" * 157))


def test_tuple_in_a_tuple_faults_the_sender(rig):
    refused(rig, (1, (2, 3)))


def test_bytearray_in_a_tuple_faults_the_sender(rig):
    refused(rig, (bytearray(1),))


def test_int_of_256_bytes_passes(rig):
    admitted(rig, (1 << 2047) - 1)


def test_negative_int_of_256_bytes_passes(rig):
    admitted(rig, -(1 << 2047))


def test_int_of_257_bytes_faults_the_sender(rig):
    refused(rig, 1 << 2047)


def test_int_of_257_bytes_in_a_tuple_faults_the_sender(rig):
    refused(rig, (1, -(1 << 2047) - 1))


def test_generator_as_a_value_faults_the_sender(rig):
    refused(rig, (value for value in (1, 2)))


def test_instance_of_a_subclass_faults_the_sender(rig):
    class Text(str):
        pass

    refused(rig, Text("x"))


def test_exception_as_a_value_faults_the_sender(rig):
    refused(rig, ValueError("x"))


def test_mutable_value_in_a_send_faults_the_sender(rig):
    def sender(task):
        yield task.send(task.cap("receiver"), 1, {})

    rig.add("receiver", silent, mailbox=(1, FAIL))
    rig.add("sender", sender, uses="receiver:send")
    rig.run(5)
    rig.expect((rig.fault("sender"), rig.fault("receiver")), (SYSCALL, 0))


def test_send_to_a_task_without_a_mailbox_faults_the_sender(rig):
    def sender(task):
        yield task.send(task.cap("receiver"), 1)

    rig.add("receiver", silent)
    rig.add("sender", sender, uses="receiver:send")
    rig.run(5)
    rig.expect(rig.fault("sender"), SYSCALL)


def test_operation_above_191_faults_the_sender(rig):
    def sender(task):
        yield task.send(task.cap("receiver"), 192)

    rig.add("receiver", silent, mailbox=(1, FAIL))
    rig.add("sender", sender, uses="receiver:send")
    rig.run(5)
    rig.expect(rig.fault("sender"), SYSCALL)


def test_send_to_a_dead_receiver_is_dead_at_once(rig):
    def receiver(_sys):
        raise ValueError("no")
        yield

    def sender(task):
        yield task.sleep(3)
        rig.log.append((yield task.send(task.cap("receiver"), 1)))

    rig.add("receiver", receiver, mailbox=(1, FAIL))
    rig.add("sender", sender, uses="receiver:send")
    rig.run(10)
    rig.expect(rig.log, [DEAD])


def counted(rig, policy, sends):
    """Overfill a mailbox of two; return what INSPECT says of (queued, dropped)."""

    def sender(task):
        for value in range(sends):
            yield task.send(task.cap("receiver"), 1, value, 2)
        yield task.inspect(task.cap("kernel"), 1)
        rig.log.append(told(task.arg, MAIL_COUNT, RECORD + DROPPED))
        rig.finish()

    rig.add("receiver", lambda task: (yield task.sleep(5000)), mailbox=(2, policy))
    rig.add("sender", sender, uses="receiver:send kernel:control")
    rig.run(50)
    return rig.log[0]


def test_inspect_counts_what_a_full_mailbox_refused(rig):
    rig.expect(counted(rig, FAIL, 5), (2, 3))


def test_inspect_counts_what_a_full_mailbox_dropped(rig):
    rig.expect(counted(rig, DROP_OLDEST, 6), (2, 4))


def test_inspect_counts_nothing_where_the_sender_blocks(rig):
    rig.expect(counted(rig, BLOCK, 3), (2, 0))


def late_call(rig, before, send=False):
    """Call a server that never replies after a long wait that ended early; expect a TIMEOUT."""

    def main(task):
        server = task.cap("server")
        if before == "recv":
            yield task.recv(300_000)
        else:
            yield task.call(task.cap("echo"), 1, 0, 300_000)
        trap = task.send(server, 1) if send else task.call(server, 1)
        rig.log.append((yield trap))
        yield task.recv()

    def waker(task):
        yield task.sleep(5)
        yield task.notify(task.cap("main"), 1)
        yield task.recv()

    def full(task):
        yield task.sleep(3_000)

    rig.add("server", full if send else silent, mailbox=(1, BLOCK) if send else None)
    rig.add("echo", echo)
    rig.add("main", main, uses="server:call,send echo:call")
    rig.add("filler", filler, priority=2, uses="server:send")
    rig.add("waker", waker, priority=4, uses="main:notify")
    rig.run(1_100)
    rig.expect(rig.log, [TIMEOUT])


def filler(task):
    """Fill a mailbox of one."""
    yield task.send(task.cap("server"), 1)
    yield task.recv()


def test_call_after_a_long_wait_that_was_cut_short_ends_in_time(rig):
    late_call(rig, "recv")


def test_call_after_a_long_call_that_was_answered_ends_in_time(rig):
    late_call(rig, "call")


def test_send_after_a_long_wait_that_was_cut_short_ends_in_time(rig):
    late_call(rig, "recv", send=True)


# One of 4 bytes.
_WIDE = "\U0001f600"


def test_text_of_256_bytes_in_64_characters_passes(rig):
    admitted(rig, _WIDE * 64)


def test_text_of_more_bytes_than_characters_faults_the_sender(rig):
    refused(rig, _WIDE * 65)


def test_tuple_of_texts_of_256_bytes_passes(rig):
    admitted(rig, ("é" * 100, _WIDE * 14))


def test_tuple_of_texts_of_more_bytes_than_characters_faults_the_sender(rig):
    refused(rig, ("é" * 100, _WIDE * 14, "x"))


def test_memoryview_of_256_bytes_is_copied(rig):
    def client(task):
        yield task.call(task.cap("server"), 1, memoryview(array("I", range(64))))
        rig.log.append(task.arg == bytes(array("I", range(64))))

    rig.add("server", echo)
    rig.add("client", client, uses="server:call")
    rig.run(5)
    rig.expect(rig.log, [True])


def test_memoryview_of_more_bytes_than_items_faults_the_sender(rig):
    refused(rig, memoryview(array("I", range(65))))


def test_tuple_with_ints_of_256_bytes_passes(rig):
    admitted(rig, (1 << 1000, -(1 << 1000), 5))


def test_tuple_with_ints_of_more_bytes_faults_the_sender(rig):
    refused(rig, (1 << 1000, 1 << 1000, b"xy", b"z"))


def test_text_of_a_class_of_its_own_faults_the_sender(rig):
    refused(rig, type("str", (str,), {})("x"))
