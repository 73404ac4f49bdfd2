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


def main(task):
    """Log the boot before, then try everything."""
    files = task.cap("files")
    buffer = bytearray(8)
    for volume in _VOLUMES:
        status = yield from read(task, task.cap(volume), "notes", 0, buffer)
        yield from say(task, volume, "kept", status, bytes(buffer[: task.arg or 0]))
    for volume in _VOLUMES:
        yield from use(task, volume, task.cap(volume))
    refused = 0
    for operation, arg in _NONSENSE:
        refused += (yield task.call(files, operation, arg)) == 191
    yield from say(task, "files", "nonsense", len(_NONSENSE) - refused, None)
    yield task.send(task.cap("logger"), INFO, "end: all done")
    yield task.recv()


def say(task, volume, step, status, value):
    """Log one step."""
    text = "%s %s: %d %r" % (volume, step, status, value)
    yield task.send(task.cap("logger"), INFO, text)


def use(task, volume, files):
    """Try every operation on one volume."""
    buffer = bytearray(8)
    status = yield from replace(task, files, "a", b"first")
    yield from say(task, volume, "replace", status, task.arg)
    status = yield from write(task, files, "a", 5, b" and more")
    yield from say(task, volume, "append", status, task.arg)
    status = yield from write(task, files, "a", 1, bytearray(b"X"))
    yield from say(task, volume, "inside", status, task.arg)
    status = yield from write(task, files, "a", 15, b"beyond")
    yield from say(task, volume, "hole", status, task.arg)
    status = yield from read(task, files, "a", 0, buffer)
    yield from say(task, volume, "read", status, bytes(buffer))
    status = yield from read(task, files, "a", 10, buffer)
    yield from say(task, volume, "end", status, bytes(buffer[: task.arg]))
    status = yield from read(task, files, "a", 14, buffer)
    yield from say(task, volume, "behind", status, task.arg)
    status = yield from ask(task, files, RENAME, ("a", "b"))
    yield from say(task, volume, "rename", status, task.arg)
    status = yield from ask(task, files, STAT, "b")
    yield from say(task, volume, "stat", status, task.arg)
    status = yield from ask(task, files, STAT, "a")
    yield from say(task, volume, "gone", status, task.arg)
    statuses = []
    for number in range(3):
        statuses.append((yield from write(task, files, "big", number * 1024, _BLOCK)))
    yield from say(task, volume, "quota", sum(statuses), tuple(statuses))
    status = yield from ask(task, files, USE)
    yield from say(task, volume, "use", status, task.arg)
    status = yield from ask(task, files, REMOVE, "big")
    yield from say(task, volume, "remove", status, task.arg)
    status = yield from replace(task, files, "notes", b"of mine")
    status = yield from ask(task, files, LIST, 1)
    yield from say(task, volume, "list", status, task.arg)
    status = yield from ask(task, files, LIST, 2)
    yield from say(task, volume, "no more", status, task.arg)
