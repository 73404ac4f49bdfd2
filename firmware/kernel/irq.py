"""Interrupt lines: from the port's handler to a bit in the driver's pending word, and back.

In interrupt context the port masks the line, records the time, sets LINE_FIRED and IRQ_PENDING
and asks for the interrupt level; it touches nothing else. Here, in kernel context, the bit
becomes a notification. The line stays masked until its driver acknowledges.
"""

from kernel.abi import ATTENDING, EVENT_INTERRUPT, RECEIVING
from kernel.layout import *
from kernel.limits import RATE_WINDOW_US, TIME_MASK
from kernel.notifications import collect, post
from kernel.trace import note
from micropython import const
import micropython

_NUMBER = const(8)  # TRACE_TASK_SHIFT less RECORD_SHIFT


@micropython.viper
def deliver(w: ptr32):
    """Turn every line that has fired, and what hard steps have left, into notifications."""
    w[IRQ_PENDING] = 0
    if w[w[LINES_END] + POSTED]:
        collect(w)
    now = w[NOW]
    index = 0
    line = w[TASKS_END]
    end = w[LINES_END]
    while line < end:
        if w[line + LINE_FIRED]:
            w[line + LINE_FIRED] = 0
            w[line + LINE_COUNT] += 1
            driver = w[line + LINE_OWNER]
            what = EVENT_INTERRUPT << TRACE_EVENT_SHIFT | driver << _NUMBER | index
            note(w, what, now)
            if w[driver + STATE] == ATTENDING:  # it fired before the driver attended
                dismiss(w, driver)
            bits = w[line + LINE_BITS]
            post(w, driver, bits)
        line += LINE
        index += 1


@micropython.viper
def dismiss(w: ptr32, task: int):
    """Take a driver that attends from the hard level: it receives like any other task."""
    line = w[TASKS_END]
    while line < w[LINES_END]:
        if w[line + LINE_OWNER] == task:
            w[line + LINE_HARD] = 0
        line += LINE
    if w[task + STATE] == ATTENDING:
        w[task + STATE] = RECEIVING


@micropython.viper
def account(w: ptr32, line: int) -> int:
    """Account for a firing that is acknowledged; return 1 in a storm.

    Every firing takes an acknowledgement, so here is where a storm shows: a line that fires more
    often than its manifest allows.
    """
    if w[line + LINE_MASKED] != FIRED:
        return 0
    fired = w[line + LINE_FIRED_AT]
    count = w[line + LINE_IN_WINDOW] + 1
    if count == 1 or (fired - w[line + LINE_WINDOW]) & TIME_MASK >= RATE_WINDOW_US:
        w[line + LINE_WINDOW] = fired
        count = 1
    w[line + LINE_IN_WINDOW] = count
    return 1 if count > w[line + LINE_RATE] else 0
