"""Call and send every ten seconds; log each minute what has come back, and how long it took."""

import time

from bulkhead import DEAD, OK
from services.logger.api import INFO

_COUNT = 1
_PAUSE_MS = 10_000
_ROUNDS = 6


def main(task):
    """Log the rounds, and what was lost or failed."""
    counter = task.cap("counter")
    logger = task.cap("logger")
    rounds = failed = lost = 0
    since_ms = time.ticks_ms()
    while True:
        yield task.sleep(_PAUSE_MS)
        sent = yield task.send(counter, _COUNT)
        status = yield task.call(counter, _COUNT)
        rounds += 1
        if status == OK and sent == OK:
            lost += rounds - failed != task.arg[2] or rounds - failed != task.arg[3]
        else:
            failed += 1
            if DEAD in (status, sent):
                yield task.reopen(counter)
        if rounds % _ROUNDS == 0:
            now_ms = time.ticks_ms()
            took_ms = time.ticks_diff(now_ms, since_ms)
            since_ms = now_ms
            text = "rounds %d in %d ms, failed %d, lost %d" % (rounds, took_ms, failed, lost)
            yield task.send(logger, INFO, text)
