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

A call to a server that waits, and its reply, are what nearly every step ends with, so those two
stand in the loop itself, and nothing else does: `ipc` has them for every other case.
"""

import micropython
from micropython import const
from kernel.abi import (
    CALL, EXTRA, HANDLE_GENERATION_MASK, HANDLE_GENERATION_SHIFT, HANDLE_SHIFT, MAY_CALL,
    OPERATIONS, RECEIVING, REPLY_RECV, RUNNING, SERVED, SLOT_MASK, TIMED, TRAP_SHIFT,
)  # fmt: skip
from kernel.layout import (
    TARGET, ARMED, BADGE_SHIFT, BASE, BUDGET_US, CAPABILITIES, CAPABILITY, CAPABILITY_COUNT,
    CLIENTS, CPU_LIMIT, CPU_US, DEADLINE, DEADLINES, GENERATION, GENERATION_MASK, IRQ_PENDING,
    MAIL_COUNT, NAMED, NEXT_DEADLINE, NOW, OFFSET_MASK, OUTER, PEER, PENDING, PRIORITY, READY_BITS,
    RECORD_SHIFT, REGISTER_BADGE, REGISTER_CALLER, RESULT, RIGHTS_SHIFT, RUNNING_TASK, SENDERS,
    SEQUENCE, SEQUENCE_MASK, SERVING, SLICE_END, SLOT_SHIFT, STATE, STEP_DEADLINE, STEPS, STOPPED,
    STRUCK, TIMED_WAIT, TOKEN_SHIFT, TOKEN_TASK, USES,
)  # fmt: skip
from kernel.limits import CALL_TIMEOUT_US, TIME_HALF, TIME_MASK, TIME_SLICE_US
from kernel.irq import deliver
from kernel.message import admit
from kernel.priority import restore
from kernel.ready import pop, push_back, push_front
from kernel.timeouts import expire

_KIND = const(31 << 8)
# The commonest type of a message value is told apart without a call. Both are module globals since
# compiled code looks a builtin up in 6 us.
_TYPE = type
_INT = int


@micropython.viper
def dispatch(kernel):
    """Resume ready tasks more important than the preempted one until none is left.

    Returns None. Raises whatever the task `RUNNING_TASK` raised, with `ARMED` still 1, or what
    a handler met in the operands of that task, with `ARMED` 0. Allocates nothing.
    """
    words = kernel.words
    frames = kernel.frames
    resume = kernel.resume
    handlers = kernel.handlers
    kind_of = _TYPE
    int_kind = _INT
    w = ptr32(words)
    clock = ptr32(kernel.clock)
    first_bit = ptr8(kernel.first_bit)
    task = 0
    now = clock[0] & TIME_MASK
    w[NOW] = now
    while w[STOPPED] == 0 or w[OUTER]:
        if w[IRQ_PENDING]:
            deliver(w)
        if w[DEADLINES] and (now - w[NEXT_DEADLINE]) & TIME_MASK < TIME_HALF:
            expire(w, now)
        ready = w[READY_BITS]
        if task and ready:
            priority = w[task + PRIORITY]
            top = first_bit[ready]
            if top < priority:
                push_front(w, task)
                task = 0
            elif top == priority and (now - w[SLICE_END]) & TIME_MASK < TIME_HALF:
                push_back(w, task)
                task = 0
        floor = w[w[OUTER] + PRIORITY]
        if task == 0:
            ready = w[READY_BITS]
            if ready == 0:
                return
            priority = first_bit[ready]
            if priority >= floor:
                return
            task = int(pop(w, priority))
            w[SLICE_END] = (now + TIME_SLICE_US) & TIME_MASK
        elif w[task + PRIORITY] >= floor:
            push_front(w, task)
            return
        w[task + STATE] = RUNNING
        w[RUNNING_TASK] = task
        w[STEP_DEADLINE] = (now + w[task + BUDGET_US]) & TIME_MASK
        w[ARMED] = 1
        trap = int(resume[task >> RECORD_SHIFT](w[task + RESULT]))
        w[ARMED] = 0
        start = now
        now = clock[0] & TIME_MASK
        w[NOW] = now
        used = (w[task + CPU_US] + now - start) & TIME_MASK
        w[task + CPU_US] = used
        w[task + STEPS] = (w[task + STEPS] + 1) & TIME_MASK
        if w[STRUCK] or (used - w[task + CPU_LIMIT]) & TIME_MASK < TIME_HALF:
            if int(kernel.overrun(kernel, task)):
                task = 0
                continue
        kind = trap & (_KIND | TIMED | EXTRA)
        slot = trap >> HANDLE_SHIFT & SLOT_MASK
        if kind == CALL and slot < w[task + CAPABILITY_COUNT]:
            capability = w[task + CAPABILITIES] + slot * CAPABILITY
            target = w[capability + TARGET]
            server = target & OFFSET_MASK
            named = w[capability + NAMED]
            if (
                (target >> RIGHTS_SHIFT) & MAY_CALL
                and target >> SLOT_SHIFT
                == trap >> HANDLE_GENERATION_SHIFT & HANDLE_GENERATION_MASK
                and w[server + STATE] == RECEIVING
                and named & GENERATION_MASK == w[server + GENERATION]
                and trap & 0xFF < OPERATIONS
            ):
                w[capability + USES] += 1
                value = frames[task >> RECORD_SHIFT].arg
                if kind_of(value) is not int_kind:
                    value = admit(value)
                deadline = (now + CALL_TIMEOUT_US) & TIME_MASK
                w[task + DEADLINE] = deadline
                w[task + TIMED_WAIT] = 1
                if w[DEADLINES] == 0 or (w[NEXT_DEADLINE] - deadline) & TIME_MASK < TIME_HALF:
                    w[NEXT_DEADLINE] = deadline
                    w[DEADLINES] = 1
                w[task + PEER] = server
                w[task + STATE] = SERVED
                w[server + CLIENTS] += 1
                if w[task + PRIORITY] < w[server + PRIORITY]:
                    w[server + PRIORITY] = w[task + PRIORITY]
                token = w[task + SEQUENCE] << TOKEN_SHIFT | task >> RECORD_SHIFT
                frames[server >> RECORD_SHIFT].arg = value
                w[server + TIMED_WAIT] = 0
                w[server + RESULT] = trap & 0xFF
                w[server + SERVING] = token
                w[server + REGISTER_CALLER] = token
                w[server + REGISTER_BADGE] = named >> BADGE_SHIFT
                task = server
                continue
        elif kind == REPLY_RECV:
            token = w[task + SERVING]
            client = (token & TOKEN_TASK) << RECORD_SHIFT
            if (
                w[client + STATE] == SERVED
                and w[client + PEER] == task
                and w[client + SEQUENCE] == token >> TOKEN_SHIFT
                and trap & 0xFF < OPERATIONS
                and w[task + SENDERS] | w[task + PENDING] | w[task + MAIL_COUNT] == 0
            ):
                value = frames[task >> RECORD_SHIFT].arg
                if kind_of(value) is not int_kind:
                    value = admit(value)
                frames[client >> RECORD_SHIFT].arg = value
                w[client + RESULT] = trap & 0xFF
                w[client + TIMED_WAIT] = 0
                w[client + PEER] = 0
                w[client + SEQUENCE] = (w[client + SEQUENCE] + 1) & SEQUENCE_MASK
                w[task + SERVING] = 0
                w[task + CLIENTS] -= 1
                w[task + STATE] = RECEIVING
                if w[task + PRIORITY] != w[task + BASE]:
                    restore(w, task)
                task = client
                continue
        task = int(handlers[trap >> TRAP_SHIFT & 31](words, frames, task, trap))
    if task:
        push_front(w, task)
