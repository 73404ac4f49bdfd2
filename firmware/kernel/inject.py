"""Injected misbehaviour: what stands in for a task's own generator, see `bulkhead.injections`."""

from bulkhead.terms import (
    CLOCK_JUMP, DROP_REPLY, FLOOD, INTERRUPT_STORM, KILL_IN_START, LOST_INTERRUPT,
)  # fmt: skip
from kernel.abi import *
from kernel.capabilities import target_of
from kernel.faults import fault, is_closing
from kernel.irq import dismiss
from kernel.layout import *
from kernel.limits import TIME_MASK
from kernel.message import BadMessage
from kernel.tasks import start
from kernel.timeouts import end_wait


def inject_by_trap(kernel, w, task, trap):
    """Make a task misbehave in the way of that number in `arg`: the result is `inject`'s."""
    target = target_of(w, task, trap)
    kind = kernel.frames[task >> RECORD_SHIFT].arg
    if type(kind) is not int:
        raise BadMessage("inject: the kind has to be a whole number")
    w[task + RESULT] = inject(kernel, target, kind) if target else UNKNOWN
    return task


def inject(kernel, task, kind):
    """Make `task` misbehave: OK; UNKNOWN where its state, or `kind`, is none for that; or FULL.

    FULL is for later: it ends, is in a step, a module is being loaded, or memory is short.
    What waits for a reply, an interrupt or the next step leaves the present wait alone; all others
    end it, so that they happen at once. KILL_IN_START ends the task and begins its next
    incarnation.
    """
    w = kernel.words
    number = task >> RECORD_SHIFT
    state = w[task + STATE]
    if is_closing(w, task) or task == w[OUTER] or kernel.loading:
        return FULL  # what loads its module has the stack for itself
    starts_anew = kind == KILL_IN_START
    if state == DORMANT or state == FAULTED or starts_anew and task == kernel.supervisor:
        return UNKNOWN
    if kind == INTERRUPT_STORM or kind == LOST_INTERRUPT and state == ATTENDING:
        return OK if state != ATTENDING and _storm(kernel, task) else UNKNOWN
    try:
        from bulkhead.injections import stand_in

        if starts_anew:
            kernel.generators[number] = None  # no last step: it begins again at once
            fault(kernel, task, INJECTED, None)
            start(kernel, task)
            state = READY
        row = kernel.table[number - 1]
        timed = TIMED if w[task + TIMED_WAIT] else 0
        generator = stand_in(
            kind, kernel.generators[number], kernel.frames[number], row[ROW_USES], row[ROW_LINES],
            timed, lambda us: _stop(kernel, us),
        )  # fmt: skip
    except MemoryError:
        return FULL
    if not generator:
        return UNKNOWN
    kernel.generators[number] = generator
    generator.send(None)
    waits = DROP_REPLY <= kind <= FLOOD or kind == LOST_INTERRUPT or kind == CLOCK_JUMP
    if not waits and state != READY and state != RUNNING:
        dismiss(w, task)
        end_wait(w, task, OK)
    return OK


def _storm(kernel, task):
    """Have a line of `task` fire now, as the one firing too many; return whether one may fire."""
    w = kernel.words
    line = w[TASKS_END]
    for source in kernel.line_sources:
        if w[line + LINE_OWNER] == task and w[line + LINE_MASKED] != QUIET:
            kernel.port.mask(source)
            w[line + LINE_IN_WINDOW] = w[line + LINE_RATE]
            w[line + LINE_FIRED_AT] = w[line + LINE_WINDOW] = kernel.now()
            w[line + LINE_MASKED] = FIRED
            w[line + LINE_FIRED] = w[IRQ_PENDING] = 1
            return True
        line += LINE
    return False


def _stop(kernel, us):
    """Have the board stand still for so long; the present step is given that time."""
    w = kernel.words
    w[STEP_DEADLINE] = (w[STEP_DEADLINE] + us) & TIME_MASK
    w[ARMED] = 0  # nothing preempts it
    try:
        kernel.port.stall(us)
    finally:  # a kill that came before
        w[ARMED] = 1
