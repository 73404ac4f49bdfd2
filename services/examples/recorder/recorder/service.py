"""Record an analogue input for ever: a number and a reading every second, in the flash.

Records are written a page at a time, and a page is there whole or not at all, so a power failure
costs the readings of the page that was being filled and nothing that was written before. Two files
take turns: when one is full the other, the older, is given up.
"""

import time
from struct import pack_into, unpack_from

from bulkhead import DEAD, OK, REFUSED, TIMEOUT
from micropython import const

from services.adc.api import MEAN
from services.files.api import NO_FILE, STAT, read, write
from services.files import api as files_api
from services.logger.api import INFO, WARNING
from services.recorder.api import NO_RECORD, NOT_READ, RECORD, RECORDS

_PERIOD_MS = const(1_000)
_READINGS = const(16)  # whose mean is a record
_FORMAT = const("<IH")
_BYTES = const(6)
_PAGE = const(8)  # records
_FILE_RECORDS = const(1024)
_NEW, _OLD = "new.bin", "old.bin"


class Tape:
    """Which records are where: `oldest` up to `middle` in _OLD, from there to `next` in _NEW."""

    def __init__(self):
        self.oldest = self.middle = self.next = 0
        self.page = bytearray(_PAGE * _BYTES)
        self.filled = 0  # records in `page`, from `next` on
        self.record = bytearray(_BYTES)

    def export_state(self):
        """Return where everything is, and the page that is not full."""
        return (self.oldest, self.middle, self.next, self.filled, bytes(self.page))

    def import_state(self, _version, state):
        """Go on in the page where the last version has stopped."""
        self.oldest, self.middle, self.next, self.filled = state[:4]
        self.page[:] = state[4]

    def add(self, reading):
        """Put a reading on the page; tell whether that is full now."""
        pack_into(_FORMAT, self.page, self.filled * _BYTES, self.next + self.filled, reading)
        self.filled += 1
        return self.filled == _PAGE

    def place(self, number):
        """Return the file of a record, and where in it."""
        if number < self.middle:
            return _OLD, (number - self.oldest) * _BYTES
        return _NEW, (number - self.middle) * _BYTES


def main(task):
    """Serve `api`, and record every second."""
    logger = task.cap("logger")
    tape = Tape()
    if not task.carry_over(tape):
        yield from find(task, tape)
        yield task.send(logger, INFO, "the next record is %d" % tape.next)
    next_ms = time.ticks_ms()
    while True:
        operation = yield task.recv(max(time.ticks_diff(next_ms, time.ticks_ms()), 0))
        if operation == TIMEOUT:
            next_ms = time.ticks_add(next_ms, _PERIOD_MS)
            yield from measure(task, tape)
        elif operation == RECORDS:
            yield task.reply(OK, (tape.oldest, tape.next))
        elif operation == RECORD and type(task.arg) is int:
            caller = task.caller()
            status, reading = yield from look_up(task, tape, task.arg)
            yield task.reply_to(caller, status, reading)
        else:
            yield task.reply(REFUSED)


def find(task, tape):
    """Find what earlier boots have recorded."""
    old = yield from size(task, _OLD)
    new = yield from size(task, _NEW)
    for name, count in ((_OLD, old), (_NEW, new)):
        if count:
            yield from read(task, task.cap("files"), name, 0, tape.record)
            first, _ = unpack_from(_FORMAT, tape.record, 0)
            if name == _OLD:
                tape.oldest = first
            tape.middle = first if name == _NEW else first + count
    if not old:
        tape.oldest = tape.middle
    tape.next = tape.middle + new


def size(task, name):
    """Return how many records a file has."""
    status = yield from files_api.ask(task, task.cap("files"), STAT, name)
    return task.arg // _BYTES if status == OK else 0


def measure(task, tape):
    """Take a record; write the page when it is full."""
    adc = task.cap("adc")
    status = yield task.call(adc, MEAN, (0, _READINGS))
    if status == DEAD and (yield task.reopen(adc)) == OK:
        status = yield task.call(adc, MEAN, (0, _READINGS))
    if status == OK and tape.filled < _PAGE and not tape.add(task.arg):
        return
    if tape.filled == _PAGE:
        yield from save(task, tape)


def save(task, tape):
    """Write the page; what cannot be written now is tried with the next reading."""
    files = task.cap("files")
    if tape.next - tape.middle >= _FILE_RECORDS:
        status = yield from files_api.ask(task, files, files_api.RENAME, (_NEW, _OLD))
        if status == OK:
            tape.oldest, tape.middle = tape.middle, tape.next
    name, offset = tape.place(tape.next)
    status = yield from write(task, files, name, offset, tape.page)
    if status == OK:
        tape.next += _PAGE
        tape.filled = 0
    else:
        yield task.send(task.cap("logger"), WARNING, "not written, status %d" % status)


def look_up(task, tape, number):
    """Return the status and the reading of a record."""
    if not tape.oldest <= number < tape.next:
        return NO_RECORD, None
    name, offset = tape.place(number)
    status = yield from read(task, task.cap("files"), name, offset, tape.record)
    found, reading = unpack_from(_FORMAT, tape.record, 0)
    if status != OK or found != number:
        return NO_RECORD if status == NO_FILE else NOT_READ, None
    return OK, reading
