"""Operations of the store service, and how a client uses them in one line.

    pace = yield from get(task, "pace", 500)
    yield from put(task, "pace", 250)

Each client has keys of its own. A value is None, a bool, an int, a float, a str or bytes.
"""

from bulkhead import OK
from bulkhead.asking import ask as _ask
from micropython import const

GET = const(1)  # arg: key -> OK, arg: the value; NO_KEY
PUT = const(2)  # arg: (key, value, key, value, ...), all or none -> OK: it is in the flash in 1 s
DELETE = const(3)  # arg: key -> OK, as PUT; NO_KEY
SAVE = const(4)  # -> OK: all of this client's is in the flash now; NOT_WRITTEN
KEY = const(5)  # arg: index -> OK, arg: the key; NO_KEY beyond the last
USE = const(6)  # -> OK, arg: (bytes used, bytes there are, files written since the store started)
NO_KEY = const(1)  # the caller has no such key
NO_SPACE = const(2)  # a client has so many bytes; nothing was changed
BAD_VALUE = const(3)  # no key, or not a value that is kept; nothing was changed
NOT_WRITTEN = const(4)  # the file system has failed; it is tried again

KEY_BYTES_MAX = const(32)  # of UTF-8
CLIENT_BYTES = const(1024)  # keys and values of one client


def ask(task, operation, arg=None):
    """Call the store, once more if it has just been started again; return the status."""
    status = yield from _ask(task, task.cap("store"), operation, arg)
    return status


def get(task, key, default=None):
    """Return the value of a key, `default` if there is none."""
    status = yield from ask(task, GET, key)
    return task.arg if status == OK else default


def put(task, *pairs):
    """Keep values: key, value, key, value; return the status. SAVE waits until they are safe."""
    status = yield from ask(task, PUT, pairs)
    return status
