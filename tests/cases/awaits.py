"""Cases: services whose `main` is an `async def`, beside and together with those that yield."""

from bulkhead import DEAD, NOTIFIED, OK, TIMEOUT
from cases.rig import echo, silent
from kernel.abi import (
    MAY_CALL,
    READABLE,
    WRITABLE,
    BUDGET,
    DORMANT,
    EXCEPTION,
    FULL,
    FAIL,
    RECEIVING,
    RETURNED,
    UNKNOWN,
)


async def async_echo(sys):
    await sys.recv()
    while True:
        await sys.reply_recv(OK, sys.arg + 1)


def test_async_client_calls_a_service_that_yields(rig):
    async def client(sys):
        status = await sys.call(sys.cap("server"), 7, 41)
        rig.log.append((status, sys.arg))

    rig.add("server", echo)
    rig.add("client", client, uses="server:call", asynchronous=True)
    rig.run(5)
    rig.expect(rig.log, [(OK, 42)])
    rig.expect(rig.fault("client"), RETURNED)


def test_async_server_answers_clients_that_yield(rig):
    def client(sys):
        for value in (1, 2, 3):
            status = yield sys.call(sys.cap("server"), 7, value)
            rig.log.append((status, sys.arg))

    rig.add("server", async_echo, asynchronous=True)
    rig.add("client", client, uses="server:call")
    rig.run(5)
    rig.expect(rig.log, [(OK, 2), (OK, 3), (OK, 4)])


def test_async_services_call_each_other(rig):
    async def client(sys):
        status = await sys.call(sys.cap("server"), 7, 1, timeout_ms=2)
        rig.log.append((status, sys.arg))

    rig.add("server", async_echo, asynchronous=True)
    rig.add("client", client, uses="server:call", asynchronous=True)
    rig.run(5)
    rig.expect(rig.log, [(OK, 2)])


def test_await_of_a_helper_passes_its_traps_on(rig):
    async def ask(sys, value):
        await sys.call(sys.cap("server"), 7, value)
        return sys.arg

    async def client(sys):
        rig.log.append(await ask(sys, 1) + await ask(sys, 10))

    rig.add("server", echo)
    rig.add("client", client, uses="server:call", asynchronous=True)
    rig.run(5)
    rig.expect(rig.log, [13])


def test_awaited_waits_end_with_their_timeout(rig):
    async def main(sys):
        rig.log.append(await sys.recv(2))
        rig.log.append(await sys.recv(timeout_ms=2))
        rig.log.append(await sys.call(sys.cap("server"), 1, None, 3))
        rig.log.append(await sys.sleep(1))

    rig.add("server", silent)
    rig.add("main", main, uses="server:call", asynchronous=True)
    rig.run(30)
    rig.expect(rig.log, [TIMEOUT, TIMEOUT, TIMEOUT, OK])


def test_awaited_traps_without_a_wait_give_their_results(rig):
    async def main(sys):
        kernel = sys.cap("kernel")
        peer = sys.cap("peer")
        rig.log.append(await sys.notify(peer, 1))
        rig.log.append(await sys.send(peer, 3, "a"))
        rig.log.append(await sys.send(peer, 3, "b"))
        rig.log.append(await sys.inspect(kernel, 9))
        rig.log.append(await sys.stop(kernel, 1))
        rig.log.append(await sys.call(peer, 1))
        rig.log.append(await sys.start(kernel, 1))
        rig.log.append(await sys.reopen(peer))

    def peer(sys):
        rig.log.append((yield sys.recv()))
        yield sys.sleep(1000)

    rig.add("peer", peer, priority=5, mailbox=(1, FAIL))
    rig.add("main", main, uses="peer:call,send,notify kernel:control", asynchronous=True)
    rig.run(3)
    rig.expect(rig.log, [OK, OK, FULL, UNKNOWN, OK, DEAD, OK, OK])


def test_async_service_is_notified_and_replies_later(rig):
    async def server(sys):
        await sys.recv()
        first = sys.caller()
        rig.log.append((await sys.recv(), sys.bits()))
        rig.log.append(await sys.reply_to(first, 5, "late"))

    def client(sys):
        status = yield sys.call(sys.cap("server"), 1)
        rig.log.append((status, sys.arg))

    def notifier(sys):
        yield sys.notify(sys.cap("server"), 4)

    rig.add("server", server, asynchronous=True)
    rig.add("client", client, uses="server:call", priority=2)
    rig.add("notifier", notifier, uses="server:notify", priority=4)
    rig.run(5)
    rig.expect(rig.log, [(NOTIFIED, 4), (5, "late"), OK])


def test_async_service_that_spins_is_killed(rig):
    async def spinner(sys):
        await sys.sleep(1)
        while True:
            pass

    rig.add("spinner", spinner, budget_ms=3, asynchronous=True)
    rig.add("other", async_echo, asynchronous=True)
    rig.run(60)
    rig.expect(rig.fault("spinner"), BUDGET)
    rig.expect(rig.state("other"), RECEIVING)


def test_exception_in_an_async_service_ends_it_alone(rig):
    async def fails(sys):
        await sys.recv()
        raise ValueError("told to")

    def client(sys):
        rig.log.append((yield sys.call(sys.cap("fails"), 1)))

    rig.add("fails", fails, asynchronous=True)
    rig.add("client", client, uses="fails:call")
    rig.run(5)
    rig.expect(rig.log, [DEAD])
    rig.expect(rig.fault("fails"), EXCEPTION)
    rig.expect("told to" in rig.words_of("fails"), True)


def test_stop_of_an_async_service_runs_its_finally_blocks(rig):
    async def main(sys):
        try:
            await sys.recv()
        finally:
            rig.log.append("closed")

    def stopper(sys):
        yield sys.sleep(1)
        yield sys.stop(sys.cap("kernel"), 1)

    rig.add("main", main, asynchronous=True)
    rig.add("stopper", stopper, uses="kernel:control")
    rig.run(10)
    rig.expect(rig.log, ["closed"])
    rig.expect(rig.state("main"), DORMANT)


def test_trap_that_was_not_awaited_is_an_exception(rig):
    async def forgets(sys):
        sys.sleep(1)
        await sys.sleep(1)

    rig.add("forgets", forgets, asynchronous=True)
    rig.run(5)
    rig.expect(rig.fault("forgets"), EXCEPTION)
    rig.expect("NotAwaited" in rig.words_of("forgets"), True)


def test_async_services_grant_lend_and_receive_from_one(rig):
    served = []

    async def server(sys):
        sys.accept()
        served.append(await sys.recv_from(sys.cap("client")))
        served.append(await sys.copy(sys.granted()))
        served.append(await sys.delete(sys.granted()))
        served.append(await sys.reply_granting(5, sys.cap("led")))
        await sys.recv()
        data = bytearray(5)
        served.append((await sys.lease_read(0, data), bytes(data)))
        served.append((await sys.lease_write(1, b"EL"), sys.count()))
        await sys.reply_recv(6)

    async def client(sys):
        sys.accept()
        server = sys.cap("server")
        rig.log.append(await sys.call_granting(server, 1, sys.cap("led")))
        rig.log.append(await sys.mint(sys.granted(), MAY_CALL))
        rig.log.append(await sys.revoke(sys.granted()))
        data = bytearray(b"hello")
        rig.log.append(await sys.call_lending(server, 2, data, READABLE | WRITABLE))
        rig.log.append(bytes(data))

    rig.add("led", echo)
    uses = "led:call,grant client:notify"
    rig.add("server", server, uses=uses, slots=2, asynchronous=True)
    rig.add("client", client, uses="led:call,grant server:call", slots=2, asynchronous=True)
    rig.run(10)
    rig.expect(served, [1, OK, OK, OK, (OK, b"hello"), (OK, 2)])
    rig.expect(rig.log, [5, OK, OK, 6, b"hELlo"])
