"""Find another service, lose it, find it again; log what comes of each try."""

import time

from bulkhead import OK

from services.logger.api import INFO
from services.names.api import FIND, find
from services.oracle.api import FAIL, WHO


def main(task):
    """Try all that FIND can answer."""
    logger = task.cap("logger")
    names = task.cap("names")
    oracle = yield from find(task, "oracle")
    status = yield task.call(oracle, WHO)
    yield task.send(logger, INFO, "found: %d %d" % (status, task.arg))
    task.accept()
    status = yield task.call(names, FIND, ("oracle", 3, 0))
    yield task.send(logger, INFO, "full: %d" % status)
    yield task.call(oracle, FAIL)  # started again at once, and the second time after a pause
    yield task.reopen(oracle)
    status = yield task.call(oracle, FAIL)
    yield task.delete(oracle)
    yield task.send(logger, INFO, "failed: %d" % status)
    task.accept()
    status = yield task.call(names, FIND, ("oracle", 3, 0))
    yield task.send(logger, INFO, "not yet: %d" % status)
    before = time.ticks_ms()
    oracle = yield from find(task, "oracle", version=3)
    after = time.ticks_diff(time.ticks_ms(), before)
    status = yield task.call(oracle, WHO)
    yield task.send(logger, INFO, "again: %d %d" % (status, task.arg))
    yield task.send(logger, INFO, "waited: %d" % after)
    yield task.delete(oracle)
    for request in (("oracle", 4, 0), ("nobody", 1, 0), ("oracle", 1), None):
        status = yield task.call(names, FIND, request)
        text = "%r: %d %s" % (request, status, task.arg)
        yield task.send(logger, INFO, text)
    status = OK if (yield from find(task, "nobody")) == 0 else 1
    yield task.send(logger, INFO, "none: %d, all done" % status)
    while True:
        yield task.recv()
