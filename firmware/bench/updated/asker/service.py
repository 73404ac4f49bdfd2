"""Call and send once a millisecond; tell what was lost once another version answers."""

import time

from bulkhead import OK
from services.logger.api import INFO

_COUNT = 1
_PAUSE_MS = 1
_SETTLED = 5  # answers of a version, until mail that waited behind the first calls is counted


def main(task):
    """Log, for each version, what has been lost, and times between two answers in us.

    `gap` is that between the last answer of a version and the first of the next, `stall` the
    longest of all.
    """
    counter = task.cap("counter")
    answered = time.ticks_us()
    version = answers = calls = sent = gap_us = stall_us = 0
    while True:
        sent += (yield task.send(counter, _COUNT)) == OK
        status = yield task.call(counter, _COUNT)
        now = time.ticks_us()
        between_us = time.ticks_diff(now, answered)
        answered = now
        stall_us = max(stall_us, between_us)
        calls += 1
        answers += 1
        if status == OK and task.arg[0] != version:
            version = task.arg[0]
            answers = 0
            gap_us = between_us
        if answers == _SETTLED:
            lost = calls - task.arg[1] + sent - task.arg[2]
            text = "version=%d lost=%d gap=%d stall=%d" % (version, lost, gap_us, stall_us)
            stall_us = 0
            yield task.send(task.cap("logger"), INFO, text)
        yield task.sleep(_PAUSE_MS)
