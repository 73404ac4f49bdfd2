"""Cases: a real heap that is full, and quotas on it. MicroPython only."""

import gc

from bulkhead import FULL, NOTIFIED, OK
from cases.rig import echo
from kernel.abi import EXCEPTION, FAULTED, MEMORY, RECEIVING
from kernel.layout import USED_BYTES

_CHUNK_BYTES = 2048
_LONG_MS = 20_000  # more than it takes to fill the heap


def hoard(kept):
    """Fill the heap to its last block."""
    kept.append(None)
    for size in (4096, 512, 64):
        try:
            while True:
                kept.append(bytearray(size))
        except MemoryError:
            pass
    try:
        while True:
            kept[0] = (kept[0],)
    except MemoryError:
        pass


def leak(rig, priority, size=_CHUNK_BYTES, once=False):
    """Let a service fill the heap at `priority`, beside others that go on working.

    It does so again after each start, or only `once`.
    """
    has_failed = [False]

    def leaking(task):
        yield task.sleep(5)
        kept = []
        while not (once and has_failed[0]):
            kept.append(bytearray(size))
        yield task.recv()

    def client(task):
        while True:
            rig.log.append((yield task.call(task.cap("echo"), 1, "text" + str(len(rig.log)))))
            yield task.sleep(2)

    def supervisor(task):
        kernel = task.cap("kernel")
        for number in (2, 3, 4):
            yield task.start(kernel, number)
        while True:
            if (yield task.recv()) == NOTIFIED:
                number = yield task.next_fault(kernel)
                rig.log.append((number, task.badge()))
                rig.log.append((yield task.start(kernel, number)))
                if number == 2:
                    has_failed[0] = True
                    yield task.sleep(50)
                    rig.finish()

    gc.collect()
    rig.add("supervisor", supervisor, priority=0, uses="kernel:control")
    rig.add("leaking", leaking, priority=priority, budget_ms=_LONG_MS)
    rig.add("echo", echo, priority=2)
    rig.add("client", client, priority=4, uses="echo:call")
    rig.run(2 * _LONG_MS)
    if (2, MEMORY) not in rig.log:
        raise AssertionError(rig.log)
    restart = rig.log[rig.log.index((2, MEMORY)) + 1]
    after = rig.log[rig.log.index((2, MEMORY)) + 2 :]
    rig.expect((restart, after.count(OK) >= 2), (OK, True))
    rig.expect(rig.fault("supervisor"), 0)


def leak_alone(rig, priority):
    """Have the service that fills the heap be the only one that is faulted."""
    leak(rig, priority)
    others = ("supervisor", "echo", "client")
    rig.expect([(rig.fault(name), rig.generation(name)) for name in others], [(0, 1)] * 3)


def test_leak_at_the_highest_priority_harms_nobody_else(rig):
    leak_alone(rig, 0)


def test_leak_at_priority_1_harms_nobody_else(rig):
    leak_alone(rig, 1)


def test_leak_at_its_servers_priority_harms_nobody_else(rig):
    leak_alone(rig, 2)


def test_leak_between_server_and_client_harms_neither(rig):
    leak_alone(rig, 3)


def test_leak_at_its_neighbours_priority_harms_nobody_else(rig):
    leak_alone(rig, 4)


def test_leak_at_the_lowest_priority_harms_nobody_else(rig):
    leak_alone(rig, 7)


def test_all_serve_again_after_a_leak_in_small_pieces(rig):
    """Here whoever allocates at the wrong moment meets the full heap; all are started again."""
    leak(rig, 5, size=64, once=True)


def test_fault_is_recorded_while_another_service_holds_the_heap(rig):
    kept = []

    def holder(task):
        hoard(kept)
        rig.log.append(len(kept) > 10)
        yield task.sleep(20)
        kept.clear()
        rig.finish()
        yield task.recv()

    def bad(task):
        while True:
            if rig.log:
                raise ValueError("while the heap is full")
            yield task.sleep(1)

    gc.collect()
    rig.add("holder", holder, priority=6, budget_ms=_LONG_MS)
    rig.add("bad", bad, priority=4)
    rig.add("good", echo)
    rig.run(_LONG_MS)
    rig.expect((rig.state("bad"), rig.fault("bad") in (EXCEPTION, MEMORY)), (FAULTED, True))
    rig.expect((rig.log, rig.state("good"), rig.fault("holder")), ([True], RECEIVING, 0))


def test_collection_takes_nothing_of_a_budget(rig):
    kept = [bytes(64) for _ in range(1500)]

    def collecting(task):
        for _ in range(10):
            gc.collect()
            yield task.sleep(1)
        rig.log.append(len(kept))
        rig.finish()
        yield task.recv()

    rig.add("collecting", collecting, budget_ms=3)
    rig.run(_LONG_MS)
    rig.expect((rig.log, rig.fault("collecting")), ([1500], 0))


def test_start_without_memory_says_so_and_works_later(rig):
    def supervisor(task):
        kernel = task.cap("kernel")
        statuses = [0, 0]
        hoard(kept)
        for _ in range(3):  # what `hoard` and the last MemoryError took is garbage now
            try:
                while True:
                    kept[0] = (kept[0],)
            except MemoryError:
                pass
        statuses[0] = yield task.start(kernel, 2)
        kept.clear()
        gc.collect()
        statuses[1] = yield task.start(kernel, 2)
        rig.log.append(statuses)
        rig.finish()
        yield task.recv()

    kept = []
    gc.collect()
    rig.add("supervisor", supervisor, priority=0, budget_ms=_LONG_MS, uses="kernel:control")
    rig.add("echo", echo)
    rig.run(_LONG_MS)
    rig.expect((rig.log, rig.fault("supervisor")), ([[FULL, OK]], 0))


def test_reserve_is_let_go_by_a_memory_fault_and_made_again(rig):
    def bad(task):
        rig.log.append(rig.kernel.reserve is not None)
        yield task.sleep(1)
        raise MemoryError

    def watcher(task):
        yield task.sleep(10)
        rig.log.append(rig.kernel.reserve is None)
        yield task.sleep(2500)
        rig.log.append(rig.kernel.reserve is not None)
        yield task.recv()

    rig.add("bad", bad)
    rig.add("watcher", watcher)
    rig.run(2600)
    rig.expect(rig.log, [True, True, True])


def test_real_leak_over_its_quota_is_a_memory_fault(rig):
    def leaking(task):
        yield task.sleep(1500)
        kept = []
        while True:
            kept.append(bytearray(_CHUNK_BYTES))
            yield task.sleep(200)

    rig.add("leaking", leaking, quota_bytes=3 * _CHUNK_BYTES)
    rig.add("good", echo)
    rig.run(6000)
    rig.expect((rig.state("leaking"), rig.fault("leaking")), (FAULTED, MEMORY))
    rig.expect((rig.fault("good"), rig.particular("good", USED_BYTES) < 1024), (0, True))


def test_real_growth_is_charged_to_the_service_that_ran(rig):
    def keeping(task):
        yield task.sleep(1500)
        task.kept = bytearray(4 * _CHUNK_BYTES)
        yield task.recv()

    rig.add("keeping", keeping)
    rig.add("good", echo)
    rig.run(5500)
    used = rig.particular("keeping", USED_BYTES)
    rig.expect((0.8 < used / (4 * _CHUNK_BYTES) < 1.2, rig.fault("keeping")), (True, 0))
