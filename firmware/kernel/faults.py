"""Faults: how a task ends, and what the others are told.

The task is taken out of every queue, its generation ends, its callers are answered DEAD, its
lines are masked, its last words are kept and the supervisor is notified. What happens next is
the supervisor's policy; only the supervisor's own fault is the kernel's business.
"""

from kernel.abi import DEAD, DORMANT, EVENT_FAULT, FAULTED, FAULT_BIT, MEMORY, READY
from kernel.capabilities import forget
from kernel.layout import (
    BASE, CLIENTS, DOOM, DOOMED, DROPPED, FAULT, FRAME, GENERATION, GENERATION_MASK, LINE,
    LINES_END, LINE_FIRED, LINE_HARD, LINE_IN_WINDOW, LINE_MASKED, LINE_OWNER, MAILBOX, MAIL_COUNT,
    MAIL_DEPTH, MAIL_VALUES, OUTER, PARTICULARS, PARTICULAR_SHIFT, PEER, PENDING, POST_SET,
    POST_WORDS, PRIORITY, QUIET, RECORD, RECORD_SHIFT, ROW_LINES, SENDERS, SERVING, STATE,
    TASKS_END, UNREPORTED,
)  # fmt: skip
from kernel.notifications import post
from kernel.outputs import make_safe
from kernel.ready import remove
from kernel.records import as_step, keep, keep_words
from kernel.timeouts import end_wait, leave_server
from kernel.trace import note_event
import micropython


def fault(kernel, task, kind, error):
    """End the present incarnation of `task` with a fault of `kind`, or of NO_FAULT for good.

    `error` is the exception that caused it, or None. A preempted task cannot be ended while its
    bytecode is on the stack: it is marked DOOMED and struck when it would go on. Its outputs are
    made safe before anything else, then too. Never raises.
    """
    w = kernel.words
    make_safe(kernel, task)
    if task == w[OUTER]:
        w[DOOMED] = DOOM | kind
        return
    if not kind:
        kernel.stashes[task >> RECORD_SHIFT] = None
        end(kernel, task, DORMANT)
        return
    note_event(kernel, EVENT_FAULT, task, kind)
    if kind == MEMORY:
        kernel.reserve = None
    keep(kernel, task, kind)
    if kernel.trials and kernel.replacements.revert(task):
        keep_words(kernel, error)
        return
    end(kernel, task, FAULTED)
    keep_words(kernel, error)
    particulars = w[PARTICULARS] + (task >> PARTICULAR_SHIFT)
    w[particulars + FAULT] = kind
    w[particulars + UNREPORTED] = 1
    if task == kernel.supervisor:
        kernel.guard_supervisor(kernel)
    elif kernel.supervisor:
        post(w, kernel.supervisor, FAULT_BIT)


def take_doom(w):
    """Return, once, DOOMED if the step that has ended was of the task that was preempted."""
    doomed = 0 if w[OUTER] else w[DOOMED]
    if doomed:
        w[DOOMED] = 0
    return doomed


def end(kernel, task, state):
    """Take `task` out of the system and leave it in `state` (DORMANT or FAULTED).

    Like all on the way to a restart it has at most 11 words of state, so that MicroPython takes
    them from the stack: from the heap they cost 20 to 70 us.
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
    if kernel.generators[number] is not None:
        _close(kernel, task, number)


def _close(kernel, task, number):
    """Have the generator of `task` run its `finally` blocks."""
    generator = kernel.generators[number]
    kernel.generators[number] = None
    try:
        as_step(kernel, task, generator.close)
    except MemoryError:  # dropped: there is no room to close it
        pass
    make_safe(kernel, task)  # whatever its `finally` blocks did to them


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
