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
"""

from kernel.layout import (
    ARMED, BUDGET_US, CPU_US, DEADLINES, IRQ_PENDING, NEXT_DEADLINE, NOW, OUTER, PRIORITY,
    READY_BITS, RECORD_SHIFT, RESULT, RUNNING_TASK, SLICE_END, STATE, STEP_DEADLINE, STEPS,
    STOPPED, STRUCK,
)  # fmt: skip
from kernel.abi import RUNNING, TRAP_SHIFT
from kernel.limits import TIME_HALF, TIME_MASK, TIME_SLICE_US
from kernel.ready import pop, push_back, push_front
from kernel.irq import deliver
from kernel.timeouts import expire
import micropython


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
    w = ptr32(words)
    clock = ptr32(kernel.clock)
    first_bit = ptr8(kernel.first_bit)
    task = 0
    now = clock[0] & TIME_MASK
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
        start = clock[0] & TIME_MASK
        w[STEP_DEADLINE] = (start + w[task + BUDGET_US]) & TIME_MASK
        w[ARMED] = 1
        trap = int(resume[task >> RECORD_SHIFT](w[task + RESULT]))
        w[ARMED] = 0
        now = clock[0] & TIME_MASK
        w[task + CPU_US] = (w[task + CPU_US] + now - start) & TIME_MASK
        w[task + STEPS] = (w[task + STEPS] + 1) & TIME_MASK
        w[NOW] = now
        if w[STRUCK] and int(kernel.swallowed(kernel, task)):
            task = 0
            continue
        task = int(handlers[trap >> TRAP_SHIFT & 31](words, frames, task, trap))
    if task:
        push_front(w, task)
