"""Cases: windows on the caller's memory that last as long as its call."""

from array import array

from bulkhead import DEAD, OK, TIMEOUT
from kernel.abi import BLOCK, READABLE, SYSCALL, WRITABLE
from kernel.limits import LEASE_BYTES_MAX


def lend(rig, server, buffer, rights, *, timeout_ms=None, client_end=None, most_ms=40):
    """Let a client lend `buffer` to `server` with one call, whose status is logged last.

    It takes `most_ms`, unless somebody finishes the run.
    """

    def client(task):
        status = yield task.call_lending(task.cap("server"), 1, buffer, rights, None, timeout_ms)
        rig.log.append(status)
        if client_end:
            yield from client_end(task)

    rig.add("server", server)
    rig.add("client", client, uses="server:call")
    rig.run(most_ms)


def reading(rig, offset, into):
    """Return a server that reads a caller's window once and logs status, count and what came."""

    def server(task):
        yield task.recv()
        status = yield task.lease_read(offset, into)
        rig.log.append((status, task.count(), bytes(into)))
        yield task.reply_recv(OK)

    return server


def writing(rig, offset, data):
    """Return a server that writes into a caller's window once and logs status and count."""

    def server(task):
        yield task.recv()
        status = yield task.lease_write(offset, data)
        rig.log.append((status, task.count()))
        yield task.reply_recv(OK)

    return server


def test_server_reads_what_the_caller_lent(rig):
    lend(rig, reading(rig, 0, bytearray(5)), bytearray(b"hello"), READABLE)
    rig.expect(rig.log, [(OK, 5, b"hello"), OK])


def test_server_writes_into_what_the_caller_lent(rig):
    data = bytearray(6)
    lend(rig, writing(rig, 1, b"abc"), data, WRITABLE)
    rig.expect(rig.log, [(OK, 3), OK])
    rig.expect(bytes(data), b"\x00abc\x00\x00")


def test_window_is_clipped_at_the_end_of_the_buffer(rig):
    lend(rig, reading(rig, 3, bytearray(4)), bytearray(b"hello"), READABLE)
    rig.expect(rig.log, [(OK, 2, b"lo\x00\x00"), OK])


def test_offset_at_the_end_of_the_window_gives_nothing(rig):
    lend(rig, reading(rig, 5, bytearray(2)), bytearray(b"hello"), READABLE)
    rig.expect(rig.log, [(OK, 0, b"\x00\x00"), OK])


def test_offset_far_beyond_the_window_gives_nothing(rig):
    lend(rig, reading(rig, 0x3FFFFFFF, bytearray(2)), bytearray(b"hello"), READABLE)
    rig.expect(rig.log, [(OK, 0, b"\x00\x00"), OK])


def test_write_beyond_the_window_changes_nothing(rig):
    data = bytearray(b"keep")
    lend(rig, writing(rig, 3, b"xyz"), data, WRITABLE)
    rig.expect(rig.log, [(OK, 1), OK])
    rig.expect(bytes(data), b"keex")


def test_negative_offset_gives_nothing(rig):
    lend(rig, reading(rig, -1, bytearray(2)), bytearray(b"hello"), READABLE)
    rig.expect(rig.log, [(OK, 0, b"\x00\x00"), OK])


def test_lease_to_read_cannot_be_written(rig):
    data = bytearray(b"hello")
    lend(rig, writing(rig, 0, b"x"), data, READABLE)
    rig.expect((rig.log, bytes(data)), ([(OK, 0), OK], b"hello"))


def test_lease_to_write_cannot_be_read(rig):
    lend(rig, reading(rig, 0, bytearray(2)), bytearray(b"hello"), WRITABLE)
    rig.expect(rig.log, [(OK, 0, b"\x00\x00"), OK])


def test_lease_both_ways(rig):
    data = bytearray(b"abc")

    def server(task):
        yield task.recv()
        mine = bytearray(3)
        yield task.lease_read(0, mine)
        yield task.lease_write(0, bytes(byte - 32 for byte in mine))
        yield task.reply_recv(OK)

    lend(rig, server, data, READABLE | WRITABLE)
    rig.expect((rig.log, bytes(data)), ([OK], b"ABC"))


def test_caller_that_lends_nothing_has_a_window_of_no_bytes(rig):
    def client(task):
        rig.log.append((yield task.call(task.cap("server"), 1)))

    rig.add("server", reading(rig, 0, bytearray(2)))
    rig.add("client", client, uses="server:call")
    rig.run(10)
    rig.expect(rig.log, [(OK, 0, b"\x00\x00"), OK])


def test_lease_of_an_earlier_call_does_not_come_with_a_later_one(rig):
    def server(task):
        into = bytearray(2)
        yield task.recv()
        while True:
            rig.log.append(((yield task.lease_read(0, into)), task.count()))
            yield task.reply_recv(OK)

    def again(task):
        yield task.call(task.cap("server"), 1)

    lend(rig, server, bytearray(b"hello"), READABLE, client_end=again)
    rig.expect(rig.log, [(OK, 2), OK, (OK, 0)])


def test_lease_is_dead_after_the_reply_whatever_the_server_kept(rig):
    def server(task):
        yield task.recv()
        token = task.caller()
        yield task.reply(OK)
        into = bytearray(2)
        rig.log.append(((yield task.lease_read(0, into, token)), task.count(), bytes(into)))
        rig.log.append((yield task.lease_write(0, b"xx", token)))
        rig.log.append((yield task.lease_read(0, into)))
        yield task.recv()

    def client_end(task):
        yield task.sleep(20)

    data = bytearray(b"hello")
    lend(rig, server, data, READABLE | WRITABLE, client_end=client_end)
    rig.expect(sorted(str(entry) for entry in rig.log), sorted(
        [str(entry) for entry in [OK, (DEAD, 0, b"\x00\x00"), DEAD, DEAD]]
    ))  # fmt: skip
    rig.expect(bytes(data), b"hello")


def test_lease_is_dead_after_the_timeout(rig):
    data = bytearray(b"hello")

    def server(task):
        yield task.recv()
        while not rig.log:  # of two that are due at once the server would go first
            yield task.sleep(1)
        rig.log.append((yield task.lease_write(0, b"xx")))
        rig.log.append((yield task.reply(OK)))
        rig.finish()
        yield task.recv()

    lend(rig, server, data, WRITABLE, timeout_ms=3, most_ms=10_000)
    rig.expect((rig.log, bytes(data)), ([TIMEOUT, DEAD, OK], b"hello"))


def test_lease_is_dead_after_the_callers_death(rig):
    data = bytearray(b"hello")

    def server(task):
        yield task.recv()
        yield task.stop(task.cap("kernel"), 2)
        rig.log.append((yield task.lease_write(0, b"xx")))
        yield task.recv()

    def client(task):
        yield task.call_lending(task.cap("server"), 1, data, WRITABLE)

    rig.add("server", server, uses="kernel:control")
    rig.add("client", client, uses="server:call")
    rig.run(10)
    rig.expect((rig.log, bytes(data)), ([DEAD], b"hello"))


def test_lease_is_dead_for_the_callers_next_incarnation(rig):
    data = bytearray(b"hello")

    def server(task):
        kernel = task.cap("kernel")
        yield task.recv()
        token = task.caller()
        yield task.stop(kernel, 2)
        yield task.start(kernel, 2)
        yield task.recv()
        rig.log.append((yield task.lease_write(0, b"xx", token)))
        yield task.recv()

    def client(task):
        yield task.call_lending(task.cap("server"), 1, data, WRITABLE)

    rig.add("server", server, uses="kernel:control")
    rig.add("client", client, uses="server:call")
    rig.run(10)
    rig.expect((rig.log, bytes(data)), ([DEAD], b"hello"))


def test_lease_of_an_earlier_caller_is_used_by_its_token(rig):
    def server(task):
        yield task.recv()
        first = task.caller()
        yield task.recv()
        mine = bytearray(3)
        for caller in (first, 0):
            yield task.lease_read(0, mine, caller)
            rig.log.append(bytes(mine))
        yield task.reply_to(first, OK)
        yield task.reply_recv(OK)

    def lender(data):
        def client(task):
            yield task.call_lending(task.cap("server"), 1, data, READABLE)

        return client

    rig.add("server", server)
    rig.add("one", lender(b"one"), uses="server:call")
    rig.add("two", lender(b"two"), uses="server:call")
    rig.run(10)
    rig.expect(rig.log, [b"one", b"two"])


def test_lease_without_a_caller_is_dead(rig):
    def server(task):
        rig.log.append((yield task.lease_read(0, bytearray(1))))

    rig.add("server", server)
    rig.run(5)
    rig.expect(rig.log, [DEAD])


def test_forged_token_of_a_lease_faults_the_server(rig):
    def server(task):
        yield task.lease_read(0, bytearray(1), 255)

    rig.add("server", server)
    rig.run(5)
    rig.expect(rig.fault("server"), SYSCALL)


def test_another_servers_caller_cannot_be_read(rig):
    tokens = []

    def server(task):
        yield task.recv()
        tokens.append(task.caller())
        yield task.sleep(20)
        yield task.reply_recv(OK)

    def thief(task):
        yield task.sleep(5)
        into = bytearray(6)
        rig.log.append(((yield task.lease_read(0, into, tokens[0])), bytes(into)))

    def client(task):
        yield task.call_lending(task.cap("server"), 1, b"secret", READABLE)

    rig.add("server", server)
    rig.add("thief", thief)
    rig.add("client", client, uses="server:call")
    rig.run(40)
    rig.expect(rig.log, [(DEAD, b"\x00" * 6)])


def test_lease_of_a_call_that_waited_in_the_queue(rig):
    def server(task):
        yield task.sleep(5)
        into = bytearray(5)
        yield task.recv()
        yield task.lease_read(0, into)
        rig.log.append(bytes(into))
        yield task.reply_recv(OK)

    lend(rig, server, b"hello", READABLE)
    rig.expect(rig.log, [b"hello", OK])


def test_memoryview_is_lent_where_it_begins(rig):
    data = bytearray(b"0123456789")
    lend(rig, writing(rig, 1, memoryview(b"abcd")[1:3]), memoryview(data)[4:8], WRITABLE)
    rig.expect((rig.log, bytes(data)), ([(OK, 2), OK], b"01234bc789"))


def test_array_of_bytes_is_lent(rig):
    data = array("B", [1, 2, 3])
    lend(rig, writing(rig, 2, array("B", [7, 8])), data, WRITABLE)
    rig.expect((rig.log, list(data)), ([(OK, 1), OK], [1, 2, 7]))


def test_empty_buffer_is_lent(rig):
    lend(rig, reading(rig, 0, bytearray(1)), bytearray(), READABLE)
    rig.expect(rig.log, [(OK, 0, b"\x00"), OK])


def useless(rig, buffer, rights):
    """Lend what cannot be lent: a window of no bytes, and nobody's fault."""

    def server(task):
        yield task.recv()
        yield task.lease_write(0, b"x")
        rig.log.append(task.count())
        yield task.lease_read(0, bytearray(1))
        rig.log.append(task.count())
        yield task.reply_recv(OK)

    lend(rig, server, buffer, rights)
    rig.expect((rig.log[0], rig.log[-1], rig.fault("server")), (0, OK, 0))


def test_bytes_lent_for_writing_are_not_written(rig):
    useless(rig, b"hello", WRITABLE)


def test_view_of_bytes_lent_for_writing_is_not_written(rig):
    useless(rig, memoryview(b"hello"), READABLE | WRITABLE)


def test_lent_list_is_no_window(rig):
    useless(rig, [1, 2], READABLE | WRITABLE)


def test_lent_number_is_no_window(rig):
    useless(rig, 5, READABLE | WRITABLE)


def test_lent_none_is_no_window(rig):
    useless(rig, None, READABLE | WRITABLE)


def made_up(rig, base):
    """Return an object of a class that is called array, whose length is code."""

    def length(_self):
        rig.log.append("code of a task in the kernel")
        return 4096

    kind = type("array", (base,), {"__len__": length})
    return kind(8) if base is bytearray else kind()


def test_lent_object_of_a_class_called_array_is_no_window(rig):
    useless(rig, made_up(rig, object), READABLE | WRITABLE)


def test_lent_buffer_of_a_class_of_its_own_is_no_window(rig):
    useless(rig, made_up(rig, bytearray), READABLE | WRITABLE)


def test_read_into_an_object_of_a_class_called_array_faults_the_server(rig):
    def server(task):
        yield task.recv()
        yield task.lease_read(0, made_up(rig, bytearray))

    lend(rig, server, bytearray(5), READABLE)
    rig.expect((rig.fault("server"), rig.log), (SYSCALL, [DEAD]))


def test_wide_items_are_lent_byte_by_byte(rig):
    data = array("I", [1, 2])
    lend(rig, writing(rig, 4, array("H", [7, 0, 9])), memoryview(data), WRITABLE)
    rig.expect((rig.log, list(data)), ([(OK, 4), OK], [1, 7]))


def test_wide_items_are_read_byte_by_byte(rig):
    into = array("H", [0, 0, 0])

    def server(task):
        yield task.recv()
        yield task.lease_read(1, into)
        rig.log.append((task.count(), bytes(into)))
        yield task.reply_recv(OK)

    lend(rig, server, array("Q", [0x0102030405060708]), READABLE)
    rig.expect(rig.log, [(6, bytes((7, 6, 5, 4, 3, 2))), OK])


def test_rights_without_a_window_are_no_window(rig):
    def server(task):
        yield task.recv()
        yield task.lease_write(0, b"x")
        rig.log.append(task.count())
        yield task.reply_recv(OK)

    def client(task):
        del task.buffer
        rig.log.append((yield task.call(task.cap("server"), 1) | WRITABLE))

    rig.add("server", server)
    rig.add("client", client, uses="server:call")
    rig.run(10)
    rig.expect(rig.log, [0, OK])


def test_read_into_bytes_faults_the_server(rig):
    def server(task):
        yield task.recv()
        yield task.lease_read(0, b"hello")

    lend(rig, server, bytearray(5), READABLE)
    rig.expect((rig.fault("server"), rig.log), (SYSCALL, [DEAD]))


def test_write_of_a_list_faults_the_server(rig):
    lend(rig, writing(rig, 0, [1]), bytearray(5), WRITABLE)
    rig.expect((rig.fault("server"), rig.log), (SYSCALL, [DEAD]))


def test_one_trap_copies_so_much_and_not_more(rig):
    big = bytearray(LEASE_BYTES_MAX + 1)

    def server(task):
        yield task.recv()
        into = bytearray(LEASE_BYTES_MAX + 1)
        for offset in (0, 1, 2):
            yield task.lease_read(offset, into)
            rig.log.append(task.count())
        yield task.reply_recv(OK)

    lend(rig, server, big, READABLE)
    limit = LEASE_BYTES_MAX
    rig.expect(rig.log, [limit, limit, limit - 1, OK])


def test_every_alignment_and_length_is_copied_exactly(rig):
    source = bytes(range(1, 91))

    def server(task):
        yield task.recv()
        wrong = 0
        for offset in range(5):
            for start in range(5):
                for length in (0, 1, 3, 4, 5, 31, 32, 33, 67):
                    into = bytearray(80)
                    yield task.lease_read(offset, memoryview(into)[start : start + length])
                    wanted = bytes(start) + source[offset : offset + length]
                    wrong += bytes(into) != wanted + bytes(80 - len(wanted))
        rig.log.append(wrong)
        yield task.reply_recv(OK)

    lend(rig, server, source, READABLE, timeout_ms=60_000)
    rig.expect(rig.log[0], 0)


def test_server_passes_what_it_was_lent_on_by_a_lease_of_its_own(rig):
    def middle(task):
        yield task.recv()
        mine = bytearray(4)
        yield task.lease_read(0, mine)
        yield task.call_lending(task.cap("end"), 1, mine, WRITABLE)
        yield task.lease_write(0, mine)
        yield task.reply_recv(OK)

    data = bytearray(b"abcd")

    def client(task):
        rig.log.append((yield task.call_lending(task.cap("server"), 1, data, READABLE | WRITABLE)))

    rig.add("end", writing(rig, 1, b"XY"))
    rig.add("server", middle, uses="end:call")
    rig.add("client", client, uses="server:call")
    rig.run(10)
    rig.expect((rig.log, bytes(data)), ([(OK, 2), OK], b"aXYd"))


def test_lending_send_is_an_ordinary_send(rig):
    def receiver(task):
        yield task.recv()
        rig.log.append((yield task.lease_read(0, bytearray(2))))

    def sender(task):
        task.buffer = b"hello"
        rig.log.append((yield task.send(task.cap("receiver"), 1) | READABLE))

    rig.add("receiver", receiver, mailbox=(1, BLOCK))
    rig.add("sender", sender, uses="receiver:send")
    rig.run(10)
    rig.expect(rig.log, [OK, DEAD])
