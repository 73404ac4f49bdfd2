"""Cases: the heap while the board idles: collection, charges, quotas. On the simulated heap."""

from cases.rig import idle
from kernel.abi import FAULTED, MEMORY, RECEIVING, SLEEPING
from kernel.layout import USED_BYTES
from kernel.limits import GROWTH_BYTES, SAMPLE_FIRST_US, SAMPLE_LAST_US

_FIRST_MS = SAMPLE_FIRST_US // 1000
_LAST_MS = SAMPLE_LAST_US // 1000


def growing(rig, bytes_a_step, *, pause_ms=500, work=100, steps=1000):
    """Return a service that computes for `work` rounds and lets the heap grow, in every step.

    It leaves a little garbage, too.
    """

    def main(task):
        for _ in range(steps):
            for _ in range(work):
                pass
            rig.port.live_bytes += bytes_a_step
            rig.port.garbage_bytes += 16
            yield task.sleep(pause_ms)
        yield task.recv()

    return main


def test_garbage_is_collected_when_idle(rig):
    rig.port.garbage_bytes = 5000
    rig.add("good", idle)
    rig.run(2 * _FIRST_MS)
    rig.expect((len(rig.port.collections), rig.port.garbage_bytes), (1, 0))


def test_nothing_is_collected_in_the_first_second(rig):
    rig.add("good", idle)
    rig.run(_FIRST_MS - 1)
    rig.expect(rig.port.collections, [])


def test_nothing_is_collected_while_something_is_due_soon(rig):
    def main(task):
        while True:
            rig.port.garbage_bytes += rig.port.much_bytes
            yield task.sleep(30)

    rig.add("busy", main)
    rig.run(3 * _FIRST_MS)
    rig.expect(rig.port.collections, [])


def test_a_sample_is_taken_in_a_gap_that_is_long_enough(rig):
    def main(task):
        while True:
            rig.port.garbage_bytes += 16
            yield task.sleep(40)

    rig.add("busy", main)
    rig.run(3 * _FIRST_MS)
    rig.expect(len(rig.port.collections) >= 1, True)


def test_a_deadline_is_kept_whatever_is_collected(rig):
    def main(task):
        for _ in range(100):
            start = rig.port.clock.us
            yield task.sleep(40)
            rig.log.append(rig.port.clock.us - start)

    rig.add("exact", main)
    rig.run(5 * _FIRST_MS)
    rig.expect((len(rig.log), max(rig.log) < 41_000), (100, True))


def test_no_time_longer_than_ever_seen_is_taken(rig):
    """Once a sample has taken long, a gap of that length is no longer long enough."""

    def main(task):
        while True:
            rig.port.garbage_bytes += rig.port.much_bytes
            yield task.sleep(60)

    collect = rig.port.collect

    def slow():
        collect()
        rig.port.clock.us += 70_000

    rig.port.collect = slow
    rig.add("periodic", main)
    rig.run(6 * _FIRST_MS)
    rig.expect(len(rig.port.collections), 1)


def test_samples_of_a_steady_heap_become_rare(rig):
    rig.add("steady", growing(rig, 0))
    rig.run(4 * _LAST_MS)
    times = rig.port.collections
    gaps = [times[i + 1] - times[i] for i in range(len(times) - 1)]
    rig.expect(gaps[0] <= 2 * _FIRST_MS, True)


def test_no_sample_is_taken_while_nothing_is_allocated(rig):
    def main(task):
        for _ in range(10):
            yield task.sleep(2_000)
        rig.log.append(len(rig.port.collections))
        rig.port.garbage_bytes += 16
        for _ in range(10):
            yield task.sleep(2_000)

    rig.add("frugal", main)
    rig.run(35_000)
    rig.expect((rig.log, len(rig.port.collections)), ([1], 2))


def test_much_garbage_is_collected_at_once(rig):
    """Or an allocation would soon start a collection, in the step that makes it."""

    def main(task):
        for _ in range(100):
            rig.port.garbage_bytes += rig.port.much_bytes
            yield task.sleep(100)

    rig.add("wasteful", main)
    rig.run(5 * _FIRST_MS)
    rig.expect(len(rig.port.collections), 50)


def test_longest_gap_between_samples_is_bounded(rig):
    rig.add("steady", growing(rig, 0))
    rig.run(4 * _LAST_MS)
    times = rig.port.collections
    gaps = [times[i + 1] - times[i] for i in range(len(times) - 1)]
    rig.expect((max(gaps) >= _LAST_MS, max(gaps) <= _LAST_MS + 500), (True, True))


def test_samples_of_a_growing_heap_stay_frequent(rig):
    rig.add("leak", growing(rig, 2 * GROWTH_BYTES))
    rig.run(10 * _FIRST_MS)
    rig.expect(8 <= len(rig.port.collections) <= 10, True)


def test_growth_is_charged_to_the_service_that_ran(rig):
    rig.add("leak", growing(rig, 1000, steps=6))
    rig.add("good", idle)
    rig.run(6 * _FIRST_MS)
    used = rig.particular("leak", USED_BYTES)
    rig.expect((2900 <= used <= 4100, rig.particular("good", USED_BYTES)), (True, 0))


def test_garbage_is_charged_to_nobody(rig):
    def main(task):
        while True:
            rig.port.garbage_bytes += 3000
            yield task.sleep(500)

    rig.add("churn", main)
    rig.run(6 * _FIRST_MS)
    rig.expect(rig.particular("churn", USED_BYTES), 0)


def test_growth_is_shared_by_processor_time(rig):
    rig.add("much", growing(rig, 1000, work=3000))
    rig.add("little", growing(rig, 0, work=1000))
    rig.run(6 * _FIRST_MS)
    much, little = rig.particular("much", USED_BYTES), rig.particular("little", USED_BYTES)
    rig.expect(2 * little < much < 4 * little, True)


def test_what_is_given_back_is_taken_off_the_charge(rig):
    def main(task):
        yield task.sleep(1500)
        rig.port.live_bytes += 8000
        yield task.sleep(3000)
        rig.log.append(rig.particular("one", USED_BYTES))
        rig.port.live_bytes -= 8000
        yield task.sleep(10_000)
        rig.log.append(rig.particular("one", USED_BYTES))

    rig.add("one", main)
    rig.run(15_000)
    rig.expect(rig.log, [8000, 0])


def test_quota_that_is_kept_is_no_fault(rig):
    rig.add("leak", growing(rig, 1000, steps=6), quota_bytes=8000)
    rig.run(10 * _FIRST_MS)
    rig.expect((rig.state("leak"), rig.fault("leak")), (RECEIVING, 0))


def test_quota_that_is_exceeded_is_a_memory_fault(rig):
    rig.add("leak", growing(rig, 1000), quota_bytes=8000)
    rig.add("good", idle)
    rig.run(10 * _FIRST_MS)
    rig.expect((rig.state("leak"), rig.fault("leak")), (FAULTED, MEMORY))
    rig.expect("quota is 8000" in rig.words_of("leak"), True)
    rig.expect(rig.fault("good"), 0)


def test_leak_without_a_quota_is_only_charged(rig):
    rig.add("leak", growing(rig, 5000))
    rig.run(10 * _FIRST_MS)
    rig.expect((rig.state("leak"), rig.fault("leak")), (SLEEPING, 0))
    rig.expect(rig.particular("leak", USED_BYTES) > 60_000, True)


def test_restarted_service_begins_without_a_charge(rig):
    def supervisor(task):
        kernel = task.cap("kernel")
        yield task.start(kernel, 2)
        yield task.recv()
        rig.log.append((yield task.next_fault(kernel)))
        rig.port.live_bytes -= 12_000  # what it held is garbage now
        yield task.start(kernel, 2)
        yield task.sleep(3000)
        rig.log.append(rig.particular("leak", USED_BYTES))
        yield task.recv()

    def leak(task):
        if not rig.log:
            yield task.sleep(1500)
            rig.port.live_bytes += 12_000
        yield task.recv()

    rig.add("supervisor", supervisor, priority=0, uses="kernel:control")
    rig.add("leak", leak, quota_bytes=8000)
    rig.run(12_000)
    rig.expect(rig.log, [2, 0])


def test_no_sample_is_taken_without_time_for_it(rig):
    rig.add("good", idle)
    rig.start()
    rig.expect((rig.kernel.memory.idle_us(0), rig.port.collections), (0, []))
