"""The ready queues: one first-in first-out list per priority, and a bitmap of those not empty.

A task that runs, or waits, is in none of them. A queue is a ring: the kernel knows the last task,
whose link is the first. Priorities, queues and links are words of the kernel's array (`layout`),
so every operation but `remove` takes the same few cycles however many tasks there are. Called in
kernel context only.
"""

from kernel.layout import NEXT, PRIORITY, READY_BITS, STATE, TAILS
from kernel.abi import READY
import micropython


@micropython.viper
def push_back(w: ptr32, task: int):
    """Queue `task` behind its equals."""
    level = w[task + PRIORITY]
    w[task + STATE] = READY
    if w[READY_BITS] & (1 << level):
        tail = w[TAILS + level]
        w[task + NEXT] = w[tail + NEXT]
        w[tail + NEXT] = task
    else:
        w[task + NEXT] = task
        w[READY_BITS] |= 1 << level
    w[TAILS + level] = task


@micropython.viper
def push_front(w: ptr32, task: int):
    """Queue `task` before its equals: it was to run next and something more important came."""
    ready = w[READY_BITS]
    priority = w[task + PRIORITY]
    last = w[TAILS + priority]
    push_back(w, task)
    if ready & (1 << priority):
        w[TAILS + priority] = last


@micropython.viper
def pop(w: ptr32, priority: int) -> int:
    """Take the first task of `priority`, whose queue must not be empty."""
    last = w[TAILS + priority]
    task = w[last + NEXT]
    w[last + NEXT] = w[task + NEXT]
    if task == last:
        w[READY_BITS] &= 0xFF ^ (1 << priority)
    return task


@micropython.viper
def remove(w: ptr32, task: int):
    """Take `task`, which is READY, out of the middle of its queue."""
    priority = w[task + PRIORITY]
    before = task
    while w[before + NEXT] != task:
        before = w[before + NEXT]
    w[before + NEXT] = w[task + NEXT]
    if before == task:
        w[READY_BITS] &= 0xFF ^ (1 << priority)
    elif w[TAILS + priority] == task:
        w[TAILS + priority] = before
