"""Cases: what must allocate nothing. MicroPython only: CPython counts nothing per object."""

import gc

import micropython
from bulkhead import OK
from kernel.abi import FAIL, KILLS_CAUGHT, READABLE, WRITABLE

_TIMES = 20
_ROUNDS = 5


def counted(rig, trap_of, *, peer="", right="call", times=_TIMES):
    """Let a client yield `trap_of(task, handle, value)` in rounds; one must allocate nothing."""

    def client(task):
        handle = task.cap(peer) if peer else 0
        for _ in range(_ROUNDS):
            gc.collect()
            before = gc.mem_alloc()
            for value in range(times):
                yield trap_of(task, handle, value)
            rig.log.append(gc.mem_alloc() - before)
        rig.finish()
        yield task.recv()

    uses = peer + ":" + right if peer else ""
    rig.add("client", client, priority=5, budget_ms=2000, uses=uses)
    rig.run(4000)
    rig.expect(rig.fault("client"), 0)
    # What a trap allocates shows in every round; what comes or goes once does not count.
    rig.expect((len(rig.log), 0 in rig.log), (_ROUNDS, True))


def answering(task):
    """Answer every call with the value it came with."""
    yield task.recv()
    while True:
        yield task.reply_recv(OK, task.arg)


def receiving(task):
    """Receive all there is."""
    while True:
        yield task.recv()


def spin(task):
    """Keep the system from idling: the cases' own way to idle allocates."""
    while True:
        pass
    yield


def test_call_and_reply_allocate_nothing(rig):
    rig.add("server", answering, priority=6)
    counted(rig, lambda task, handle, value: task.call(handle, 1, value), peer="server")


def test_call_with_a_deadline_of_its_own_allocates_nothing(rig):
    rig.add("server", answering)
    counted(rig, lambda task, handle, value: task.call(handle, 1, value, 50), peer="server")


def test_send_and_recv_allocate_nothing(rig):
    rig.add("receiver", receiving, priority=6, mailbox=(_TIMES, FAIL))
    counted(
        rig, lambda task, handle, value: task.send(handle, 1, value), peer="receiver", right="send"
    )


def test_notify_allocates_nothing(rig):
    rig.add("receiver", receiving, priority=2)
    counted(
        rig, lambda task, handle, _value: task.notify(handle, 1), peer="receiver", right="notify"
    )


def test_timeouts_allocate_nothing(rig):
    rig.add("spin", spin, priority=7, budget_ms=300)
    counted(rig, lambda task, _handle, _value: task.recv(2), times=5)


def test_preemption_allocates_nothing(rig):
    def periodic(task):
        while True:
            yield task.recv(2)

    def busy(task, _handle, _value):
        start = rig.port.now()
        while (rig.port.now() - start) & 0x3FFFFFFF < 20_000:
            pass
        return task.sleep(0)

    rig.add("periodic", periodic, priority=1)
    counted(rig, busy, times=1)


def test_awaited_call_and_reply_allocate_nothing(rig):
    async def server(task):
        await task.recv()
        while True:
            await task.reply_recv(OK, task.arg)

    async def client(task):
        handle = task.cap("server")
        for _ in range(_ROUNDS):
            gc.collect()
            before = gc.mem_alloc()
            for value in range(_TIMES):
                await task.call(handle, 1, value)
            rig.log.append(gc.mem_alloc() - before)
        rig.finish()
        await task.recv()

    rig.add("server", server, priority=6, asynchronous=True)
    rig.add("client", client, priority=5, budget_ms=2000, uses="server:call", asynchronous=True)
    rig.run(4000)
    rig.expect((len(rig.log), 0 in rig.log), (_ROUNDS, True))


def test_lease_allocates_nothing(rig):
    lent = bytearray(1024)

    def server(task):
        into = bytearray(1024)
        part = memoryview(into)[3:80]
        yield task.recv()
        while True:
            yield task.lease_read(0, into)
            yield task.lease_write(5, part)
            yield task.reply_recv(OK)

    rig.add("server", server)
    counted(
        rig,
        lambda task, handle, value: task.call_lending(handle, 1, lent, READABLE | WRITABLE),
        peer="server",
    )


def test_grant_and_delete_allocate_nothing(rig):
    def server(task):
        while True:
            task.accept()
            yield task.recv()
            yield task.delete(task.granted())
            yield task.reply(OK)

    rig.add("server", server, slots=1)
    counted(
        rig,
        lambda task, handle, value: task.call_granting(handle, 1, handle),
        peer="server",
        right="call,grant",
    )


def test_what_ends_the_board_is_kept_where_the_heap_is_locked(rig):
    def main(task):
        micropython.heap_lock()  # as in the tick's interrupt, which may give up
        try:
            rig.port.keep_crash(KILLS_CAUGHT)
        finally:
            micropython.heap_unlock()
        yield task.recv()

    rig.add("culprit", main)
    rig.run(5)
    rig.expect(rig.port.crash()[:2], (1, KILLS_CAUGHT))
