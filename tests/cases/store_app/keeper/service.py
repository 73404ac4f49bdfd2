"""Count boots in the store, with a value beside that has to match; then try its limits."""

from services.logger.api import INFO
from services.store.api import DELETE, GET, KEY, PUT, SAVE, USE, ask, get, put

_VALUES = (None, True, 1, -5000000000, 0.5, "\u00e4", b"\0\xff")


def main(task):
    """Log what was kept, keep the next, and log that."""
    logger = task.cap("logger")
    count = yield from get(task, "count", 0)
    mirror = yield from get(task, "mirror", "0")
    text = "kept: %d %s" % (count, mirror[-1])
    yield task.send(logger, INFO, text)
    for index in range(0 if count else 3):  # so that a file is more than littlefs keeps inline
        yield from put(task, "big%d" % index, "z" * 180)
    yield from put(task, "count", count + 1, "mirror", "y" * 150 + str(count + 1))
    status = yield from ask(task, SAVE)
    text = "saved: %d %d" % (status, count + 1)
    yield task.send(logger, INFO, text)
    yield task.sleep(50)
    if count:
        yield from try_limits(task, logger)
    while True:
        yield task.recv()


def say(task, logger, what, status):
    """Log a status and the value beside it."""
    text = "%s: %d %r" % (what, status, task.arg)
    yield task.send(logger, INFO, text)


def try_limits(task, logger):
    """Log what comes of values of each kind, and of what cannot be kept."""
    for index, value in enumerate(_VALUES):
        yield from put(task, "v%d" % index, value)
    kinds = []
    for index in range(len(_VALUES)):
        kinds.append((yield from get(task, "v%d" % index, "?")))
    text = "kinds: %r" % (tuple(kinds) == _VALUES and type(kinds[1]) is bool)
    yield task.send(logger, INFO, text)
    yield from say(task, logger, "none", (yield from ask(task, GET, "nothing")))
    yield from say(task, logger, "odd", (yield from ask(task, PUT, ("a",))))
    yield from say(task, logger, "long key", (yield from ask(task, PUT, ("a", 1, "k" * 33, 1))))
    status = yield from ask(task, GET, "a")
    yield from say(task, logger, "all or none", status)
    statuses = []
    for index in range(8):
        statuses.append((yield from put(task, "big%d" % index, "z" * 180)))
    text = "big: %r" % statuses
    yield task.send(logger, INFO, text)
    yield from say(task, logger, "first", (yield from ask(task, KEY, 0)))
    yield from ask(task, SAVE)
    yield from say(task, logger, "use", (yield from ask(task, USE)))
    yield from put(task, "big0", "z" * 180)
    yield from ask(task, SAVE)
    yield from say(task, logger, "unchanged", (yield from ask(task, USE)))
    for count in range(20):
        yield from put(task, "v0", count)
    yield task.sleep(1500)
    yield from say(task, logger, "coalesced", (yield from ask(task, USE)))
    status = yield from ask(task, DELETE, "v0")
    yield from say(
        task, logger, "deleted", status if status else (yield from ask(task, GET, "v0"))
    )
    yield task.send(logger, INFO, "limits: all done")
