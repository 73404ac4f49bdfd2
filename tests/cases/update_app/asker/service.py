"""Call and send without a pause long enough to hide anything; tell when an answer changes."""

import time

from bulkhead import DEAD, OK
from services.logger.api import INFO

_COUNT = 1
_PAUSE_MS = 20


def main(task):
    """Log each new version with what was sent and received so far, and the longest call."""
    counter = task.cap("counter")
    logger = task.cap("logger")
    known = None
    calls = sent = failed = longest_us = 0
    while True:
        sent += (yield task.send(counter, _COUNT)) == OK
        began = time.ticks_us()
        status = yield task.call(counter, _COUNT)
        longest_us = max(longest_us, time.ticks_diff(time.ticks_us(), began))
        calls += 1
        if status == OK:
            if task.arg[:2] != known:
                known = task.arg[:2]
                lost = calls - failed - task.arg[2], sent - task.arg[3]
                text = "version %d from %d: lost %r, failed %d, longest %d us"
                text %= known[0], known[1], lost, failed, longest_us
                longest_us = 0
                yield task.send(logger, INFO, text)
        else:
            failed += 1
            yield task.send(logger, INFO, "status %d" % status)
            if status == DEAD:
                yield task.reopen(counter)
        yield task.sleep(_PAUSE_MS)
