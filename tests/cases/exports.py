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

    def main(task):
        count = Slow()
        task.carry_over(count)
        while True:
            operation = yield task.recv()
            count.value += 1
            if task.caller():
                yield task.reply(OK, count.value)
            elif operation == NOTIFIED:
                rig.log.append("notified")

    return main


def test_nothing_reaches_code_that_exports_its_state(rig):
    """A call, a message and a notification come in the midst of it: the new code has them all."""
    counts = []

    def client(task):
        server = task.cap("server")
        for _ in range(3):
            yield task.call(server, 1)
            counts.append(task.arg)
        yield from until(task, lambda: "exports" in rig.log)
        yield task.notify(server, 1)
        rig.log.append((yield task.send(server, 2)))
        for _ in range(2):
            yield task.call(server, 1)
            counts.append(task.arg)

    def script(task, kernel):
        yield from until(task, lambda: len(counts) == 3)
        yield task.replace(kernel, 1, LOAD, exporting(rig, 0))
        rig.log.append((yield task.replace(kernel, 1, SWAP, 1)))
        yield from until(task, lambda: len(counts) == 5)

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
    def client(task):
        yield from until(task, lambda: len(rig.log) == 2)
        yield task.call(task.cap("server"), 1)
        rig.log.append(task.arg)

    def script(task, kernel):
        yield task.replace(kernel, 1, LOAD, echo)
        yield task.replace(kernel, 1, SWAP, 1)
        rig.log.append(task.arg)
        yield from until(task, lambda: len(rig.log) == 3)

    server = ("server", exporting(rig, 500_000), {"budget_ms": 20})
    controlled(rig, script, server, ("client", client, {"uses": "server:call"}))
    rig.expect(rig.log, ["exports", "export_state takes too long", 1])
    rig.expect((rig.generation("server"), rig.fault("server")), (1, 0))


def test_old_code_that_swallows_its_kill_as_it_closes_is_replaced(rig):
    spins = [True]

    def old(task):
        try:
            yield task.recv()
        finally:
            try:
                while True:
                    if not spins:
                        break
            except KeyboardInterrupt:
                rig.log.append("swallowed")

    def script(task, kernel):
        yield task.replace(kernel, 1, LOAD, echo)
        rig.log.append((yield task.replace(kernel, 1, SWAP, 1)))
        yield from until(task, lambda: rig.state("server") == RECEIVING)
        rig.log.append((yield task.replace(kernel, 1, ASK)))

    controlled(rig, script, ("server", old, {"budget_ms": 20}))
    spins.clear()
    rig.expect(rig.log, ["swallowed", OK, OK])
    rig.expect((rig.generation("server"), rig.fault("server")), (1, 0))


def test_who_is_dropped_as_it_loads_acts_for_nobody_afterwards(rig):
    def stubborn(task):
        if rig.log:
            yield task.recv()
        rig.log.append("loads")
        rig.kernel.loading = 1
        rig.kernel.acting[:] = 1, 2
        try:
            while True:
                pass
        except KeyboardInterrupt:
            pass
        yield task.recv()

    def script(task, kernel):
        yield from until(task, is_down(rig, "stubborn"))
        yield task.start(kernel, 1)
        yield from until(task, lambda: rig.state("stubborn") == RECEIVING)

    controlled(rig, script, ("stubborn", stubborn, {"budget_ms": 20}))
    rig.expect((rig.kernel.loading, rig.kernel.acting), (0, [0, 0]))


def test_wait_of_code_that_cannot_be_exported_ends_when_it_would_have(rig):
    class Broken(Count):
        def export_state(self):
            raise ValueError("not now")

    def old(task):
        task.carry_over(Broken())
        start = rig.port.now()
        status = yield task.recv(20)
        rig.log.append((status, (rig.port.now() - start) & TIME_MASK >= 19_000))
        yield task.recv()

    def script(task, kernel):
        yield task.replace(kernel, 1, LOAD, echo)
        yield task.replace(kernel, 1, SWAP, 1)
        rig.log.append(task.arg)
        yield from until(task, lambda: len(rig.log) == 2)

    controlled(rig, script, ("server", old, {}))
    rig.expect(rig.log, ["export_state: ValueError: not now", (TIMEOUT, True)])


def test_task_that_is_stopped_while_it_exports_ends(rig):
    def updater(task):
        kernel = task.cap("kernel")
        yield from until(task, lambda: rig.state("server") == RECEIVING)
        yield task.replace(kernel, 1, LOAD, echo)
        rig.log.append((yield task.replace(kernel, 1, SWAP, 1)))
        yield task.recv()

    def script(task, kernel):
        yield from until(task, lambda: "exports" in rig.log)
        rig.log.append((yield task.stop(kernel, 1)))
        yield from until(task, lambda: is_down(rig, "server")() and len(rig.log) == 3)

    others = (
        ("server", exporting(rig, 500_000), {"priority": 5, "budget_ms": 5000}),
        ("updater", updater, {"priority": 4, "uses": "kernel:control"}),
    )
    controlled(rig, script, *others)
    rig.expect(rig.log, ["exports", OK, DEAD])
    rig.expect([rig.fault(name) for name in ("server", "updater")], [0, 0])
    rig.expect(rig.state("server"), DORMANT)
