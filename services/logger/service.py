"""Keep log records in a bounded ring for its readers: the console, and a journal in the flash."""

import time

from bulkhead import NOTIFIED, OK, REFUSED
from micropython import const

from services.logger.api import DEBUG, EMPTY, ERROR, KEEP, NEXT, READERS_MAX, WARNING
from services.logger.ring import Ring

_NEWS = const(4)  # the bits below are the console's own line, and the supervisor's
_PAIR = const(2)


def main(sys):
    """Take records from the mailbox, give them out in order."""
    console = sys.cap("console")
    ring = Ring()
    least = {0: DEBUG}
    is_told = False  # the console is, and has not taken all since
    operation = yield sys.recv()
    while True:
        if DEBUG <= operation <= ERROR:
            number = sys.badge()
            if operation >= least.get(number, least[0]):
                ring.put(time.ticks_ms(), operation, number, str(sys.arg))
                if not is_told and (yield sys.notify(console, _NEWS)) != OK:
                    yield sys.reopen(console)
                is_told = True
            operation = yield sys.recv()
        elif operation == NOTIFIED:
            operation = yield sys.recv()
        else:
            status, value = answer(ring, least, operation, sys.arg, sys.badge())
            is_told = is_told and operation != NEXT
            operation = yield sys.reply_recv(status, value)


def answer(ring, least, operation, arg, number):
    """Return the status and the value that answer a call of task `number`."""
    if operation == NEXT:
        reader = ring.reader(number, READERS_MAX)
        if reader is None:
            return REFUSED, None
        record = ring.next(reader)
        if record is None:
            return EMPTY, None
        if len(record) == _PAIR:
            sender, count = record
            record = (time.ticks_ms(), WARNING, sender, "%d records lost" % count)
        return OK, record
    if operation == KEEP and type(arg) is tuple and len(arg) == _PAIR:
        sender, level = arg
        if type(sender) is int and type(level) is int and DEBUG <= level <= ERROR:
            least[sender] = level
            return OK, None
    return REFUSED, None
