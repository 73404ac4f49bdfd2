"""Cases: capabilities that come with a call or with a reply."""

from bulkhead import DEAD, FULL, OK, TIMEOUT
from cases.rig import echo, idle, silent
from kernel.abi import CALLING, MAY_CALL, MAY_GRANT, RECEIVING, SYSCALL
from kernel.layout import CLIENTS


def give(rig, server, *, uses="led:call,grant", slots=2, timeout_ms=None, after=None):
    """Let a client give `server` its capability `led` with a call, whose status it logs."""

    def client(task):
        led = task.cap("led")
        status = yield task.call_granting(task.cap("server"), 1, led, None, timeout_ms)
        rig.log.append(status)
        yield from after(task) if after else idle(task)

    rig.add("led", echo)
    rig.add("server", server, slots=slots)
    rig.add("client", client, uses="server:call " + uses)
    rig.run(60)


def using(rig):
    """Return a server that accepts a capability, calls it and logs what came of it."""

    def server(task):
        task.accept()
        yield task.recv()
        handle = task.granted()
        rig.log.append((yield task.call(handle, 1, 4)))
        rig.log.append(task.arg)
        yield task.reply(OK)
        while True:
            rig.log.append((yield task.recv(20)))
            rig.log.append((yield task.call(handle, 1, 4)))

    return server


def test_server_uses_what_a_call_granted(rig):
    give(rig, using(rig))
    rig.expect(rig.log[:3], [OK, 5, OK])


def test_messages_that_bring_nothing_leave_accept_as_it_was(rig):
    def server(task):
        task.accept()
        for _ in range(5):
            yield task.recv()
            rig.log.append(task.granted() != 0)
            if task.caller():
                yield task.reply(OK)
        yield task.recv()

    def client(task):
        server = task.cap("server")
        yield task.sleep(2)
        for value in (b"bytes", 7):
            yield task.send(server, 1, value)
            yield task.call(server, 1, value)
        rig.log.append((yield task.call_granting(server, 1, task.cap("led"))))
        yield task.recv()

    rig.add("led", echo)
    rig.add("server", server, slots=1, mailbox=(2, 0))
    rig.add("client", client, uses="server:call,send led:call,grant")
    rig.run(20)
    rig.expect(rig.log, [False, False, False, False, True, OK])


def test_granted_capability_has_the_rights_but_to_grant(rig):
    give(rig, using(rig), uses="led:call,notify,grant")
    rig.expect(rig.capability("server", 0), (5, 1, 3))
    rig.expect(rig.capability("client", 1)[0], 5 | MAY_GRANT)


def test_granted_capability_can_be_copied_and_not_be_granted_on(rig):
    def server(task):
        task.accept()
        yield task.recv()
        rig.log.append((yield task.copy(task.granted())))
        yield task.reply_granting(OK, task.arg)

    give(rig, server)
    rig.expect((rig.log, rig.fault("server")), ([OK, DEAD], SYSCALL))


def test_minted_badge_is_granted_for_the_receiver(rig):
    def server(task):
        task.accept()
        yield task.recv()
        yield task.call(task.granted(), 1)
        rig.log.append(task.arg)
        yield task.reply_recv(OK)

    def led(task):
        yield task.recv()
        while True:
            yield task.reply_recv(OK, task.badge())

    def client(task):
        yield task.mint(task.cap("led"), MAY_CALL | MAY_GRANT, 99)
        minted = task.arg
        rig.log.append((yield task.call_granting(task.cap("server"), 1, minted)))
        rig.log.append((yield task.delete(minted)))
        yield task.recv()

    rig.add("led", led)
    rig.add("server", server, slots=1)
    rig.add("client", client, uses="server:call led:call,grant", slots=1)
    rig.run(10)
    rig.expect(rig.log, [99, OK, OK])


def test_call_that_grants_arrives_as_any_other(rig):
    def server(task):
        task.accept()
        operation = yield task.recv()
        rig.log.append((operation, task.arg, task.badge()))
        yield task.reply_recv(7, "done")

    def client(task):
        status = yield task.call_granting(task.cap("server"), 5, task.cap("led"), "value", 10)
        rig.log.append((status, task.arg))

    rig.add("led", echo)
    rig.add("server", server, slots=1)
    rig.add("client", client, uses="server:call led:call,grant")
    rig.run(20)
    rig.expect(rig.log, [(5, "value", 3), (7, "done")])


def test_grant_to_a_server_that_accepts_none_is_full_and_not_received(rig):
    give(rig, silent)
    rig.expect((rig.log, rig.state("server")), ([FULL], RECEIVING))
    rig.expect(rig.word("server", CLIENTS), 0)


def test_grant_to_a_full_table_is_full_and_not_received(rig):
    def server(task):
        task.accept()
        yield task.recv()

    give(rig, server, slots=0)
    rig.expect((rig.log, rig.state("server")), ([FULL], RECEIVING))


def test_refused_grant_leaves_the_servers_timeout_alone(rig):
    def server(task):
        rig.log.append((yield task.recv(30)))

    give(rig, server)
    rig.expect(rig.log, [FULL, TIMEOUT])


def test_queued_grant_is_refused_when_the_server_receives(rig):
    def server(task):
        yield task.sleep(5)
        rig.log.append((yield task.recv(10)))
        yield task.recv()

    give(rig, server)
    rig.expect(rig.log, [FULL, TIMEOUT])


def test_refused_grant_lets_the_next_caller_through(rig):
    def server(task):
        while rig.state("other") != CALLING:
            yield task.sleep(1)
        rig.log.append((yield task.recv()))
        yield task.reply_recv(OK)

    def other(task):
        yield task.sleep(2)
        rig.log.append((yield task.call(task.cap("server"), 9)))

    rig.add("other", other, priority=5, uses="server:call")
    give(rig, server)
    rig.expect(rig.log, [9, FULL, OK])


def test_queued_grant_is_given_when_the_server_receives(rig):
    def server(task):
        yield task.sleep(5)
        yield from using(rig)(task)

    give(rig, server)
    rig.expect(rig.log[:3], [OK, 5, OK])


def test_call_that_times_out_in_the_queue_gives_nothing(rig):
    def server(task):
        yield task.sleep(20)
        task.accept()
        rig.log.append((yield task.recv(5)))
        rig.log.append(task.granted())
        yield task.recv()

    give(rig, server, timeout_ms=3)
    rig.expect(rig.log, [TIMEOUT, TIMEOUT, 0])
    rig.expect(rig.capability("server", 0)[0], 0)


def test_caller_that_dies_in_the_queue_gives_nothing(rig):
    def server(task):
        yield task.sleep(3)
        yield task.stop(task.cap("kernel"), 3)
        task.accept()
        rig.log.append((yield task.recv(5)))
        rig.log.append(task.granted())

    def client(task):
        yield task.call_granting(task.cap("server"), 1, task.cap("led"))

    rig.add("led", echo)
    rig.add("server", server, slots=1, uses="kernel:control")
    rig.add("client", client, uses="server:call led:call,grant")
    rig.run(20)
    rig.expect(rig.log, [TIMEOUT, 0])


def test_what_a_dead_granter_gave_is_revoked(rig):
    def after(task):
        yield task.sleep(5)
        raise ValueError("no")

    give(rig, using(rig), after=after)
    rig.expect(rig.log[-2:], [TIMEOUT, DEAD])


def test_granter_takes_back_what_it_gave(rig):
    def after(task):
        rig.log.append((yield task.revoke(task.cap("led"))))
        rig.log.append((yield task.call(task.cap("led"), 1)))
        yield task.recv()

    give(rig, using(rig), after=after)
    rig.expect(rig.log[:5], [OK, 5, OK, OK, OK])
    rig.expect(rig.log[-1], DEAD)


def test_copies_the_receiver_made_are_revoked_with_the_grant(rig):
    def server(task):
        task.accept()
        yield task.recv()
        yield task.copy(task.granted())
        yield task.copy(task.arg)
        copy = task.arg
        yield task.reply(OK)
        yield task.recv(10)
        rig.log.append((yield task.call(copy, 1)))
        rig.log.append((yield task.reopen(copy)))

    def after(task):
        yield task.revoke(task.cap("led"))
        yield task.recv()

    give(rig, server, slots=3, after=after)
    rig.expect(rig.log, [OK, DEAD, DEAD])


def test_revoked_while_in_a_call_lets_the_call_end(rig):
    def led(task):
        yield task.recv()
        yield task.sleep(10)
        yield task.reply_recv(OK)

    def server(task):
        task.accept()
        yield task.recv()
        handle = task.granted()
        yield task.reply(OK)
        rig.log.append((yield task.call(handle, 1)))
        rig.log.append((yield task.call(handle, 1)))

    def client(task):
        yield task.call_granting(task.cap("server"), 1, task.cap("led"))
        yield task.sleep(2)
        yield task.revoke(task.cap("led"))
        yield task.recv()

    rig.add("led", led)
    rig.add("server", server, slots=1)
    rig.add("client", client, uses="server:call led:call,grant")
    rig.run(40)
    rig.expect(rig.log, [OK, DEAD])


def test_receiver_deletes_what_it_was_given(rig):
    def server(task):
        task.accept()
        yield task.recv()
        rig.log.append((yield task.delete(task.granted())))
        task.accept()
        yield task.reply_recv(OK)
        rig.log.append((yield task.call(task.granted(), 1)))
        yield task.reply_recv(OK)

    def after(task):
        rig.log.append((yield task.call_granting(task.cap("server"), 1, task.cap("led"))))

    give(rig, server, slots=1, after=after)
    rig.expect(rig.log, [OK, OK, OK, OK])


def test_grant_without_the_right_faults_the_caller(rig):
    give(rig, silent, uses="led:call")
    rig.expect((rig.fault("client"), rig.fault("server")), (SYSCALL, 0))


def test_grant_of_a_forged_handle_faults_the_caller(rig):
    def client(task):
        yield task.call_granting(task.cap("server"), 1, 9 << 13)

    rig.add("server", silent, slots=1)
    rig.add("client", client, uses="server:call")
    rig.run(5)
    rig.expect((rig.fault("client"), rig.fault("server")), (SYSCALL, 0))


def test_first_capability_of_a_manifest_can_be_granted(rig):
    def client(task):
        rig.log.append(task.cap("led"))
        rig.log.append((yield task.call_granting(task.cap("server"), 1, task.cap("led"))))

    def server(task):
        task.accept()
        yield task.recv()
        yield task.reply_recv((yield task.call(task.granted(), 1)))

    rig.add("led", echo)
    rig.add("server", server, slots=1)
    rig.add("client", client, uses="led:call,grant server:call")
    rig.run(5)
    rig.expect(rig.log, [0, OK])


def test_plain_message_after_an_accept_grants_nothing(rig):
    def server(task):
        task.accept()
        yield task.recv()
        rig.log.append(task.granted())
        yield task.reply_recv(OK)

    def client(task):
        yield task.call(task.cap("server"), 1)

    rig.add("server", server, slots=1)
    rig.add("client", client, uses="server:call")
    rig.run(5)
    rig.expect(rig.log, [0])


def lookup(rig, names, *, slots=1, times=1, accepts=True):
    """Let a client ask `names`, which may call and grant `led`; it logs what it gets."""

    def client(task):
        for _ in range(times):
            if accepts:
                task.accept()
            status = yield task.call(task.cap("names"), 1)
            rig.log.append(status)
            if task.granted():
                rig.log.append((yield task.call(task.granted(), 1, 1)))
                rig.log.append(task.arg)
        yield task.recv()

    rig.add("led", echo)
    rig.add("names", names, uses="led:call,grant")
    rig.add("client", client, uses="names:call", slots=slots)
    rig.run(60)


def names(rig):
    """Return a service that answers every call with a capability, and logs when it cannot."""

    def main(task):
        while True:
            yield task.recv()
            status = yield task.reply_granting(3, task.cap("led"), "led")
            if status != OK:
                rig.log.append(status)
                yield task.reply(4)

    return main


def test_client_uses_what_a_reply_granted(rig):
    lookup(rig, names(rig))
    rig.expect(rig.log, [3, OK, 2])


def test_reply_that_cannot_grant_is_full_and_not_sent(rig):
    lookup(rig, names(rig), times=2)
    rig.expect(rig.log, [3, OK, 2, FULL, 4])


def test_reply_grants_nothing_to_a_caller_that_does_not_accept(rig):
    lookup(rig, names(rig), accepts=False)
    rig.expect(rig.log, [FULL, 4])


def test_reply_grants_to_an_earlier_caller_by_its_token(rig):
    def server(task):
        yield task.recv()
        token = task.caller()
        yield task.recv(5)
        rig.log.append((yield task.reply_granting(3, task.cap("led"), None, token)))
        yield task.recv()

    lookup(rig, server)
    rig.expect(rig.log, [OK, 3, OK, 2])


def test_reply_to_a_caller_that_has_gone_grants_nothing(rig):
    def server(task):
        yield task.recv()
        yield task.sleep(10)
        rig.log.append((yield task.reply_granting(3, task.cap("led"))))
        yield task.recv()

    def client(task):
        task.accept()
        rig.log.append((yield task.call(task.cap("names"), 1, None, 3)))
        yield task.sleep(20)
        rig.log.append(task.granted())

    rig.add("led", echo)
    rig.add("names", server, uses="led:call,grant")
    rig.add("client", client, uses="names:call", slots=1)
    rig.run(60)
    rig.expect(rig.log, [TIMEOUT, OK, 0])
    rig.expect(rig.capability("client", 1)[0], 0)


def test_reply_that_grants_a_forged_handle_faults_the_server(rig):
    def server(task):
        yield task.recv()
        yield task.reply_granting(OK, 9 << 13)

    lookup(rig, server)
    rig.expect((rig.fault("names"), rig.log), (SYSCALL, [DEAD]))


def test_reply_that_grants_a_capability_without_the_right_faults_the_server(rig):
    def server(task):
        yield task.recv()
        yield task.reply_granting(OK, task.cap("led"))

    def client(task):
        task.accept()
        rig.log.append((yield task.call(task.cap("names"), 1)))

    rig.add("led", echo)
    rig.add("names", server, uses="led:call")
    rig.add("client", client, uses="names:call", slots=1)
    rig.run(10)
    rig.expect((rig.log, rig.fault("names")), ([DEAD], SYSCALL))


def test_what_a_restarted_service_granted_is_gone(rig):
    def client(task):
        task.accept()
        yield task.call(task.cap("names"), 1)
        led = task.granted()
        rig.log.append((yield task.call(led, 1)))
        kernel = task.cap("kernel")
        yield task.stop(kernel, 2)
        yield task.start(kernel, 2)
        rig.log.append((yield task.call(led, 1)))
        rig.log.append((yield task.delete(led)))
        task.accept()
        yield task.reopen(task.cap("names"))
        yield task.call(task.cap("names"), 1)
        rig.log.append((yield task.call(task.granted(), 1)))

    rig.add("led", echo)
    rig.add("names", names(rig), uses="led:call,grant")
    rig.add("client", client, uses="names:call kernel:control", slots=1)
    rig.run(20)
    rig.expect(rig.log, [OK, DEAD, OK, OK])


def test_grant_names_the_incarnation_that_the_granter_names(rig):
    def client(task):
        kernel = task.cap("kernel")
        yield task.stop(kernel, 1)
        yield task.start(kernel, 1)
        task.accept()
        yield task.call(task.cap("names"), 1)
        rig.log.append((yield task.call(task.granted(), 1)))
        rig.log.append((yield task.reopen(task.granted())))
        rig.log.append((yield task.call(task.granted(), 1)))

    rig.add("led", echo)
    rig.add("names", names(rig), uses="led:call,grant")
    rig.add("client", client, uses="names:call kernel:control", slots=1)
    rig.run(20)
    rig.expect(rig.log, [DEAD, OK, OK])
