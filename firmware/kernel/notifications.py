"""Notifications: bits OR-ed into a task's pending word, never queued, never lost.

The only thing an interrupt does, and the only way to reach a task that must not be waited for.
"""

from kernel.abi import AWAITING, DEAD, MAY_NOTIFY, NOTIFIED, OK, RECEIVING
from kernel.capabilities import is_alive, lookup
from kernel.layout import (
    TARGET, OFFSET_MASK, PENDING, REGISTER_BITS, REGISTER_CALLER, REGISTER_TIMEOUT, RESULT, STATE,
    TIMED_WAIT,
)  # fmt: skip
from kernel.ready import push_back
from kernel.timeouts import leave_server
import micropython
from micropython import const

# Bits a task may raise in another; those above are the kernel's.
TASK_BITS = const(0x3FFFFFF)


@micropython.viper
def notify(w: ptr32, frames, task: int, trap: int) -> int:
    """OR the bits in the first register into the pending word of the target: OK or DEAD."""
    capability = int(lookup(w, task, trap, MAY_NOTIFY))
    if int(is_alive(w, capability)) == 0:
        w[task + RESULT] = DEAD
        return task
    w[task + RESULT] = OK
    post(w, w[capability + TARGET] & OFFSET_MASK, w[task + REGISTER_TIMEOUT] & TASK_BITS)
    return task


@micropython.viper
def post(w: ptr32, task: int, bits: int):
    """OR `bits` into the pending word of `task`, and wake it if it receives."""
    w[task + PENDING] |= bits
    state = w[task + STATE]
    if (state == RECEIVING or state == AWAITING) and w[task + PENDING]:
        w[task + TIMED_WAIT] = 0
        leave_server(w, task)
        take_bits(w, task)
        push_back(w, task)


@micropython.viper
def take_bits(w: ptr32, task: int):
    """Make the pending bits of `task` the result of its recv."""
    w[task + RESULT] = NOTIFIED
    w[task + REGISTER_BITS] = w[task + PENDING]
    w[task + REGISTER_CALLER] = 0
    w[task + PENDING] = 0
