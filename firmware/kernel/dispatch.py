"""The dispatcher: who runs next, resume it, hand its trap on.

One loop serves both levels. At the main level it runs on behalf of the kernel's own record, at
the interrupt level on top of a preempted task; in both it resumes what is more important than
the record it runs on behalf of, and returns when nothing is. A trap's handler returns the task
to run next, or 0 for "look in the ready queues": a call switches straight to its server and the
reply straight back, past the queues.

The loop is compiled by the viper emitter. Compiled code reaches no branch of the bytecode
interpreter, so between two resumes nothing preempts it and no kill lands in it: that is what
makes the kernel's state atomic, without a lock. It has no `try` of its own either: what a task
raises leaves the loop, `levels.land` finds out what it means, and the loop is entered again.

Messages have their functions in `ipc`, `mailbox` and `carried`; any other trap has a handler in
the table that `boot` makes. A call costs compiled code 6 us, so an image has the functions of
messages, and what they call on their commonest way, in the place of the calls (`system/fold.py`
of the host tools).
"""

import micropython
from micropython import const
from kernel.abi import *
from kernel.layout import *
from kernel.limits import IDLE_PRIORITY, TIME_HALF, TIME_MASK, TIME_SLICE_US
from kernel.carried import lease
from kernel.ipc import call, reply_recv
from kernel.irq import deliver
from kernel.mailbox import send
from kernel.ready import pop, push_back, push_front
from kernel.timeouts import expire
from kernel.trace import note

_KIND = const(31 << 8)
_DETAIL = const(0x1FFF)


@micropython.viper
def dispatch(w: ptr32, me: ptr32, task: int, kernel):
    """Resume ready tasks more important than the preempted one until none is left.

    `w` is the kernel's words; `me` and `task`, given as `w` and 0, are the record and the offset
    of the task at hand: arguments, since compiled code keeps only its first three variables in
    registers. Returns None. Raises whatever the task `RUNNING_TASK` raised, with `ARMED` still 1,
    or what a handler met in the operands of that task, with `ARMED` 0. Allocates nothing.
    """
    words, frames, handlers, generators, resume, timer = kernel.parts
    clock = ptr32(timer)
    base = int(uint(w))
    spots = ptr32(base + (w[PARTICULARS] << 2))
    key = spots[ARG_KEY]
    place = spots[ARG_PLACE]
    items = spots[MAIL_ITEMS]
    stepped = ptr32(base + (w[STEPPED] << 2))
    now = clock[0] & TIME_MASK
    w[NOW] = now
    what = EVENT_ENTERED << TRACE_EVENT_SHIFT | w[OUTER] << TRACE_TASK_SHIFT - RECORD_SHIFT
    note(w, what, now)
    while w[STOPPED] == 0 or w[OUTER]:
        if w[IRQ_PENDING]:
            if task:  # in no queue, and what it may have just received is not to be replaced
                me[STATE] = RUNNING
            deliver(w)
        if w[DEADLINES] and (now - w[NEXT_DEADLINE]) & TIME_HALF == 0:
            if task:
                me[STATE] = RUNNING
            expire(w, now)
        top = IDLE_PRIORITY
        ready = w[READY_BITS]
        if ready:
            top = 0
            while ready & 1 == 0:
                ready >>= 1
                top += 1
            if task:
                if top < me[PRIORITY]:  # the next slice begins anew: an equal's, if there is one
                    push_back(w, task)
                    task = 0
                elif top == me[PRIORITY] and (now - w[SLICE_END]) & TIME_HALF == 0:
                    push_back(w, task)
                    task = 0
        if task == 0:
            if w[OUTER] and (now - w[SHARE_END]) & TIME_HALF == 0:
                w[FLOOR] = w[w[OUTER] + PRIORITY]
            if top >= w[FLOOR]:
                return
            task = int(pop(w, top))
            me = ptr32(base + (task << 2))
            w[SLICE_END] = (now + TIME_SLICE_US) & TIME_MASK
        elif me[PRIORITY] >= w[FLOOR]:
            push_front(w, task)
            return
        me[STATE] = RUNNING
        w[RUNNING_TASK] = task
        w[STEP_DEADLINE] = (clock[0] + me[BUDGET_US]) & TIME_MASK
        w[ARMED] = RESUMED
        given = resume(generators[task >> RECORD_SHIFT], me[RESULT])
        w[ARMED] = ANSWERED
        trap = int(given)
        w[ARMED] = 0
        now = clock[0] & TIME_MASK
        used = (me[CPU_US] + now - w[NOW]) & TIME_MASK
        w[NOW] = now
        me[CPU_US] = used
        me[STEPS] = (me[STEPS] + 1) & TIME_MASK
        stepped[task >> RECORD_SHIFT] = now
        what = task << TRACE_TASK_SHIFT - RECORD_SHIFT | trap & _DETAIL
        note(w, what, now)
        if w[STRUCK] or (used - me[CPU_LIMIT]) & TIME_HALF == 0:
            # A kill that is on its way must not land in what follows, which may be bytecode.
            landed = int(kernel.port.pad()) if w[STRUCK] else 0
            if int(kernel.overrun(kernel, task, landed)):
                task = 0
                continue
        kind = trap & _KIND
        if kind == CALL:
            task = call(w, me, task, trap, base, place, key, words, frames)
        elif kind == REPLY_RECV or kind == RECV or kind == REPLY:
            task = reply_recv(w, me, task, trap, kind, base, place, key, items, words, frames)
        elif kind == SEND:
            task = send(w, me, task, trap, base, place, key, items, words, frames)
        elif kind == LEASE_READ or kind == LEASE_WRITE:
            task = lease(w, me, task, trap, base, kernel)
        else:
            task = int(handlers[kind >> TRAP_SHIFT](kernel, words, task, trap))
        me = ptr32(base + (task << 2))
    if task:
        push_front(w, task)
