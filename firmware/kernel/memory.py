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
from kernel.budgets import OverLimit
from kernel.faults import fault, is_closing
from kernel.layout import *
from kernel.limits import *
import micropython
from micropython import const

_SOME = const(1)  # of what a port says of allocations
_GROWN_KB_MAX = const(1023)  # more, by ms, would be no small int


class Memory:
    """What was seen at the last sample, and when the next one is due."""

    def __init__(self, kernel):
        self.kernel = kernel
        tasks = kernel.words[TASKS_END] >> RECORD_SHIFT
        self.work = array("i", bytes(4 * tasks))
        self.generations = array("H", bytes(2 * tasks))
        self.live_bytes = 0  # 0: no sample yet
        self.allocated = kernel.port.allocated
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
        allocated = self.allocated()
        if not allocated:
            return left_us
        now = self.kernel.now()
        until_us = (self.next_us - now) & TIME_MASK
        if allocated == _SOME and 0 < until_us < TIME_HALF:
            return left_us if 0 <= left_us < until_us else until_us
        self.next_us = (now + SAMPLE_FIRST_US) & TIME_MASK  # also if the heap has no room for it
        self._sample(now)
        return 0

    def _sample(self, start):
        kernel = self.kernel
        port = kernel.port
        if kernel.reserve is None:
            kernel.make_reserve()
        port.collect()
        growth = self._charge(port.used_bytes())
        if abs(growth) >= GROWTH_BYTES:
            self.pause_us = SAMPLE_FIRST_US
        else:
            self.pause_us = min(2 * self.pause_us, SAMPLE_LAST_US)
        end = port.now()
        took = (end - start) & TIME_MASK
        self.longest_us = max(self.longest_us, took + took // 4)
        self.next_us = (end + self.pause_us) & TIME_MASK
        self._check_quotas()

    def _charge(self, live):
        """Charge what has grown since the last sample by the processor's time, and return it.

        Of incarnations that have ended since it is taken back first what they were charged.
        """
        w = self.kernel.words
        growth = live - self.live_bytes
        total = 0
        for task, particulars in self._tasks():
            number = task >> RECORD_SHIFT
            if w[task + GENERATION] != self.generations[number]:
                growth += w[particulars + USED_BYTES]
                w[particulars + USED_BYTES] = 0
            total += (_work(w, task) - self.work[number]) & TIME_MASK
        growth = min(growth, live)
        for task, particulars in self._tasks():
            number = task >> RECORD_SHIFT
            work = _work(w, task)
            if self.live_bytes:
                share = growth * ((work - self.work[number]) & TIME_MASK) // max(total, 1)
                w[particulars + USED_BYTES] = max(0, w[particulars + USED_BYTES] + share)
            self.work[number] = work
            self.generations[number] = w[task + GENERATION]
        self.live_bytes = live
        return growth

    def holder(self):
        """Return the task that holds most of a heap that is full, 0 for none; allocates nothing.

        What has grown since the last sample counts by the processor's time, as a sample would
        charge it, in KB and ms. The supervisor, which has failed, is none of them.
        """
        w = self.kernel.words
        port = self.kernel.port
        port.collect()
        grown = min(max(0, port.used_bytes() - self.live_bytes) >> 10, _GROWN_KB_MAX)
        found = most = total = 0
        for share in range(2):  # first all that they did together
            for task in range(RECORD, w[TASKS_END], RECORD):
                if w[task + STATE] in (DORMANT, FAULTED) or is_closing(w, task):
                    continue
                did = (((_work(w, task) - self.work[task >> RECORD_SHIFT]) & TIME_MASK) >> 10) + 1
                if share:
                    used = w[w[PARTICULARS] + (task >> PARTICULAR_SHIFT) + USED_BYTES]
                    held = (used >> 10) + grown * did // total
                    if held > most:
                        most, found = held, task
                else:
                    total += did
        return found

    def _tasks(self):
        w = self.kernel.words
        particulars = w[PARTICULARS]
        for task in range(RECORD, w[TASKS_END], RECORD):
            yield task, particulars + (task >> PARTICULAR_SHIFT)

    def _check_quotas(self):
        w = self.kernel.words
        for task, particulars in self._tasks():
            used, quota = w[particulars + USED_BYTES], w[particulars + QUOTA_BYTES]
            if quota and used > quota:
                text = "charged %d bytes, its quota is %d" % (used, quota)
                fault(self.kernel, task, MEMORY, OverLimit(text))


def _work(w, task):
    """Return what a task has done: its microseconds, and its steps, where a clock is coarse."""
    return (w[task + CPU_US] + w[task + STEPS]) & TIME_MASK
