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


async def async_echo(task):
    await task.recv()
    while True:
        await task.reply_recv(OK, task.arg + 1)


def test_async_client_calls_a_service_that_yields(rig):
    async def client(task):
        status = await task.call(task.cap("server"), 7, 41)
        rig.log.append((status, task.arg))

    rig.add("server", echo)
    rig.add("client", client, uses="server:call", asynchronous=True)
    rig.run(5)
    rig.expect(rig.log, [(OK, 42)])
    rig.expect(rig.fault("client"), RETURNED)


def test_async_server_answers_clients_that_yield(rig):
    def client(task):
        for value in (1, 2, 3):
            status = yield task.call(task.cap("server"), 7, value)
            rig.log.append((status, task.arg))

    rig.add("server", async_echo, asynchronous=True)
    rig.add("client", client, uses="server:call")
    rig.run(5)
    rig.expect(rig.log, [(OK, 2), (OK, 3), (OK, 4)])


def test_async_services_call_each_other(rig):
    async def client(task):
        status = await task.call(task.cap("server"), 7, 1, timeout_ms=2)
        rig.log.append((status, task.arg))

    rig.add("server", async_echo, asynchronous=True)
    rig.add("client", client, uses="server:call", asynchronous=True)
    rig.run(5)
    rig.expect(rig.log, [(OK, 2)])


def test_await_of_a_helper_passes_its_traps_on(rig):
    async def ask(task, value):
        await task.call(task.cap("server"), 7, value)
        return task.arg

    async def client(task):
        rig.log.append(await ask(task, 1) + await ask(task, 10))

    rig.add("server", echo)
    rig.add("client", client, uses="server:call", asynchronous=True)
    rig.run(5)
    rig.expect(rig.log, [13])


def test_awaited_waits_end_with_their_timeout(rig):
    async def main(task):
        rig.log.append(await task.recv(2))
        rig.log.append(await task.recv(timeout_ms=2))
        rig.log.append(await task.call(task.cap("server"), 1, None, 3))
        rig.log.append(await task.sleep(1))

    rig.add("server", silent)
    rig.add("main", main, uses="server:call", asynchronous=True)
    rig.run(30)
    rig.expect(rig.log, [TIMEOUT, TIMEOUT, TIMEOUT, OK])


def test_awaited_traps_without_a_wait_give_their_results(rig):
    async def main(task):
        kernel = task.cap("kernel")
        peer = task.cap("peer")
        rig.log.append(await task.notify(peer, 1))
        rig.log.append(await task.send(peer, 3, "a"))
        rig.log.append(await task.send(peer, 3, "b"))
        rig.log.append(await task.inspect(kernel, 9))
        rig.log.append(await task.stop(kernel, 1))
        rig.log.append(await task.call(peer, 1))
        rig.log.append(await task.start(kernel, 1))
        rig.log.append(await task.reopen(peer))

    def peer(task):
        rig.log.append((yield task.recv()))
        yield task.sleep(1000)

    rig.add("peer", peer, priority=5, mailbox=(1, FAIL))
    rig.add("main", main, uses="peer:call,send,notify kernel:control", asynchronous=True)
    rig.run(3)
    rig.expect(rig.log, [OK, OK, FULL, UNKNOWN, OK, DEAD, OK, OK])


def test_async_service_is_notified_and_replies_later(rig):
    async def server(task):
        await task.recv()
        first = task.caller()
        rig.log.append((await task.recv(), task.bits()))
        rig.log.append(await task.reply_to(first, 5, "late"))

    def client(task):
        status = yield task.call(task.cap("server"), 1)
        rig.log.append((status, task.arg))

    def notifier(task):
        yield task.notify(task.cap("server"), 4)

    rig.add("server", server, asynchronous=True)
    rig.add("client", client, uses="server:call", priority=2)
    rig.add("notifier", notifier, uses="server:notify", priority=4)
    rig.run(5)
    rig.expect(rig.log, [(NOTIFIED, 4), (5, "late"), OK])


def test_async_service_that_spins_is_killed(rig):
    async def spinner(task):
        await task.sleep(1)
        while True:
            pass

    rig.add("spinner", spinner, budget_ms=3, asynchronous=True)
    rig.add("other", async_echo, asynchronous=True)
    rig.run(60)
    rig.expect(rig.fault("spinner"), BUDGET)
    rig.expect(rig.state("other"), RECEIVING)


def test_exception_in_an_async_service_ends_it_alone(rig):
    async def fails(task):
        await task.recv()
        raise ValueError("told to")

    def client(task):
        rig.log.append((yield task.call(task.cap("fails"), 1)))

    rig.add("fails", fails, asynchronous=True)
    rig.add("client", client, uses="fails:call")
    rig.run(5)
    rig.expect(rig.log, [DEAD])
    rig.expect(rig.fault("fails"), EXCEPTION)
    rig.expect("told to" in rig.words_of("fails"), True)


def test_stop_of_an_async_service_runs_its_finally_blocks(rig):
    async def main(task):
        try:
            await task.recv()
        finally:
            rig.log.append("closed")

    def stopper(task):
        yield task.sleep(1)
        yield task.stop(task.cap("kernel"), 1)

    rig.add("main", main, asynchronous=True)
    rig.add("stopper", stopper, uses="kernel:control")
    rig.run(10)
    rig.expect(rig.log, ["closed"])
    rig.expect(rig.state("main"), DORMANT)


def test_trap_that_was_not_awaited_is_an_exception(rig):
    async def forgets(task):
        task.sleep(1)
        await task.sleep(1)

    rig.add("forgets", forgets, asynchronous=True)
    rig.run(5)
    rig.expect(rig.fault("forgets"), EXCEPTION)
    rig.expect("NotAwaited" in rig.words_of("forgets"), True)


def test_async_services_grant_and_lend(rig):
    served = []

    async def server(task):
        task.accept()
        served.append(await task.recv())
        served.append(await task.copy(task.granted()))
        served.append(await task.delete(task.granted()))
        served.append(await task.reply_granting(5, task.cap("led")))
        await task.recv()
        data = bytearray(5)
        served.append((await task.lease_read(0, data), bytes(data)))
        served.append((await task.lease_write(1, b"EL"), task.count()))
        await task.reply_recv(6)

    async def client(task):
        task.accept()
        server = task.cap("server")
        rig.log.append(await task.call_granting(server, 1, task.cap("led")))
        rig.log.append(await task.mint(task.granted(), MAY_CALL))
        rig.log.append(await task.revoke(task.granted()))
        data = bytearray(b"hello")
        rig.log.append(await task.call_lending(server, 2, data, READABLE | WRITABLE))
        rig.log.append(bytes(data))

    rig.add("led", echo)
    uses = "led:call,grant client:notify"
    rig.add("server", server, uses=uses, slots=2, asynchronous=True)
    rig.add("client", client, uses="led:call,grant server:call", slots=2, asynchronous=True)
    rig.run(10)
    rig.expect(served, [1, OK, OK, OK, (OK, b"hello"), (OK, 2)])
    rig.expect(rig.log, [5, OK, OK, 6, b"hELlo"])
