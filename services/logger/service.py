"""Keep log records in a bounded ring for its readers: the console, and a journal in the flash."""

import time

from bulkhead import NOTIFIED, OK, REFUSED
from bulkhead.plain import plain
from bulkhead_system import SERVICES
from micropython import const

from services.logger.api import AFTER, DEBUG, EMPTY, ERROR, KEEP, NEXT, READERS_MAX, WARNING
from services.logger.ring import Ring

_NEWS = const(4)  # the bits below are the console's own line, and the supervisor's
_PAIR = const(2)
_STATE_BYTES = const(1024)  # that an update hands over: a heap in pieces has no more in one


class Log:
    """The ring, and the least level kept of each service, by task number; 0 is for the others."""

    def __init__(self):
        self.ring = Ring()
        self.least = {0: DEBUG}

    def levels(self):
        """Return the levels, for the next incarnation too."""
        return bytes([byte for pair in self.least.items() for byte in pair])

    def take_levels(self, levels):
        """Take over the levels of another incarnation."""
        self.least = {levels[at]: levels[at + 1] for at in range(0, len(levels), _PAIR)}

    def export_state(self):
        """Return all of it, the oldest records of who has the most left out if they are many."""
        levels = self.levels()
        return bytes((len(levels),)) + levels + self.ring.packed(_STATE_BYTES - 1 - len(levels))

    def import_state(self, _version, state):
        """Go on with the records and levels of another version."""
        end = 1 + state[0]
        self.take_levels(state[1:end])
        self.ring.unpack(state, end)


def main(task):
    """Take records from the mailbox, give them out in order."""
    console = task.cap("console")
    log = Log()
    if not task.carry_over(log) and (yield task.unstash()) == OK:
        levels = task.arg
        log.take_levels(levels)
        yield task.stash(levels)
    ring, least = log.ring, log.least
    is_told = False  # the console is, and has not taken all since
    operation = yield task.recv()
    while True:
        if DEBUG <= operation <= ERROR:
            number = task.badge()
            if operation >= least.get(number, least[0]):
                ring.put(time.ticks_ms(), operation, number, plain(str(task.arg)))
                if not is_told and (yield task.notify(console, _NEWS)) != OK:
                    yield task.reopen(console)
                is_told = True
            if task.caller():  # it has called where it should send
                yield task.reply(OK)
            operation = yield task.recv()
        elif operation == NOTIFIED:
            operation = yield task.recv()
        else:
            status, value = answer(ring, least, operation, task.arg, task.badge())
            is_told = is_told and operation != NEXT
            if operation == KEEP and status == OK:
                yield task.stash(log.levels())
            operation = yield task.reply_recv(status, value)


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
    if operation == AFTER and type(arg) is int:
        record = ring.after(arg)
        return (EMPTY, None) if record is None else (OK, record)
    if operation == KEEP and type(arg) is tuple and len(arg) == _PAIR:
        sender, level = arg
        is_known = type(sender) is int and 0 <= sender <= len(SERVICES)
        if is_known and type(level) is int and DEBUG <= level <= ERROR:
            least[sender] = level
            return OK, None
    return REFUSED, None
