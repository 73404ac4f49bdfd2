"""Write the log to the flash: in pieces, since each costs an erased sector, errors at once."""

from struct import calcsize, pack, unpack_from

from bulkhead import DEAD, OK, REFUSED
from bulkhead.uptime import Uptime
from bulkhead_system import SERVICES
from micropython import const

from services.journal.api import NOT_WRITTEN, SAVE
from services.journal.pages import Pages
from services.logger.api import ERROR, NEXT, line_of

_LOOK_MS = const(1000)
_WRITE_AFTER_MS = const(10_000)
_WRITE_BYTES = const(2048)
_PENDING_MAX = const(3584)  # with a line more it is what an update can hand over
_HEAD = "<BI"
_LEVEL = const(1)


class Journal:
    """Lines that wait to be written, since `since_ms`, and whether one of them is an error."""

    def __init__(self):
        self.pages = Pages("/log")
        self.is_urgent = False
        self.now = Uptime().now
        self.since_ms = self.now()
        self.pending = b"boot\n"

    def export_state(self):
        """Return the lines that wait."""
        age_ms = min(self.now() - self.since_ms, _WRITE_AFTER_MS)
        return pack(_HEAD, self.is_urgent, age_ms) + self.pending

    def import_state(self, _version, state):
        """Take over lines that an earlier version has not written."""
        self.is_urgent, age_ms = unpack_from(_HEAD, state)
        self.since_ms = self.now() - age_ms
        self.pending = state[calcsize(_HEAD) :]

    def has_room(self):
        """Tell whether there is room for one more record."""
        return len(self.pending) < _PENDING_MAX

    def add(self, record):
        """Take a record of the logger's."""
        if not self.pending:
            self.since_ms = self.now()
        self.pending += line_of(record, SERVICES).encode() + b"\n"
        self.is_urgent = self.is_urgent or record[_LEVEL] >= ERROR

    def is_due(self):
        """Tell whether it is time to write."""
        age_ms = self.now() - self.since_ms
        has_much = age_ms >= _WRITE_AFTER_MS or len(self.pending) >= _WRITE_BYTES
        return self.pending != b"" and (self.is_urgent or has_much)

    def save(self):
        """Write what waits; return whether the flash has it. What it has not stays."""
        try:
            if self.pending:
                self.pages.append(self.pending)
        except OSError:
            return False
        self.pending = b""
        self.is_urgent = False
        return True


def main(task):
    """Take records once a second, and serve `api`."""
    journal = Journal()
    task.carry_over(journal)
    logger = task.cap("logger")
    yield from take(task, logger, journal)  # from now on the logger keeps records for it
    while True:
        operation = yield task.recv(_LOOK_MS)
        caller = task.caller()
        yield from take(task, logger, journal)
        if operation == SAVE:
            yield task.reply_to(caller, OK if journal.save() else NOT_WRITTEN)
        elif caller:
            yield task.reply_to(caller, REFUSED)
        elif journal.is_due():
            journal.save()


def take(task, logger, journal):
    """Take what the logger has, as much as there is room for."""
    while journal.has_room():
        status = yield task.call(logger, NEXT)
        if status == DEAD:
            yield task.reopen(logger)
        if status != OK:
            return
        journal.add(task.arg)
