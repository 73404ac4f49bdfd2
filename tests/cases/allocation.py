"""Cases: what must allocate nothing. MicroPython only: CPython counts nothing per object."""

import gc

from bulkhead import OK
from kernel.abi import FAIL

_TIMES = 20


def counted(rig, main, *, uses=""):
    """Run a client whose `main` yields `_TIMES` traps a round; fail if a round allocates."""
    rig.add("client", main, priority=5, budget_ms=2000, uses=uses)
    rig.run(4000)
    rig.expect(rig.fault("client"), 0)
    rig.expect(rig.log[-1], 0)


def test_call_and_reply_allocate_nothing(rig):
    def server(sys):
        yield sys.recv()
        while True:
            yield sys.reply_recv(OK, sys.arg)

    def client(sys):
        handle = sys.cap("server")
        for _ in range(3):
            gc.collect()
            before = gc.mem_alloc()
            for value in range(_TIMES):
                yield sys.call(handle, 1, value)
            rig.log.append(gc.mem_alloc() - before)
        rig.finish()
        yield sys.recv()

    rig.add("server", server, priority=6)
    counted(rig, client, uses="server:call")


def test_call_with_a_deadline_of_its_own_allocates_nothing(rig):
    def server(sys):
        yield sys.recv()
        while True:
            yield sys.reply_recv(OK, None)

    def client(sys):
        handle = sys.cap("server")
        for _ in range(3):
            gc.collect()
            before = gc.mem_alloc()
            for _ in range(_TIMES):
                yield sys.call(handle, 1, None, 50)
            rig.log.append(gc.mem_alloc() - before)
        rig.finish()
        yield sys.recv()

    rig.add("server", server)
    counted(rig, client, uses="server:call")


def test_send_and_recv_allocate_nothing(rig):
    def receiver(sys):
        while True:
            yield sys.recv()

    def client(sys):
        handle = sys.cap("receiver")
        for _ in range(3):
            gc.collect()
            before = gc.mem_alloc()
            for value in range(_TIMES):
                yield sys.send(handle, 1, value)
            rig.log.append(gc.mem_alloc() - before)
        rig.finish()
        yield sys.recv()

    rig.add("receiver", receiver, priority=6, mailbox=(_TIMES, FAIL))
    counted(rig, client, uses="receiver:send")


def test_notify_allocates_nothing(rig):
    def receiver(sys):
        while True:
            yield sys.recv()

    def client(sys):
        handle = sys.cap("receiver")
        for _ in range(3):
            gc.collect()
            before = gc.mem_alloc()
            for _ in range(_TIMES):
                yield sys.notify(handle, 1)
            rig.log.append(gc.mem_alloc() - before)
        rig.finish()
        yield sys.recv()

    rig.add("receiver", receiver, priority=2)
    counted(rig, client, uses="receiver:notify")


def test_timeouts_allocate_nothing(rig):
    def spin(sys):  # so that the system does not idle: the cases' own way to idle allocates
        while True:
            pass
        yield

    def client(sys):
        for _ in range(3):
            gc.collect()
            before = gc.mem_alloc()
            for _ in range(5):
                yield sys.recv(2)
            yield sys.sleep(0)
            rig.log.append(gc.mem_alloc() - before)
        rig.finish()
        yield sys.recv()

    rig.add("spin", spin, priority=7, budget_ms=300)
    counted(rig, client)


def test_preemption_allocates_nothing(rig):
    def periodic(sys):
        while True:
            yield sys.recv(2)

    def client(sys):
        for _ in range(3):
            gc.collect()
            before = gc.mem_alloc()
            start = rig.port.now()
            while (rig.port.now() - start) & 0x3FFFFFFF < 20_000:
                pass
            rig.log.append(gc.mem_alloc() - before)
        rig.finish()
        yield sys.recv()

    rig.add("periodic", periodic, priority=1)
    counted(rig, client)
