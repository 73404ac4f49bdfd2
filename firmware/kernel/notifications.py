"""Notifications: bits OR-ed into a task's pending word, never queued, never lost.

The only thing an interrupt does, and the only way to reach a task that must not be waited for.
"""

from kernel.abi import DEAD, MAY_NOTIFY, NOTIFIED, OK, RECEIVING
from kernel.capabilities import find, is_alive, lookup
from kernel.layout import *
from kernel.ready import push_back
import micropython
from micropython import const

# Bits a task may raise in another; those above are the kernel's.
TASK_BITS = const(0x3FFFFFF)


def notify(kernel, w, task, trap):
    """OR the bits in the first register into the pending word of the target: OK or DEAD."""
    capability = lookup(w, task, trap, MAY_NOTIFY)
    if not is_alive(w, capability):
        w[task + RESULT] = DEAD
        return task
    w[task + RESULT] = OK
    post(w, w[capability + TARGET] & OFFSET_MASK, w[task + REGISTER_TIMEOUT] & TASK_BITS)
    return task


@micropython.viper
def post(w: ptr32, task: int, bits: int):
    """OR `bits` into the pending word of `task`, and wake it if it receives."""
    w[task + PENDING] |= bits
    if w[task + STATE] == RECEIVING and w[task + PENDING]:
        take_bits(w, task)
        w[task + TIMED_WAIT] = 0
        push_back(w, task)


@micropython.viper
def leave(w: ptr32, task: int, trap: int) -> int:
    """Do a NOTIFY at the hard level: leave the bits for `collect`.

    Return OK, DEAD, or -1 for what the task has no right to.
    """
    capability = int(find(w, task, trap, MAY_NOTIFY))
    if capability == 0:
        return -1
    if int(is_alive(w, capability)) == 0:
        return DEAD
    notes = w[LINES_END]
    note = w[notes + POST_SET] + ((w[capability + TARGET] & OFFSET_MASK) >> RECORD_SHIFT)
    w[note + 0] |= w[task + REGISTER_TIMEOUT] & TASK_BITS
    w[notes + POSTED] = 1
    w[IRQ_PENDING] = 1
    return OK


@micropython.viper
def collect(w: ptr32):
    """Post the bits that hard steps have left.

    A hard step may come between any two stores here: it finds the flag down, or writes to the
    other set.
    """
    notes = w[LINES_END]
    w[notes + POSTED] = 0
    note = w[notes + POST_SET]
    count = w[TASKS_END] >> RECORD_SHIFT
    w[notes + POST_SET] = notes + notes + (POST_WORDS + POST_WORDS) + count - note
    task = 0
    while task < w[TASKS_END]:
        bits = w[note + 0]
        if bits:
            w[note + 0] = 0
            post(w, task, bits)
        note += 1
        task += RECORD


@micropython.viper
def take_bits(w: ptr32, task: int):
    """Make the pending bits of `task` the result of its recv."""
    w[task + RESULT] = NOTIFIED
    w[task + REGISTER_BITS] = w[task + PENDING]
    w[task + REGISTER_CALLER] = 0
    w[task + PENDING] = 0
