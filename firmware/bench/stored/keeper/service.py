"""Time a put into the store, and one that waits until the flash has it."""

import time

from micropython import const

from services.logger.api import INFO
from services.store.api import SAVE, ask, put

_TIMES = const(20)


def main(task):
    """Put a number of 150 characters, and save; log the medians in microseconds."""
    put_us = []
    save_us = []
    for number in range(_TIMES):
        start = time.ticks_us()
        yield from put(task, "value", "%150d" % number)
        put_us.append(time.ticks_diff(time.ticks_us(), start))
        yield from ask(task, SAVE)
        save_us.append(time.ticks_diff(time.ticks_us(), start))
    text = "put_us=%d save_us=%d" % (sorted(put_us)[_TIMES // 2], sorted(save_us)[_TIMES // 2])
    yield task.send(task.cap("logger"), INFO, text)
    yield task.recv()
