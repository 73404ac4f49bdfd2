"""Keep log records in a bounded ring until the console takes them; the oldest give way."""

import time

from bulkhead import NOTIFIED, OK, REFUSED
from micropython import const

from services.logger.api import DEBUG, EMPTY, ERROR, NEXT

_RECORDS = const(32)
_TEXT_MAX = const(200)
_NEWS = const(4)  # the bits below are the console's own line, and the supervisor's


def main(sys):
    """Take records from the mailbox, give them out in order."""
    console = sys.cap("console")
    records = []
    lost = 0
    operation = yield sys.recv()
    while True:
        if DEBUG <= operation <= ERROR:
            if len(records) == _RECORDS:
                records.pop(0)
                lost += 1
            records.append((time.ticks_ms(), operation, sys.badge(), str(sys.arg)[:_TEXT_MAX]))
            if (yield sys.notify(console, _NEWS)) != OK:
                yield sys.reopen(console)
            operation = yield sys.recv()
        elif operation == NEXT and lost:
            text = "%d records lost" % lost
            lost = 0
            operation = yield sys.reply_recv(OK, (time.ticks_ms(), ERROR, 0, text))
        elif operation == NEXT:
            record = records.pop(0) if records else None
            operation = yield sys.reply_recv(OK if record else EMPTY, record)
        elif operation == NOTIFIED:
            operation = yield sys.recv()
        else:
            operation = yield sys.reply_recv(REFUSED)
