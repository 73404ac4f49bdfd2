"""Find another service, lose it, find it again; log what comes of each try."""

import time

from bulkhead import OK

from services.logger.api import INFO
from services.names.api import FIND, find
from services.oracle.api import FAIL, WHO


def main(sys):
    """Try all that FIND can answer."""
    logger = sys.cap("logger")
    names = sys.cap("names")
    oracle = yield from find(sys, "oracle")
    status = yield sys.call(oracle, WHO)
    yield sys.send(logger, INFO, "found: %d %d" % (status, sys.arg))
    sys.accept()
    status = yield sys.call(names, FIND, ("oracle", 3, 0))
    yield sys.send(logger, INFO, "full: %d" % status)
    yield sys.call(oracle, FAIL)  # started again at once, and the second time after a pause
    yield sys.reopen(oracle)
    status = yield sys.call(oracle, FAIL)
    yield sys.delete(oracle)
    yield sys.send(logger, INFO, "failed: %d" % status)
    sys.accept()
    status = yield sys.call(names, FIND, ("oracle", 3, 0))
    yield sys.send(logger, INFO, "not yet: %d" % status)
    before = time.ticks_ms()
    oracle = yield from find(sys, "oracle", version=3)
    after = time.ticks_diff(time.ticks_ms(), before)
    status = yield sys.call(oracle, WHO)
    yield sys.send(logger, INFO, "again: %d %d" % (status, sys.arg))
    yield sys.send(logger, INFO, "waited: %d" % after)
    yield sys.delete(oracle)
    for request in (("oracle", 4, 0), ("nobody", 1, 0), ("oracle", 1), None):
        status = yield sys.call(names, FIND, request)
        text = "%r: %d %s" % (request, status, sys.arg)
        yield sys.send(logger, INFO, text)
    status = OK if (yield from find(sys, "nobody")) == 0 else 1
    yield sys.send(logger, INFO, "none: %d, all done" % status)
    while True:
        yield sys.recv()
