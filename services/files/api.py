"""Operations of a files service, and how a client uses one: `files` is its handle.

    status = yield from write(task, task.cap("files"), "log.csv", 0, b"1,2,3")
    status = yield from read(task, task.cap("files"), "log.csv", 0, buffer)  # task.arg: bytes read

Each client has files of its own, in one folder, and a quota of bytes. A name is a str of at most
NAME_BYTES_MAX bytes without a slash. Data are lent, not sent: at most COUNT_MAX bytes a call.
A call that changes something has done all of it or nothing, whenever the power fails.
"""

from bulkhead import DEAD, OK
from bulkhead.asking import ask as _ask
from kernel.abi import READABLE, WRITABLE
from micropython import const

READ = const(1)  # arg: (name, offset, count), lent: WRITABLE -> OK, arg: bytes read; NO_FILE
WRITE = const(2)  # arg: (name, offset up to its size), lent: READABLE -> OK, arg: bytes; NO_SPACE
REPLACE = const(3)  # arg: name, lent: READABLE -> OK, arg: bytes: all that the file has; NO_SPACE
REMOVE = const(4)  # arg: name -> OK; NO_FILE
RENAME = const(5)  # arg: (name, new name), which gives way -> OK; NO_FILE
STAT = const(6)  # arg: name -> OK, arg: bytes; NO_FILE
LIST = const(7)  # arg: index -> OK, arg: (name, bytes), by name; NO_FILE beyond the last
USE = const(8)  # -> OK, arg: (bytes used, bytes there are)
NO_FILE = const(1)  # no file of the caller has that name
NO_SPACE = const(2)  # the quota, or FILES_MAX, or the file system is full; nothing was changed
FAILED = const(3)  # the file system has

NAME_BYTES_MAX = const(32)  # of UTF-8
FILES_MAX = const(32)  # of one client
COUNT_MAX = const(2048)  # bytes of one call
TIMEOUT_MS = const(5000)  # flash: three sectors to erase, at worst, and a client before us


def ask(task, files, operation, arg=None):
    """Call a files service, once more if it has just been started again; return the status."""
    status = yield from _ask(task, files, operation, arg, TIMEOUT_MS)
    return status


def read(task, files, name, offset, buffer):
    """Read into `buffer` from `offset` on; return the status. `task.arg` is how many bytes."""
    count = min(len(buffer), COUNT_MAX)
    arg = (name, offset, count)
    status = yield task.call_lending(files, READ, buffer, WRITABLE, arg, TIMEOUT_MS)
    if status == DEAD and (yield task.reopen(files)) == OK:
        status = yield task.call_lending(files, READ, buffer, WRITABLE, arg, TIMEOUT_MS)
    return status


def write(task, files, name, offset, data):
    """Write `data` at `offset`; return the status. `task.arg` is how many bytes."""
    status = yield from _lend(task, files, WRITE, data, (name, offset))
    return status


def replace(task, files, name, data):
    """Make `data` all that a file has; return the status."""
    status = yield from _lend(task, files, REPLACE, data, name)
    return status


def _lend(task, files, operation, data, arg):
    status = yield task.call_lending(files, operation, data, READABLE, arg, TIMEOUT_MS)
    if status == DEAD and (yield task.reopen(files)) == OK:
        status = yield task.call_lending(files, operation, data, READABLE, arg, TIMEOUT_MS)
    return status
