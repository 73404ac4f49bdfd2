"""Cases: nobody waits for ever, or out of turn."""

from bulkhead import OK, TIMEOUT
from cases.rig import echo, idle, silent
from kernel.abi import BLOCK, CALLING, RECEIVING
from kernel.layout import CLIENTS, PRIORITY


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
