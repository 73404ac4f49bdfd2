"""Cases: capabilities that come with a call or with a reply."""

from bulkhead import DEAD, FULL, OK, TIMEOUT
from cases.rig import echo, idle, silent
from kernel.abi import CALLING, MAY_CALL, MAY_GRANT, RECEIVING, SYSCALL
from kernel.layout import CLIENTS


def give(rig, server, *, uses="led:call,grant", slots=2, timeout_ms=None, after=None):
    """Let a client give `server` its capability `led` with a call, whose status it logs."""

    def client(sys):
        led = sys.cap("led")
        status = yield sys.call_granting(sys.cap("server"), 1, led, None, timeout_ms)
        rig.log.append(status)
        yield from after(sys) if after else idle(sys)

    rig.add("led", echo)
    rig.add("server", server, slots=slots)
    rig.add("client", client, uses="server:call " + uses)
    rig.run(60)


def using(rig):
    """Return a server that accepts a capability, calls it and logs what came of it."""

    def server(sys):
        sys.accept()
        yield sys.recv()
        handle = sys.granted()
        rig.log.append((yield sys.call(handle, 1, 4)))
        rig.log.append(sys.arg)
        yield sys.reply(OK)
        while True:
            rig.log.append((yield sys.recv(20)))
            rig.log.append((yield sys.call(handle, 1, 4)))

    return server


def test_server_uses_what_a_call_granted(rig):
    give(rig, using(rig))
    rig.expect(rig.log[:3], [OK, 5, OK])


def test_messages_that_bring_nothing_leave_accept_as_it_was(rig):
    def server(sys):
        sys.accept()
        for _ in range(5):
            yield sys.recv()
            rig.log.append(sys.granted() != 0)
            if sys.caller():
                yield sys.reply(OK)
        yield sys.recv()

    def client(sys):
        server = sys.cap("server")
        yield sys.sleep(2)
        for value in (b"bytes", 7):
            yield sys.send(server, 1, value)
            yield sys.call(server, 1, value)
        rig.log.append((yield sys.call_granting(server, 1, sys.cap("led"))))
        yield sys.recv()

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
    def server(sys):
        sys.accept()
        yield sys.recv()
        rig.log.append((yield sys.copy(sys.granted())))
        yield sys.reply_granting(OK, sys.arg)

    give(rig, server)
    rig.expect((rig.log, rig.fault("server")), ([OK, DEAD], SYSCALL))


def test_minted_badge_is_granted_for_the_receiver(rig):
    def server(sys):
        sys.accept()
        yield sys.recv()
        yield sys.call(sys.granted(), 1)
        rig.log.append(sys.arg)
        yield sys.reply_recv(OK)

    def led(sys):
        yield sys.recv()
        while True:
            yield sys.reply_recv(OK, sys.badge())

    def client(sys):
        yield sys.mint(sys.cap("led"), MAY_CALL | MAY_GRANT, 99)
        minted = sys.arg
        rig.log.append((yield sys.call_granting(sys.cap("server"), 1, minted)))
        rig.log.append((yield sys.delete(minted)))
        yield sys.recv()

    rig.add("led", led)
    rig.add("server", server, slots=1)
    rig.add("client", client, uses="server:call led:call,grant", slots=1)
    rig.run(10)
    rig.expect(rig.log, [99, OK, OK])


def test_call_that_grants_arrives_as_any_other(rig):
    def server(sys):
        sys.accept()
        operation = yield sys.recv()
        rig.log.append((operation, sys.arg, sys.badge()))
        yield sys.reply_recv(7, "done")

    def client(sys):
        status = yield sys.call_granting(sys.cap("server"), 5, sys.cap("led"), "value", 10)
        rig.log.append((status, sys.arg))

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
    def server(sys):
        sys.accept()
        yield sys.recv()

    give(rig, server, slots=0)
    rig.expect((rig.log, rig.state("server")), ([FULL], RECEIVING))


def test_refused_grant_leaves_the_servers_timeout_alone(rig):
    def server(sys):
        rig.log.append((yield sys.recv(30)))

    give(rig, server)
    rig.expect(rig.log, [FULL, TIMEOUT])


def test_queued_grant_is_refused_when_the_server_receives(rig):
    def server(sys):
        yield sys.sleep(5)
        rig.log.append((yield sys.recv(10)))
        yield sys.recv()

    give(rig, server)
    rig.expect(rig.log, [FULL, TIMEOUT])


def test_refused_grant_lets_the_next_caller_through(rig):
    def server(sys):
        while rig.state("other") != CALLING:
            yield sys.sleep(1)
        rig.log.append((yield sys.recv()))
        yield sys.reply_recv(OK)

    def other(sys):
        yield sys.sleep(2)
        rig.log.append((yield sys.call(sys.cap("server"), 9)))

    rig.add("other", other, priority=5, uses="server:call")
    give(rig, server)
    rig.expect(rig.log, [9, FULL, OK])


def test_queued_grant_is_given_when_the_server_receives(rig):
    def server(sys):
        yield sys.sleep(5)
        yield from using(rig)(sys)

    give(rig, server)
    rig.expect(rig.log[:3], [OK, 5, OK])


def test_call_that_times_out_in_the_queue_gives_nothing(rig):
    def server(sys):
        yield sys.sleep(20)
        sys.accept()
        rig.log.append((yield sys.recv(5)))
        rig.log.append(sys.granted())
        yield sys.recv()

    give(rig, server, timeout_ms=3)
    rig.expect(rig.log, [TIMEOUT, TIMEOUT, 0])
    rig.expect(rig.capability("server", 0)[0], 0)


def test_caller_that_dies_in_the_queue_gives_nothing(rig):
    def server(sys):
        yield sys.sleep(3)
        yield sys.stop(sys.cap("kernel"), 3)
        sys.accept()
        rig.log.append((yield sys.recv(5)))
        rig.log.append(sys.granted())

    def client(sys):
        yield sys.call_granting(sys.cap("server"), 1, sys.cap("led"))

    rig.add("led", echo)
    rig.add("server", server, slots=1, uses="kernel:control")
    rig.add("client", client, uses="server:call led:call,grant")
    rig.run(20)
    rig.expect(rig.log, [TIMEOUT, 0])


def test_what_a_dead_granter_gave_is_revoked(rig):
    def after(sys):
        yield sys.sleep(5)
        raise ValueError("no")

    give(rig, using(rig), after=after)
    rig.expect(rig.log[-2:], [TIMEOUT, DEAD])


def test_granter_takes_back_what_it_gave(rig):
    def after(sys):
        rig.log.append((yield sys.revoke(sys.cap("led"))))
        rig.log.append((yield sys.call(sys.cap("led"), 1)))
        yield sys.recv()

    give(rig, using(rig), after=after)
    rig.expect(rig.log[:5], [OK, 5, OK, OK, OK])
    rig.expect(rig.log[-1], DEAD)


def test_copies_the_receiver_made_are_revoked_with_the_grant(rig):
    def server(sys):
        sys.accept()
        yield sys.recv()
        yield sys.copy(sys.granted())
        yield sys.copy(sys.arg)
        copy = sys.arg
        yield sys.reply(OK)
        yield sys.recv(10)
        rig.log.append((yield sys.call(copy, 1)))
        rig.log.append((yield sys.reopen(copy)))

    def after(sys):
        yield sys.revoke(sys.cap("led"))
        yield sys.recv()

    give(rig, server, slots=3, after=after)
    rig.expect(rig.log, [OK, DEAD, DEAD])


def test_revoked_while_in_a_call_lets_the_call_end(rig):
    def led(sys):
        yield sys.recv()
        yield sys.sleep(10)
        yield sys.reply_recv(OK)

    def server(sys):
        sys.accept()
        yield sys.recv()
        handle = sys.granted()
        yield sys.reply(OK)
        rig.log.append((yield sys.call(handle, 1)))
        rig.log.append((yield sys.call(handle, 1)))

    def client(sys):
        yield sys.call_granting(sys.cap("server"), 1, sys.cap("led"))
        yield sys.sleep(2)
        yield sys.revoke(sys.cap("led"))
        yield sys.recv()

    rig.add("led", led)
    rig.add("server", server, slots=1)
    rig.add("client", client, uses="server:call led:call,grant")
    rig.run(40)
    rig.expect(rig.log, [OK, DEAD])


def test_receiver_deletes_what_it_was_given(rig):
    def server(sys):
        sys.accept()
        yield sys.recv()
        rig.log.append((yield sys.delete(sys.granted())))
        sys.accept()
        yield sys.reply_recv(OK)
        rig.log.append((yield sys.call(sys.granted(), 1)))
        yield sys.reply_recv(OK)

    def after(sys):
        rig.log.append((yield sys.call_granting(sys.cap("server"), 1, sys.cap("led"))))

    give(rig, server, slots=1, after=after)
    rig.expect(rig.log, [OK, OK, OK, OK])


def test_grant_without_the_right_faults_the_caller(rig):
    give(rig, silent, uses="led:call")
    rig.expect((rig.fault("client"), rig.fault("server")), (SYSCALL, 0))


def test_grant_of_a_forged_handle_faults_the_caller(rig):
    def client(sys):
        yield sys.call_granting(sys.cap("server"), 1, 9 << 13)

    rig.add("server", silent, slots=1)
    rig.add("client", client, uses="server:call")
    rig.run(5)
    rig.expect((rig.fault("client"), rig.fault("server")), (SYSCALL, 0))


def test_first_capability_of_a_manifest_can_be_granted(rig):
    def client(sys):
        rig.log.append(sys.cap("led"))
        rig.log.append((yield sys.call_granting(sys.cap("server"), 1, sys.cap("led"))))

    def server(sys):
        sys.accept()
        yield sys.recv()
        yield sys.reply_recv((yield sys.call(sys.granted(), 1)))

    rig.add("led", echo)
    rig.add("server", server, slots=1)
    rig.add("client", client, uses="led:call,grant server:call")
    rig.run(5)
    rig.expect(rig.log, [0, OK])


def test_plain_message_after_an_accept_grants_nothing(rig):
    def server(sys):
        sys.accept()
        yield sys.recv()
        rig.log.append(sys.granted())
        yield sys.reply_recv(OK)

    def client(sys):
        yield sys.call(sys.cap("server"), 1)

    rig.add("server", server, slots=1)
    rig.add("client", client, uses="server:call")
    rig.run(5)
    rig.expect(rig.log, [0])


def lookup(rig, names, *, slots=1, times=1, accepts=True):
    """Let a client ask `names`, which may call and grant `led`; it logs what it gets."""

    def client(sys):
        for _ in range(times):
            if accepts:
                sys.accept()
            status = yield sys.call(sys.cap("names"), 1)
            rig.log.append(status)
            if sys.granted():
                rig.log.append((yield sys.call(sys.granted(), 1, 1)))
                rig.log.append(sys.arg)
        yield sys.recv()

    rig.add("led", echo)
    rig.add("names", names, uses="led:call,grant")
    rig.add("client", client, uses="names:call", slots=slots)
    rig.run(60)


def names(rig):
    """Return a service that answers every call with a capability, and logs when it cannot."""

    def main(sys):
        while True:
            yield sys.recv()
            status = yield sys.reply_granting(3, sys.cap("led"), "led")
            if status != OK:
                rig.log.append(status)
                yield sys.reply(4)

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
    def server(sys):
        yield sys.recv()
        token = sys.caller()
        yield sys.recv(5)
        rig.log.append((yield sys.reply_granting(3, sys.cap("led"), None, token)))
        yield sys.recv()

    lookup(rig, server)
    rig.expect(rig.log, [OK, 3, OK, 2])


def test_reply_to_a_caller_that_has_gone_grants_nothing(rig):
    def server(sys):
        yield sys.recv()
        yield sys.sleep(10)
        rig.log.append((yield sys.reply_granting(3, sys.cap("led"))))
        yield sys.recv()

    def client(sys):
        sys.accept()
        rig.log.append((yield sys.call(sys.cap("names"), 1, None, 3)))
        yield sys.sleep(20)
        rig.log.append(sys.granted())

    rig.add("led", echo)
    rig.add("names", server, uses="led:call,grant")
    rig.add("client", client, uses="names:call", slots=1)
    rig.run(60)
    rig.expect(rig.log, [TIMEOUT, OK, 0])
    rig.expect(rig.capability("client", 1)[0], 0)


def test_reply_that_grants_a_forged_handle_faults_the_server(rig):
    def server(sys):
        yield sys.recv()
        yield sys.reply_granting(OK, 9 << 13)

    lookup(rig, server)
    rig.expect((rig.fault("names"), rig.log), (SYSCALL, [DEAD]))


def test_reply_that_grants_a_capability_without_the_right_faults_the_server(rig):
    def server(sys):
        yield sys.recv()
        yield sys.reply_granting(OK, sys.cap("led"))

    def client(sys):
        sys.accept()
        rig.log.append((yield sys.call(sys.cap("names"), 1)))

    rig.add("led", echo)
    rig.add("names", server, uses="led:call")
    rig.add("client", client, uses="names:call", slots=1)
    rig.run(10)
    rig.expect((rig.log, rig.fault("names")), ([DEAD], SYSCALL))


def test_what_a_restarted_service_granted_is_gone(rig):
    def client(sys):
        sys.accept()
        yield sys.call(sys.cap("names"), 1)
        led = sys.granted()
        rig.log.append((yield sys.call(led, 1)))
        kernel = sys.cap("kernel")
        yield sys.stop(kernel, 2)
        yield sys.start(kernel, 2)
        rig.log.append((yield sys.call(led, 1)))
        rig.log.append((yield sys.delete(led)))
        sys.accept()
        yield sys.reopen(sys.cap("names"))
        yield sys.call(sys.cap("names"), 1)
        rig.log.append((yield sys.call(sys.granted(), 1)))

    rig.add("led", echo)
    rig.add("names", names(rig), uses="led:call,grant")
    rig.add("client", client, uses="names:call kernel:control", slots=1)
    rig.run(20)
    rig.expect(rig.log, [OK, DEAD, OK, OK])


def test_grant_names_the_incarnation_that_the_granter_names(rig):
    def client(sys):
        kernel = sys.cap("kernel")
        yield sys.stop(kernel, 1)
        yield sys.start(kernel, 1)
        sys.accept()
        yield sys.call(sys.cap("names"), 1)
        rig.log.append((yield sys.call(sys.granted(), 1)))
        rig.log.append((yield sys.reopen(sys.granted())))
        rig.log.append((yield sys.call(sys.granted(), 1)))

    rig.add("led", echo)
    rig.add("names", names(rig), uses="led:call,grant")
    rig.add("client", client, uses="names:call kernel:control", slots=1)
    rig.run(20)
    rig.expect(rig.log, [DEAD, OK, OK])
