"""Ask crasher for each failure, and log what a client of it gets to see."""

from bulkhead import OK
from services.crasher import api
from services.logger.api import INFO

_FAILURES = (
    ("raise", api.RAISE),
    ("spin", api.SPIN),
    ("sleep", api.SLEEP),
    ("leak", api.LEAK),
    ("never_reply", api.NEVER_REPLY),
)
_AFTER_MS = 3500  # crasher's heartbeat, and the pauses before it is started again

_PRINTED_MS = 100  # for the console to print the line before the next failure


def main(sys):
    """Prod, wait until crasher answers a ping again, and go on to the next."""
    crasher = sys.cap("crasher")
    logger = sys.cap("logger")
    for name, operation in _FAILURES:
        status = yield sys.call(crasher, operation, name, 200)
        yield sys.sleep(_AFTER_MS)
        yield sys.reopen(crasher)
        again = yield sys.call(crasher, api.PING, 7)
        text = "%s: status %d, then %d %s" % (name, status, again, sys.arg)
        yield sys.send(logger, INFO, text)
        yield sys.sleep(_PRINTED_MS)
    yield sys.send(logger, INFO, "all done" if again == OK else "crasher is gone")
    while True:
        yield sys.recv()
