"""The ready queues: one first-in first-out list per priority, and a bitmap of those not empty.

A task that runs, or waits, is in none of them. Priorities, queue heads and links are words of the
kernel's array (`layout`), so every operation but `remove` takes the same few cycles however many
tasks there are. Called in kernel context only.
"""

from kernel.layout import HEADS, NEXT, PRIORITY, READY_BITS, STATE, TAILS
from kernel.abi import READY
import micropython

# FIRST_BIT[bits] is the number of the lowest bit set: the most important priority that is ready.
FIRST_BIT = bytes([8] + [min(b for b in range(8) if n >> b & 1) for n in range(1, 256)])


@micropython.viper
def push_back(w: ptr32, task: int):
    """Queue `task` behind its equals."""
    priority = w[task + PRIORITY]
    w[task + STATE] = READY
    w[task + NEXT] = 0
    if w[READY_BITS] & (1 << priority):
        w[w[TAILS + priority] + NEXT] = task
    else:
        w[HEADS + priority] = task
        w[READY_BITS] |= 1 << priority
    w[TAILS + priority] = task


@micropython.viper
def push_front(w: ptr32, task: int):
    """Queue `task` before its equals: it was to run next and something more important came."""
    priority = w[task + PRIORITY]
    w[task + STATE] = READY
    if w[READY_BITS] & (1 << priority):
        w[task + NEXT] = w[HEADS + priority]
    else:
        w[task + NEXT] = 0
        w[TAILS + priority] = task
        w[READY_BITS] |= 1 << priority
    w[HEADS + priority] = task


@micropython.viper
def pop(w: ptr32, priority: int) -> int:
    """Take the first task of `priority`, whose queue must not be empty."""
    task = w[HEADS + priority]
    after = w[task + NEXT]
    w[HEADS + priority] = after
    if after == 0:
        w[READY_BITS] &= 0xFF ^ (1 << priority)
    return task


@micropython.viper
def remove(w: ptr32, task: int):
    """Take `task`, which is READY, out of the middle of its queue."""
    priority = w[task + PRIORITY]
    before = 0
    here = w[HEADS + priority]
    while here != task:
        before = here
        here = w[here + NEXT]
    after = w[task + NEXT]
    if before:
        w[before + NEXT] = after
    else:
        w[HEADS + priority] = after
    if after == 0:
        w[TAILS + priority] = before
        if before == 0:
            w[READY_BITS] &= 0xFF ^ (1 << priority)
