"""Cases: what happens while a task hands its state over to new code."""

from bulkhead import DEAD, NOTIFIED, OK, TIMEOUT
from cases.rig import burn_us, controlled, echo, is_down, until
from cases.updates import Count
from kernel.abi import ASK, DORMANT, LOAD, RECEIVING, SWAP
from kernel.limits import TIME_MASK


def exporting(rig, us):
    """Return a counter whose state takes a while to export."""

    class Slow(Count):
        def export_state(self):
            rig.log.append("exports")
            burn_us(rig, us)
            return (self.value,)

    def main(sys):
        count = Slow()
        sys.carry_over(count)
        while True:
            operation = yield sys.recv()
            count.value += 1
            if sys.caller():
                yield sys.reply(OK, count.value)
            elif operation == NOTIFIED:
                rig.log.append("notified")

    return main


def test_nothing_reaches_code_that_exports_its_state(rig):
    """A call, a message and a notification come in the midst of it: the new code has them all."""
    counts = []

    def client(sys):
        server = sys.cap("server")
        for _ in range(3):
            yield sys.call(server, 1)
            counts.append(sys.arg)
        yield from until(sys, lambda: "exports" in rig.log)
        yield sys.notify(server, 1)
        rig.log.append((yield sys.send(server, 2)))
        for _ in range(2):
            yield sys.call(server, 1)
            counts.append(sys.arg)

    def script(sys, kernel):
        yield from until(sys, lambda: len(counts) == 3)
        yield sys.replace(kernel, 1, LOAD, exporting(rig, 0))
        rig.log.append((yield sys.replace(kernel, 1, SWAP, 1)))
        yield from until(sys, lambda: len(counts) == 5)

    server = {"priority": 5, "mailbox": (4, 1), "budget_ms": 1000}
    others = (
        ("server", exporting(rig, 30_000), server),
        ("client", client, {"priority": 2, "uses": "server:call,send,notify"}),
    )
    controlled(rig, script, *others, priority=4)
    rig.expect(sorted(str(what) for what in rig.log), ["0", "0", "exports", "notified"])
    rig.expect(counts[:3], [1, 2, 3])
    # The notification and the message count too: before both calls, between them, or the message
    # after the first.
    rig.expect(counts[3:] in ([5, 7], [5, 6], [6, 7]), True)
    rig.expect((rig.generation("server"), rig.fault("server")), (1, 0))


def test_export_that_takes_too_long_leaves_the_old_code_as_it_was(rig):
    def client(sys):
        yield from until(sys, lambda: len(rig.log) == 2)
        yield sys.call(sys.cap("server"), 1)
        rig.log.append(sys.arg)

    def script(sys, kernel):
        yield sys.replace(kernel, 1, LOAD, echo)
        yield sys.replace(kernel, 1, SWAP, 1)
        rig.log.append(sys.arg)
        yield from until(sys, lambda: len(rig.log) == 3)

    server = ("server", exporting(rig, 500_000), {"budget_ms": 20})
    controlled(rig, script, server, ("client", client, {"uses": "server:call"}))
    rig.expect(rig.log, ["exports", "export_state takes too long", 1])
    rig.expect((rig.generation("server"), rig.fault("server")), (1, 0))


def test_old_code_that_swallows_its_kill_as_it_closes_is_replaced(rig):
    spins = [True]

    def old(sys):
        try:
            yield sys.recv()
        finally:
            try:
                while True:
                    if not spins:
                        break
            except KeyboardInterrupt:
                rig.log.append("swallowed")

    def script(sys, kernel):
        yield sys.replace(kernel, 1, LOAD, echo)
        rig.log.append((yield sys.replace(kernel, 1, SWAP, 1)))
        yield from until(sys, lambda: rig.state("server") == RECEIVING)
        rig.log.append((yield sys.replace(kernel, 1, ASK)))

    controlled(rig, script, ("server", old, {"budget_ms": 20}))
    spins.clear()
    rig.expect(rig.log, ["swallowed", OK, OK])
    rig.expect((rig.generation("server"), rig.fault("server")), (1, 0))


def test_who_is_dropped_as_it_loads_acts_for_nobody_afterwards(rig):
    def stubborn(sys):
        if rig.log:
            yield sys.recv()
        rig.log.append("loads")
        rig.kernel.loading = 1
        rig.kernel.acting[:] = 1, 2
        try:
            while True:
                pass
        except KeyboardInterrupt:
            pass
        yield sys.recv()

    def script(sys, kernel):
        yield from until(sys, is_down(rig, "stubborn"))
        yield sys.start(kernel, 1)
        yield from until(sys, lambda: rig.state("stubborn") == RECEIVING)

    controlled(rig, script, ("stubborn", stubborn, {"budget_ms": 20}))
    rig.expect((rig.kernel.loading, rig.kernel.acting), (0, [0, 0]))


def test_wait_of_code_that_cannot_be_exported_ends_when_it_would_have(rig):
    class Broken(Count):
        def export_state(self):
            raise ValueError("not now")

    def old(sys):
        sys.carry_over(Broken())
        start = rig.port.now()
        status = yield sys.recv(20)
        rig.log.append((status, (rig.port.now() - start) & TIME_MASK >= 19_000))
        yield sys.recv()

    def script(sys, kernel):
        yield sys.replace(kernel, 1, LOAD, echo)
        yield sys.replace(kernel, 1, SWAP, 1)
        rig.log.append(sys.arg)
        yield from until(sys, lambda: len(rig.log) == 2)

    controlled(rig, script, ("server", old, {}))
    rig.expect(rig.log, ["export_state: ValueError: not now", (TIMEOUT, True)])


def test_task_that_is_stopped_while_it_exports_ends(rig):
    def updater(sys):
        kernel = sys.cap("kernel")
        yield from until(sys, lambda: rig.state("server") == RECEIVING)
        yield sys.replace(kernel, 1, LOAD, echo)
        rig.log.append((yield sys.replace(kernel, 1, SWAP, 1)))
        yield sys.recv()

    def script(sys, kernel):
        yield from until(sys, lambda: "exports" in rig.log)
        rig.log.append((yield sys.stop(kernel, 1)))
        yield from until(sys, lambda: is_down(rig, "server")() and len(rig.log) == 3)

    others = (
        ("server", exporting(rig, 500_000), {"priority": 5, "budget_ms": 5000}),
        ("updater", updater, {"priority": 4, "uses": "kernel:control"}),
    )
    controlled(rig, script, *others)
    rig.expect(rig.log, ["exports", OK, DEAD])
    rig.expect([rig.fault(name) for name in ("server", "updater")], [0, 0])
    rig.expect(rig.state("server"), DORMANT)
