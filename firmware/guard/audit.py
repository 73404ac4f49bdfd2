"""A look at the kernel's words, before the board sleeps: a bit that has flipped shows here.

Where the main level idles, each task waits for something that can come, or is down. What the
kernel would else wait for in vain for ever, a task in no queue, a wait without an end, a caller
that nobody knows of, ends in a reset with its cause kept. It is looked before each long sleep,
and every AUDIT_US where sleeps are short. A guest's main level does not idle: nobody looks then.

Finds no more than what a sound kernel never does: the explorer looks in each state that it visits.
"""

import micropython
from kernel.abi import (
    ATTENDING, CALLING, DISORDER, DORMANT, FAULTED, LOADING, ORDERING, RECEIVING, SENDING, SERVED,
    SLEEPING,
)  # fmt: skip
from kernel.layout import (
    BASE, CLIENTS, DEADLINE, DEADLINES, FLOOR, GENERATION, GENERATION_MASK, MAIL_COUNT, NEXT,
    NEXT_DEADLINE, NOW, OUTER, PEER, PENDING, PRIORITY, READY_BITS, RECORD, RECORD_SHIFT,
    RUNNING_TASK, SENDERS, STATE, STRUCK, TASKS_END, TIMED_WAIT,
)  # fmt: skip
from kernel.limits import AUDIT_US, IDLE_PRIORITY, TIME_HALF, TIME_MASK
from micropython import const

_DOWN = const(1 << DORMANT | 1 << FAULTED)
_BOUND = const(1 << CALLING | 1 << SERVED | 1 << SENDING | 1 << ORDERING)  # to a peer, for a time
_FREE = const(1 << RECEIVING | 1 << SLEEPING | 1 << ATTENDING | 1 << LOADING)


@micropython.viper
def is_in_order(w: ptr32, count: int) -> int:
    """Tell whether the words of an idle kernel of `count` tasks are as they can be.

    Allocates nothing, and reads nothing outside of the words, whatever they are.
    """
    end = (count + 1) << RECORD_SHIFT
    if w[READY_BITS] | w[OUTER] | w[STRUCK] or w[FLOOR] != IDLE_PRIORITY or w[TASKS_END] != end:
        return 0
    bound = 0
    counted = 0
    task = RECORD
    while task < end:
        if int(_waits(w, task, end)) == 0:
            return 0
        if w[task + PEER]:
            bound += 1
        counted += w[task + CLIENTS]
        if w[task + CLIENTS] or w[task + PRIORITY] != w[task + BASE]:
            if int(_serves(w, task, end)) == 0:
                return 0
        elif w[task + SENDERS]:
            return 0
        task += RECORD
    return 1 if bound == counted else 0


@micropython.viper
def _waits(w: ptr32, task: int, end: int) -> int:
    """Tell whether what a task waits for can come."""
    state = w[task + STATE]
    if state < 0 or state > LOADING or w[task + PRIORITY] >= IDLE_PRIORITY:
        return 0
    if w[task + GENERATION] > GENERATION_MASK:  # no handle would name it, ever again
        return 0
    kind = 1 << state
    peer = w[task + PEER]
    timed = w[task + TIMED_WAIT]
    if kind & _DOWN:
        return 1 if peer | timed == 0 else 0
    is_right = 1
    if kind & _BOUND:
        if timed == 0 or peer < RECORD or peer >= end or peer & RECORD - 1:
            return 0
        if state == SERVED and 1 << (w[peer + STATE] & 31) & _DOWN:
            is_right = 0
    elif kind & _FREE == 0 or peer:
        is_right = 0
    if timed:
        if w[DEADLINES] == 0 or (w[task + DEADLINE] - w[NEXT_DEADLINE]) & TIME_HALF:
            is_right = 0
        if (w[NOW] - w[task + DEADLINE]) & TIME_HALF == 0:
            is_right = 0
    if state == RECEIVING and w[task + PENDING] | w[task + SENDERS] | w[task + MAIL_COUNT]:
        is_right = 0
    return is_right


@micropython.viper
def _serves(w: ptr32, task: int, end: int) -> int:
    """Tell whether those that wait for a task are those it knows of, and lend what it has."""
    clients = 0
    calling = 0
    priority = w[task + BASE]
    one = RECORD
    while one < end:
        if w[one + PEER] == task:
            clients += 1
            if w[one + STATE] == CALLING:
                calling += 1
            if w[one + PRIORITY] < priority:
                priority = w[one + PRIORITY]
        one += RECORD
    if clients != w[task + CLIENTS] or priority != w[task + PRIORITY]:
        return 0
    one = w[task + SENDERS]
    while one:
        if calling == 0 or one < RECORD or one >= end or one & RECORD - 1:
            return 0
        if w[one + STATE] != CALLING or w[one + PEER] != task:
            return 0
        calling -= 1
        one = w[one + NEXT]
    return 1 if calling == 0 else 0


class Audit:
    """Looks at the words of a kernel, and knows when it did last."""

    def __init__(self, kernel):
        self.kernel = kernel
        self.looked = 0  # us

    @micropython.native
    def look(self, left_us):
        """Reset the board if the kernel's words are not in order. It is to idle for `left_us`.

        -1 stands for no limit. Takes some 10 us a task, not oftener than every AUDIT_US.
        """
        kernel = self.kernel
        now = kernel.now()
        if 0 <= left_us < AUDIT_US and (now - self.looked) & TIME_MASK < AUDIT_US:
            return
        self.looked = now
        w = kernel.words
        if not is_in_order(w, len(kernel.table)):
            w[RUNNING_TASK] = 0
            kernel.port.panic(DISORDER)
