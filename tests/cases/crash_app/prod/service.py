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


def main(task):
    """Prod, wait until crasher answers a ping again, and go on to the next."""
    crasher = task.cap("crasher")
    logger = task.cap("logger")
    for name, operation in _FAILURES:
        status = yield task.call(crasher, operation, name, 200)
        yield task.sleep(_AFTER_MS)
        yield task.reopen(crasher)
        again = yield task.call(crasher, api.PING, 7)
        text = "%s: status %d, then %d %s" % (name, status, again, task.arg)
        yield task.send(logger, INFO, text)
        yield task.sleep(_PRINTED_MS)
    yield task.send(logger, INFO, "all done" if again == OK else "crasher is gone")
    while True:
        yield task.recv()
