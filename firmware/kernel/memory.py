"""Memory: garbage collected while the board idles, and the heap's growth charged to services.

To ask for the heap's use takes milliseconds, and to collect garbage tens of them, so both are
done when the main level idles and nothing is due for longer than they have ever taken here. What
still lives then, less what did the time before, is charged to the services that ran in between,
each by its share of the processor's time: exact for what runs alone, an estimate for what runs
together. What a service was charged is taken back when it ends. One that is charged more than its
quota takes a MEMORY fault.

The heap's reserve is let go with every MEMORY fault, so that the fault path, the supervisor and
the next incarnation find room, and made again when the board idles. Where the supervisor keeps
dying of a full heap, who holds most of it is faulted before the board is reset.
"""

from array import array

from kernel.abi import DORMANT, FAULTED, MEMORY
from kernel.faults import fault
from kernel.layout import *
from kernel.limits import *
import micropython


class OverQuota(Exception):
    """Stands in the last words of a service that was charged more than its quota."""


class Memory:
    """What was seen at the last sample, and when the next one is due."""

    def __init__(self, kernel):
        self.kernel = kernel
        tasks = kernel.words[TASKS_END] >> RECORD_SHIFT
        self.work = array("i", bytes(4 * tasks))
        self.generations = array("H", bytes(2 * tasks))
        self.live_bytes = 0  # 0: no sample yet
        self.seen_steps = 0  # of all tasks together
        self.pause_us = SAMPLE_FIRST_US
        self.next_us = (kernel.now() + SAMPLE_FIRST_US) & TIME_MASK
        self.longest_us = SAMPLE_TIME_US  # that a sample has taken

    @micropython.native
    def idle_us(self, left_us):
        """Take a sample if one is due and there is time: nothing else is for `left_us`.

        -1 stands for no limit. Return for how long to idle, at most until a sample is due if
        anything has run since the last; 0 if a sample was taken: then look again what is due.
        """
        if 0 <= left_us < self.longest_us:  # an interrupt may come: first what takes least
            return left_us
        if _all_steps(self.kernel.words) == self.seen_steps:
            return left_us
        now = self.kernel.now()
        until_us = (self.next_us - now) & TIME_MASK
        if 0 < until_us < TIME_HALF:
            return left_us if 0 <= left_us < until_us else until_us
        try:
            self._sample(now)
        except MemoryError:  # not even for this: the next that allocates will fault
            self.next_us = (now + SAMPLE_FIRST_US) & TIME_MASK
        return 0

    def _sample(self, start):
        kernel = self.kernel
        port = kernel.port
        if kernel.reserve is None:
            kernel.make_reserve()
        port.collect()
        live = port.used_bytes()
        if self.live_bytes:
            self._forget_ended()
            self._charge(live - self.live_bytes)
        growth = live - self.live_bytes
        self.live_bytes = live
        self._look()
        if abs(growth) >= GROWTH_BYTES:
            self.pause_us = SAMPLE_FIRST_US
        else:
            self.pause_us = min(2 * self.pause_us, SAMPLE_LAST_US)
        end = port.now()
        took = (end - start) & TIME_MASK
        self.longest_us = max(self.longest_us, took + took // 4)
        self.next_us = (end + self.pause_us) & TIME_MASK
        self._check_quotas()

    def holder(self):
        """Return the task that holds most of a heap that is full, 0 for none; allocates nothing.

        What has grown since the last sample counts by the processor's time, as a sample would
        charge it. The supervisor, which has failed, is none of them.
        """
        kernel = self.kernel
        kernel.port.collect()
        grown = kernel.port.used_bytes() - self.live_bytes
        return _holder(kernel.words, self.work, max(0, grown))  # type: ignore[arg-type]

    def _tasks(self):
        w = self.kernel.words
        particulars = w[PARTICULARS]
        for task in range(RECORD, w[TASKS_END], RECORD):
            yield task, particulars + (task >> PARTICULAR_SHIFT)

    def _forget_ended(self):
        """Take back what was charged to incarnations that have ended since the last sample."""
        w = self.kernel.words
        for task, particulars in self._tasks():
            if w[task + GENERATION] != self.generations[task >> RECORD_SHIFT]:
                self.live_bytes = max(1, self.live_bytes - w[particulars + USED_BYTES])
                w[particulars + USED_BYTES] = 0

    def _charge(self, growth):
        """Charge `growth` bytes, negative for less, by the processor's time since the last."""
        w = self.kernel.words
        total = 0
        for task, _ in self._tasks():
            total += (_work(w, task) - self.work[task >> RECORD_SHIFT]) & TIME_MASK
        for task, particulars in self._tasks():
            work = (_work(w, task) - self.work[task >> RECORD_SHIFT]) & TIME_MASK
            share = growth * work // max(total, 1)
            w[particulars + USED_BYTES] = max(0, w[particulars + USED_BYTES] + share)

    def _look(self):
        """Note what the next sample is compared with."""
        w = self.kernel.words
        self.seen_steps = _all_steps(w)
        for task, _ in self._tasks():
            self.work[task >> RECORD_SHIFT] = _work(w, task)
            self.generations[task >> RECORD_SHIFT] = w[task + GENERATION]

    def _check_quotas(self):
        w = self.kernel.words
        for task, particulars in self._tasks():
            used, quota = w[particulars + USED_BYTES], w[particulars + QUOTA_BYTES]
            if quota and used > quota:
                text = "charged %d bytes, its quota is %d" % (used, quota)
                fault(self.kernel, task, MEMORY, OverQuota(text))


@micropython.viper
def _all_steps(w: ptr32) -> int:
    steps = 0
    task = RECORD
    while task < w[TASKS_END]:
        steps += w[task + STEPS]
        task += RECORD
    return steps & TIME_MASK


@micropython.viper
def _holder(w: ptr32, work: ptr32, grown: int) -> int:
    """Return the task that is up and holds most, in units of 1 KB; of time, 256 us."""
    found = most = share = 0
    total = 1
    while share < 2:  # first all that they did together
        task = RECORD
        while task < w[TASKS_END]:
            at = w[PARTICULARS] + (task >> PARTICULAR_SHIFT)
            state = w[task + STATE]
            if state != DORMANT and state != FAULTED and w[at + ENDING] & LAST_STEP == 0:
                did = w[task + CPU_US] + w[task + STEPS] - work[task >> RECORD_SHIFT]
                did = ((did & TIME_MASK) >> 8) + 1
                if share:
                    held = (w[at + USED_BYTES] >> 10) + (grown >> 10) * did // total
                    if held > most:
                        most = held
                        found = task
                else:
                    total += did
            task += RECORD
        share += 1
    return found


def _work(w, task):
    """Return what a task has done: its microseconds, and its steps, where a clock is coarse."""
    return (w[task + CPU_US] + w[task + STEPS]) & TIME_MASK
