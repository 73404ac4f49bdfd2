"""Operations of the uart service, and how a client reads in one line.

data = yield from read(task, 100, wait_ms=1000)
"""

from bulkhead import DEAD, OK
from micropython import const

WRITE = const(1)  # arg: bytes -> OK, arg: how many were taken; the others have to wait
READ = const(2)  # arg: (most bytes, ms to wait for one) -> OK, arg: bytes, or none in that time
SET_UP = const(3)  # arg: (baud rate from 300 to 1,000,000, data bits, parity, stop bits) -> OK
OVERRUN = const(1)  # READ: as OK, and the buffer is full: what came after these may be lost
BUSY = const(2)  # READ: another client waits for bytes

# Data bits are 7 or 8, stop bits 1 or 2; at first it is the manifest's rate, 8 bits, no parity, 1.
NO_PARITY = const(0)
ODD = const(1)
EVEN = const(2)

COUNT_MAX = const(240)  # bytes of one call
WAIT_MS_MAX = const(60_000)  # a longer wait is REFUSED
_ANSWER_MS = const(500)  # beyond the wait


def read(task, count=COUNT_MAX, wait_ms=1000):
    """Return bytes that were received, at most `count`; none if none came in time."""
    uart = task.cap("uart")
    request = (count, wait_ms)
    status = yield task.call(uart, READ, request, wait_ms + _ANSWER_MS)
    if status == DEAD:  # the next one asks the port that was started since
        yield task.reopen(uart)
    return task.arg if status in (OK, OVERRUN) else b""
