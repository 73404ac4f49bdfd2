"""Log how much of the heap is free once everything has been up for a while."""

import gc

from micropython import const

from services.logger.api import INFO

_SETTLED_MS = const(4000)


def main(task):
    """Collect, log, and rest."""
    yield task.sleep(_SETTLED_MS)
    gc.collect()
    yield task.sleep(10)
    gc.collect()
    yield task.send(task.cap("logger"), INFO, "free=%d" % gc.mem_free())
    yield task.recv()
