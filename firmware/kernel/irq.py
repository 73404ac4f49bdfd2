"""Interrupt lines: from the port's handler to a bit in the driver's pending word.

In interrupt context the port masks the line, records the time, sets LINE_FIRED and IRQ_PENDING
and asks for the interrupt level; it touches nothing else. Here, in kernel context, the bit
becomes a notification. The line stays masked until its driver acknowledges.
"""

from kernel.notifications import post
from kernel.layout import (
    IRQ_PENDING, LINE, LINE_BITS, LINE_COUNT, LINE_FIRED, LINE_OWNER, LINES_END, TASKS_END,
)  # fmt: skip
import micropython


@micropython.viper
def deliver(w: ptr32):
    """Turn every line that has fired into a notification of its driver."""
    w[IRQ_PENDING] = 0
    line = w[TASKS_END]
    end = w[LINES_END]
    while line < end:
        if w[line + LINE_FIRED]:
            w[line + LINE_FIRED] = 0
            w[line + LINE_COUNT] += 1
            post(w, w[line + LINE_OWNER], w[line + LINE_BITS])
        line += LINE
