"""Faults: how a task ends, and what the others are told.

The task is taken out of every queue, its generation ends, its callers are answered DEAD, its
lines are masked, its last words are kept and the supervisor is notified. What happens next is
the supervisor's policy; only the supervisor's own fault is the kernel's business.

What is left to do for code of the task, to run its `finally` blocks or to write out an exception
of a class of its own, is done by a last step of the task itself: at its priority, under its
budget, in its name. Until then it is CLOSING; who starts it meanwhile has it start after that.
"""

from kernel.abi import DEAD, DORMANT, EVENT_FAULT, FAULTED, FAULT_BIT, MEMORY, READY, RUNNING
from kernel.capabilities import forget
from kernel.layout import *
from kernel.notifications import post
from kernel.outputs import make_safe
from kernel.ready import push_back, remove
from kernel.records import keep, keep_words, write
from kernel.timeouts import end_wait, leave_server
from kernel.trace import note_event
import micropython


def fault(kernel, task, kind, error, raised=0):
    """End the present incarnation of `task` with a fault of `kind`, or of NO_FAULT for good.

    `error` is the exception that caused it, or None; `raised` tells that the task raised it. Its
    outputs are made safe before anything else, as `levels.land` has done for what is raised. Does
    no more to a task that has ended already and only closes. Never raises.
    """
    w = kernel.words
    if not raised:
        make_safe(kernel, task)
    particulars = w[PARTICULARS] + (task >> PARTICULAR_SHIFT)
    if w[particulars + ENDING] & LAST_STEP:
        return
    if not kind:
        kernel.stashes[task >> RECORD_SHIFT] = None
        end(kernel, task, DORMANT, None)
        return
    note_event(kernel, EVENT_FAULT, task, kind)
    if kind == MEMORY:
        kernel.reserve = None
    keep(kernel, task, kind)
    is_kept = keep_words(kernel, error, raised)
    if kernel.trials and kernel.revert(kernel, task):
        return
    end(kernel, task, FAULTED, None if is_kept else error)
    w[particulars + FAULT] = kind
    w[particulars + ENDING] |= UNREPORTED
    if task == kernel.supervisor:
        kernel.guard_supervisor(kernel, kind)
    elif kernel.supervisor:
        post(w, kernel.supervisor, FAULT_BIT)


def end(kernel, task, state, error):
    """Take `task` out of the system and leave it in `state` (DORMANT or FAULTED).

    `error` is what it has raised and has to write out itself, or None. Like all on the way to a
    restart it has at most 11 words of state, so that MicroPython takes them from the stack: from
    the heap they cost 20 to 70 us.
    """
    w = kernel.words
    number = task >> RECORD_SHIFT
    withdraw(w, task)
    w[task + STATE] = state
    w[task + GENERATION] = (w[task + GENERATION] + 1) & GENERATION_MASK or 1
    _answer_dead(w, task)
    if w[task + MAIL_COUNT]:
        _clear_mailbox(kernel, task)
    forget(w, task)
    if w[w[LINES_END] + POST_SET]:
        w[w[LINES_END] + POST_WORDS + number] = 0
        w[w[LINES_END] + POST_WORDS + (w[TASKS_END] >> RECORD_SHIFT) + number] = 0
    if kernel.table[number - 1][ROW_LINES]:
        mask_lines(kernel, task)
    kernel.frames[number] = None
    w[task + FRAME] = 0
    if task == w[OUTER] or kernel.generators[number] is not None or error is not None:
        last_step(kernel, task, state, error)


def last_step(kernel, task, state, error):
    """Give `task`, which has ended and is to be left in `state`, its last step.

    That of a preempted task is the one it is in: it is struck as it goes on. Return False without
    memory for it: then there is none.
    """
    w = kernel.words
    number = task >> RECORD_SHIFT
    if task == w[OUTER]:
        w[task + STATE] = RUNNING
        w[FLOOR] = w[task + PRIORITY]
    else:
        generator = kernel.generators[number]
        kernel.generators[number] = None
        try:
            closer = closing(kernel, number, generator, error)
            closer.send(None)
        except MemoryError:
            return False
        kernel.generators[number] = closer
        w[task + RESULT] = 0
        push_back(w, task)
    particulars = w[PARTICULARS] + (task >> PARTICULAR_SHIFT)
    w[particulars + ENDING] |= LAST_STEP if state == FAULTED else LAST_STEP | FOR_GOOD
    return True


def closing(kernel, number, generator, error):
    """Be the last step of an incarnation: its `finally` blocks, and its exception in words.

    What the kernel refused is raised where the trap was made, so that its words have that line.
    """
    index = (kernel.fault_next or len(kernel.fault_words)) - 1
    yield  # a generator must be started with None
    if generator is not None:
        try:
            if error is not None:
                error = type(error)(*error.args)  # it has the kernel's lines
                generator.throw(error)
            generator.close()
        except Exception:  # it has failed already
            pass
    if error is not None:
        write(kernel, number, index, error)


def is_closing(w, task):
    """Tell whether `task` has ended but for its last step."""
    return w[w[PARTICULARS] + (task >> PARTICULAR_SHIFT) + ENDING] & LAST_STEP


def mask_lines(kernel, task):
    """Let the lines of `task` interrupt no more, until it asks for them."""
    w = kernel.words
    line = w[TASKS_END]
    for source in kernel.line_sources:
        if w[line + LINE_OWNER] == task:
            w[line + LINE_HARD] = 0
            w[line + LINE_MASKED] = QUIET
            kernel.port.mask(source)
            w[line + LINE_FIRED] = w[line + LINE_IN_WINDOW] = 0
        line += LINE


def withdraw(w, task):
    """Take `task` out of the queue or the wait it is in."""
    if w[task + STATE] == READY:
        remove(w, task)
    leave_server(w, task)


@micropython.viper
def _answer_dead(w: ptr32, server: int):
    """End the call or send of every task that waits for `server` with DEAD."""
    task = RECORD
    end = w[TASKS_END]
    while task < end:
        if w[task + PEER] == server:
            end_wait(w, task, DEAD)
        task += RECORD
    w[server + SENDERS] = 0
    w[server + CLIENTS] = 0
    w[server + SERVING] = 0
    w[server + PENDING] = 0
    w[server + PRIORITY] = w[server + BASE]


def _clear_mailbox(kernel, task):
    w = kernel.words
    w[w[PARTICULARS] + (task >> PARTICULAR_SHIFT) + DROPPED] += w[task + MAIL_COUNT]
    w[task + MAIL_COUNT] = 0
    mailbox = w[task + MAILBOX]
    first = w[mailbox + MAIL_VALUES]
    for index in range(first, first + w[mailbox + MAIL_DEPTH]):
        kernel.frames[0][index] = None
