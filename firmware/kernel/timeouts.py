"""Waits: how they begin, their deadlines, how they end.

Arming is a few stores and `NEXT_DEADLINE` is only a bound from below: ending a wait early, as
nearly every call does, costs nothing. When the bound is reached one scan ends what is due and
finds the next bound.
"""

from kernel.abi import CALLING, OK, RECEIVING, SERVED, SLEEPING, TIMED, TIMEOUT
from kernel.layout import *
from kernel.limits import *
from kernel.priority import restore, unqueue_sender
from kernel.ready import push_back
import micropython


@micropython.viper
def wait_for(w: ptr32, waiter: ptr32, awaited: ptr32, task: int, server: int, trap: int):
    """Let `task` wait for `server`, by their records, until its deadline.

    With TIMED that is the timeout register's, else CALL_TIMEOUT_US away. Its caller sets the state
    and lends the priority.
    """
    waiter[PEER] = server
    awaited[CLIENTS] += 1
    if trap & TIMED:
        arm_ms(w, task)
    else:
        arm(w, waiter, CALL_TIMEOUT_US)


@micropython.viper
def arm_ms(w: ptr32, task: int):
    """Let the wait of `task` end after the milliseconds in its timeout register."""
    milliseconds = w[task + REGISTER_TIMEOUT]
    if milliseconds < 0:
        milliseconds = 0
    far_ms = 0
    if milliseconds > FAR_PIECE_MS:
        far_ms = milliseconds - FAR_PIECE_MS
        milliseconds = FAR_PIECE_MS
    record = ptr32(int(uint(w)) + (task << 2))
    microseconds = milliseconds * 1000
    arm(w, record, microseconds)
    record[FAR_MS] = far_ms


@micropython.viper
def arm(w: ptr32, record: ptr32, microseconds: int):
    """Let the wait of a task end `microseconds` (at most half the time range) after NOW."""
    deadline = (w[NOW] + microseconds) & TIME_MASK
    record[DEADLINE] = deadline
    record[TIMED_WAIT] = 1
    record[FAR_MS] = 0
    if w[DEADLINES] == 0 or (w[NEXT_DEADLINE] - deadline) & TIME_HALF == 0:
        w[NEXT_DEADLINE] = deadline
        w[DEADLINES] = 1


@micropython.viper
def expire(w: ptr32, now: int):
    """End every wait that is due at `now`, and find when the next one will be."""
    w[NOW] = now
    w[DEADLINES] = 0
    if (now >> QUARTER_SHIFT) - w[w[PARTICULARS] + QUARTERS] & QUARTER_MASK:
        pass_quarters(w, now)
    end = w[TASKS_END]
    task = RECORD
    while task < end:
        if w[task + TIMED_WAIT]:
            deadline = w[task + DEADLINE]
            if (now - deadline) & TIME_HALF == 0:
                if w[task + FAR_MS]:
                    w[task + REGISTER_TIMEOUT] = w[task + FAR_MS]
                    arm_ms(w, task)
                else:
                    state = w[task + STATE]
                    if state == RECEIVING:
                        w[task + REGISTER_CALLER] = 0  # it received nobody
                    end_wait(w, task, OK if state == SLEEPING else TIMEOUT)
            elif w[DEADLINES] == 0 or (w[NEXT_DEADLINE] - deadline) & TIME_HALF == 0:
                w[NEXT_DEADLINE] = deadline
                w[DEADLINES] = 1
        task += RECORD


@micropython.viper
def pass_quarters(w: ptr32, now: int):
    """Count what is over of the clock's range, and end what would else seem young again.

    Times come round after 18 minutes. There is always a wait that ends within a quarter of that,
    the supervisor's, so none is missed.
    """
    spots = w[PARTICULARS]
    w[spots + QUARTERS] += (now >> QUARTER_SHIFT) - w[spots + QUARTERS] & QUARTER_MASK
    line = w[TASKS_END]
    while line < w[LINES_END]:
        if (now - w[line + LINE_WINDOW]) & TIME_MASK >= RATE_WINDOW_US:
            w[line + LINE_IN_WINDOW] = 0
        line += LINE


@micropython.viper
def end_wait(w: ptr32, task: int, result: int):
    """Make `task` ready with `result`: it waits no longer, neither for a time nor for another."""
    w[task + RESULT] = result
    leave_server(w, task)
    push_back(w, task)


@micropython.viper
def leave_server(w: ptr32, task: int):
    """End the wait of `task`, if it is in one: a reply to its call comes too late."""
    server = w[task + PEER]
    if server == 0:
        w[task + TIMED_WAIT] = 0
        return
    if w[task + STATE] == CALLING:
        unqueue_sender(w, server, task)
        w[task + STATE] = SERVED  # in no queue: `restore` may come back to it in a circle
    waiter = ptr32(int(uint(w)) + (task << 2))
    awaited = ptr32(int(uint(w)) + (server << 2))
    let_go(w, waiter, awaited, server)


@micropython.viper
def let_go(w: ptr32, waiter: ptr32, awaited: ptr32, server: int):
    """End a wait for `server`, by the two records, which gives its priority back."""
    waiter[TIMED_WAIT] = 0
    waiter[PEER] = 0
    waiter[SEQUENCE] = (waiter[SEQUENCE] + 1) & SEQUENCE_MASK
    awaited[CLIENTS] -= 1
    if awaited[PRIORITY] != awaited[BASE]:
        restore(w, server)
