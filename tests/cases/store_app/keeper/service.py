"""Count boots in the store, with a value beside that has to match; then try its limits."""

from services.logger.api import INFO
from services.store.api import DELETE, GET, KEY, PUT, SAVE, USE, ask, get, put

_VALUES = (None, True, 1, -5000000000, 0.5, "\u00e4", b"\0\xff")


def main(sys):
    """Log what was kept, keep the next, and log that."""
    logger = sys.cap("logger")
    count = yield from get(sys, "count", 0)
    mirror = yield from get(sys, "mirror", "0")
    text = "kept: %d %s" % (count, mirror[-1])
    yield sys.send(logger, INFO, text)
    for index in range(0 if count else 3):  # so that a file is more than littlefs keeps inline
        yield from put(sys, "big%d" % index, "z" * 180)
    yield from put(sys, "count", count + 1, "mirror", "y" * 150 + str(count + 1))
    status = yield from ask(sys, SAVE)
    text = "saved: %d %d" % (status, count + 1)
    yield sys.send(logger, INFO, text)
    yield sys.sleep(50)
    if count:
        yield from try_limits(sys, logger)
    while True:
        yield sys.recv()


def say(sys, logger, what, status):
    """Log a status and the value beside it."""
    text = "%s: %d %r" % (what, status, sys.arg)
    yield sys.send(logger, INFO, text)


def try_limits(sys, logger):
    """Log what comes of values of each kind, and of what cannot be kept."""
    for index, value in enumerate(_VALUES):
        yield from put(sys, "v%d" % index, value)
    kinds = []
    for index in range(len(_VALUES)):
        kinds.append((yield from get(sys, "v%d" % index, "?")))
    text = "kinds: %r" % (tuple(kinds) == _VALUES and type(kinds[1]) is bool)
    yield sys.send(logger, INFO, text)
    yield from say(sys, logger, "none", (yield from ask(sys, GET, "nothing")))
    yield from say(sys, logger, "odd", (yield from ask(sys, PUT, ("a",))))
    yield from say(sys, logger, "long key", (yield from ask(sys, PUT, ("a", 1, "k" * 33, 1))))
    status = yield from ask(sys, GET, "a")
    yield from say(sys, logger, "all or none", status)
    statuses = []
    for index in range(8):
        statuses.append((yield from put(sys, "big%d" % index, "z" * 180)))
    text = "big: %r" % statuses
    yield sys.send(logger, INFO, text)
    yield from say(sys, logger, "first", (yield from ask(sys, KEY, 0)))
    yield from ask(sys, SAVE)
    yield from say(sys, logger, "use", (yield from ask(sys, USE)))
    yield from put(sys, "big0", "z" * 180)
    yield from ask(sys, SAVE)
    yield from say(sys, logger, "unchanged", (yield from ask(sys, USE)))
    for count in range(20):
        yield from put(sys, "v0", count)
    yield sys.sleep(1500)
    yield from say(sys, logger, "coalesced", (yield from ask(sys, USE)))
    status = yield from ask(sys, DELETE, "v0")
    yield from say(sys, logger, "deleted", status if status else (yield from ask(sys, GET, "v0")))
    yield sys.send(logger, INFO, "limits: all done")
