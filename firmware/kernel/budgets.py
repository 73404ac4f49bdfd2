"""What a task may take of the processor: the end of a step that overran, and budgets a period.

A step has a budget of its own, which the tick watches: `levels.land` sees the kill. Here is what
the dispatcher asks for when a step has ended by itself, but was struck, or was the one that used
up what its task may take in a period.

A period begins with the first step after the last one has ended, so a task may take up to twice
its budget in any stretch of that length, and never has less than its budget in one.
"""

from kernel.abi import BUDGET, DORMANT, EVENT_OVERRAN, FAULTED
from kernel.faults import fault, is_closing, last_step
from kernel.trace import note_event
from kernel.layout import *
from kernel.limits import TIME_HALF, TIME_MASK


def overrun(kernel, task, landed):
    """Judge a step that ended with a trap: return 1 if its task was faulted for it.

    `landed` tells that a kill came too late for it, in `pad`, and is forgotten: the trap counts.
    One that is nowhere to be found was caught by the task, as all were but the last of several.
    Its generator is dropped and not closed: its `finally` blocks would get another chance to hold
    the processor. So is that of one whose outputs were made safe, because a C call took too long.
    """
    w = kernel.words
    if w[STRUCK]:
        has_caught = not landed or w[STRUCK] > 1
        is_held = kernel.held_ms[task >> RECORD_SHIFT] != DRIVEN
        note_event(kernel, EVENT_OVERRAN, task, 0)
        w[STRUCK] = 0
        if is_closing(w, task):  # it was ended while it was preempted, and was quicker
            close_now(kernel, task)
            return 1
        if has_caught or is_held:
            kernel.generators[task >> RECORD_SHIFT] = None
            fault(kernel, task, BUDGET, None)
            return 1
    if (w[task + CPU_US] - w[task + CPU_LIMIT]) & TIME_HALF:
        return 0
    particulars = w[PARTICULARS] + (task >> PARTICULAR_SHIFT)
    period_ms = w[particulars + PERIOD_MS]
    left_ms = (w[particulars + PERIOD_END_MS] - kernel.port.uptime_ms()) & TIME_MASK
    if period_ms and 0 < left_ms <= period_ms:
        fault(kernel, task, BUDGET, OverLimit("the budget of a period is used up"))
        return 1
    begin_period(kernel, task, 0)
    return 0


def close_now(kernel, task):
    """Give a task its last step that was ended in the midst of the step it has just made."""
    w = kernel.words
    ending = w[w[PARTICULARS] + (task >> PARTICULAR_SHIFT) + ENDING]
    state = DORMANT if ending & FOR_GOOD else FAULTED
    w[task + STATE] = state
    if not last_step(kernel, task, state, None):
        kernel.closed(kernel, task, None)


class OverLimit(Exception):
    """Stands in the last words of a task that took too much in a period, or of the heap."""


def begin_period(kernel, task, spent_us):
    """Give `task` its budget for a period that begins now.

    `spent_us`, of the present step, is not charged: what it took to load the service's module. A
    task without a period gets as much as its clock can tell.
    """
    w = kernel.words
    particulars = w[PARTICULARS] + (task >> PARTICULAR_SHIFT)
    period_ms = w[particulars + PERIOD_MS]
    budget_us = TIME_HALF - 1
    if period_ms:
        budget_us = w[particulars + PERIOD_BUDGET_US]
        w[particulars + PERIOD_END_MS] = (kernel.port.uptime_ms() + period_ms) & TIME_MASK
    w[task + CPU_LIMIT] = (w[task + CPU_US] + spent_us + budget_us) & TIME_MASK
