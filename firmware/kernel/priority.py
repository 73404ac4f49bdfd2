"""Priority lent by callers: a server runs at least at its most important caller's priority.

Lent at the moment of the send and through chains of calls, taken back exactly when the call
ends, however it ends. Smaller numbers are more important.
"""

from kernel.abi import CALLING, READY
from kernel.layout import *
from kernel.ready import push_back, remove
import micropython


@micropython.viper
def queue_sender(w: ptr32, server: int, task: int):
    """Queue `task` at `server` behind callers at least as important."""
    priority = w[task + PRIORITY]
    before = 0
    here = w[server + SENDERS]
    while here:
        if w[here + PRIORITY] > priority:
            break
        before = here
        here = w[here + NEXT]
    w[task + NEXT] = here
    if before:
        w[before + NEXT] = task
    else:
        w[server + SENDERS] = task


@micropython.viper
def unqueue_sender(w: ptr32, server: int, task: int):
    """Take `task` out of the queue of callers at `server`."""
    before = 0
    here = w[server + SENDERS]
    while here:
        if here == task:
            if before:
                w[before + NEXT] = w[task + NEXT]
            else:
                w[server + SENDERS] = w[task + NEXT]
            return
        before = here
        here = w[here + NEXT]


@micropython.viper
def set_priority(w: ptr32, task: int, priority: int):
    """Move `task` to `priority`, in whichever queue it is."""
    state = w[task + STATE]
    if task == w[OUTER]:
        w[FLOOR] = priority
    if state == READY:
        remove(w, task)
        w[task + PRIORITY] = priority
        push_back(w, task)
    elif state == CALLING:
        server = w[task + PEER]
        unqueue_sender(w, server, task)
        w[task + PRIORITY] = priority
        queue_sender(w, server, task)
    else:
        w[task + PRIORITY] = priority


@micropython.viper
def raise_to(w: ptr32, task: int, priority: int):
    """Raise `task`, and every task it waits for in its turn, to at least `priority`.

    Ends at the first that is as important already, so also in a cycle.
    """
    while task:
        if w[task + PRIORITY] <= priority:
            return
        set_priority(w, task, priority)
        task = w[task + PEER]


@micropython.viper
def restore(w: ptr32, task: int):
    """Give `task`, and the servers its own call waits for, the priority its callers justify.

    In a circle of waits each would justify the next: there those outside of it count.
    """
    while task:
        if w[task + PEER] and int(is_in_circle(w, task)):
            restore_circle(w, task)
            return
        priority = w[task + BASE]
        if w[task + CLIENTS]:
            here = RECORD
            end = w[TASKS_END]
            while here < end:
                if w[here + PEER] == task and w[here + PRIORITY] < priority:
                    priority = w[here + PRIORITY]
                here += RECORD
        if w[task + PRIORITY] == priority:
            return
        set_priority(w, task, priority)
        task = w[task + PEER]


@micropython.viper
def is_in_circle(w: ptr32, task: int) -> int:
    """Return 1 if `task` waits, in the end, for itself, else 0."""
    here = w[task + PEER]
    left = w[TASKS_END]
    while here and left > 0:
        if here == task:
            return 1
        here = w[here + PEER]
        left -= RECORD
    return 0


@micropython.viper
def restore_circle(w: ptr32, task: int):
    """Give all of a circle of waits their own priority, then what those who wait for them lend.

    Each of them waits, so none is in a ready queue.
    """
    here = task
    while True:
        base = w[here + BASE]
        set_priority(w, here, base)
        here = w[here + PEER]
        if here == task:
            break
    waiter = RECORD
    while waiter < w[TASKS_END]:
        raise_to(w, w[waiter + PEER], w[waiter + PRIORITY])
        waiter += RECORD
