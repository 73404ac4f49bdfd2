"""Call and send without a pause long enough to hide anything; tell when an answer changes."""

import time

from bulkhead import DEAD, OK
from services.logger.api import INFO

_COUNT = 1
_PAUSE_MS = 20


def main(sys):
    """Log each new version with what was sent and received so far, and the longest call."""
    counter = sys.cap("counter")
    logger = sys.cap("logger")
    known = None
    calls = sent = failed = longest_us = 0
    while True:
        sent += (yield sys.send(counter, _COUNT)) == OK
        began = time.ticks_us()
        status = yield sys.call(counter, _COUNT)
        longest_us = max(longest_us, time.ticks_diff(time.ticks_us(), began))
        calls += 1
        if status == OK:
            if sys.arg[:2] != known:
                known = sys.arg[:2]
                lost = calls - failed - sys.arg[2], sent - sys.arg[3]
                text = "version %d from %d: lost %r, failed %d, longest %d us"
                text %= known[0], known[1], lost, failed, longest_us
                longest_us = 0
                yield sys.send(logger, INFO, text)
        else:
            failed += 1
            yield sys.send(logger, INFO, "status %d" % status)
            if status == DEAD:
                yield sys.reopen(counter)
        yield sys.sleep(_PAUSE_MS)
