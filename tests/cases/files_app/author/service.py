"""Use files in the flash and in RAM, and log what each call gave: `volume step: status value`."""

from services.files.api import (
    LIST,
    READ,
    REMOVE,
    RENAME,
    REPLACE,
    STAT,
    USE,
    WRITE,
    ask,
    read,
    replace,
    write,
)
from services.logger.api import INFO

_VOLUMES = ("files", "scratch")
_BLOCK = b"0123456789abcdef" * 64
_NONSENSE = (
    (READ, ("a", 0)),
    (READ, ("a", -1, 1)),
    (WRITE, "a"),
    (WRITE, ("/etc/passwd", 0)),
    (WRITE, ("../other/notes", 0)),
    (REPLACE, ("a", 0)),
    (REPLACE, "~"),
    (REMOVE, None),
    (RENAME, "a"),
    (STAT, ""),
    (STAT, "n" * 33),
    (LIST, -1),
    (99, None),
)


def main(sys):
    """Log the boot before, then try everything."""
    files = sys.cap("files")
    buffer = bytearray(8)
    for volume in _VOLUMES:
        status = yield from read(sys, sys.cap(volume), "notes", 0, buffer)
        yield from say(sys, volume, "kept", status, bytes(buffer[: sys.arg or 0]))
    for volume in _VOLUMES:
        yield from use(sys, volume, sys.cap(volume))
    refused = 0
    for operation, arg in _NONSENSE:
        refused += (yield sys.call(files, operation, arg)) == 191
    yield from say(sys, "files", "nonsense", len(_NONSENSE) - refused, None)
    yield sys.send(sys.cap("logger"), INFO, "end: all done")
    yield sys.recv()


def say(sys, volume, step, status, value):
    """Log one step."""
    text = "%s %s: %d %r" % (volume, step, status, value)
    yield sys.send(sys.cap("logger"), INFO, text)


def use(sys, volume, files):
    """Try every operation on one volume."""
    buffer = bytearray(8)
    status = yield from replace(sys, files, "a", b"first")
    yield from say(sys, volume, "replace", status, sys.arg)
    status = yield from write(sys, files, "a", 5, b" and more")
    yield from say(sys, volume, "append", status, sys.arg)
    status = yield from write(sys, files, "a", 1, bytearray(b"X"))
    yield from say(sys, volume, "inside", status, sys.arg)
    status = yield from write(sys, files, "a", 15, b"beyond")
    yield from say(sys, volume, "hole", status, sys.arg)
    status = yield from read(sys, files, "a", 0, buffer)
    yield from say(sys, volume, "read", status, bytes(buffer))
    status = yield from read(sys, files, "a", 10, buffer)
    yield from say(sys, volume, "end", status, bytes(buffer[: sys.arg]))
    status = yield from read(sys, files, "a", 14, buffer)
    yield from say(sys, volume, "behind", status, sys.arg)
    status = yield from ask(sys, files, RENAME, ("a", "b"))
    yield from say(sys, volume, "rename", status, sys.arg)
    status = yield from ask(sys, files, STAT, "b")
    yield from say(sys, volume, "stat", status, sys.arg)
    status = yield from ask(sys, files, STAT, "a")
    yield from say(sys, volume, "gone", status, sys.arg)
    statuses = []
    for number in range(3):
        statuses.append((yield from write(sys, files, "big", number * 1024, _BLOCK)))
    yield from say(sys, volume, "quota", sum(statuses), tuple(statuses))
    status = yield from ask(sys, files, USE)
    yield from say(sys, volume, "use", status, sys.arg)
    status = yield from ask(sys, files, REMOVE, "big")
    yield from say(sys, volume, "remove", status, sys.arg)
    status = yield from replace(sys, files, "notes", b"of mine")
    status = yield from ask(sys, files, LIST, 1)
    yield from say(sys, volume, "list", status, sys.arg)
    status = yield from ask(sys, files, LIST, 2)
    yield from say(sys, volume, "no more", status, sys.arg)
