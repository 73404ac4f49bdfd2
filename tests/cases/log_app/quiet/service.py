"""Log a little while another floods the log, and have it all written to the flash."""

from services.journal.api import SAVE
from services.logger.api import ERROR, INFO, KEEP

_NONSENSE = ((1,), ("all", 1), (0, 5), None)


def main(sys):
    """Log five records, then what the calls give."""
    logger = sys.cap("logger")
    yield sys.call(logger, KEEP, (0, INFO))
    yield sys.sleep(105)
    for number in range(5):
        yield sys.send(logger, INFO, "calm %d" % number)
        yield sys.sleep(20)
    yield sys.sleep(500)
    statuses = []
    for arg in _NONSENSE:
        statuses.append((yield sys.call(logger, KEEP, arg)))
    text = "refused: %r" % statuses
    yield sys.send(logger, ERROR, text)
    status = yield sys.call(sys.cap("journal"), SAVE)
    text = "saved: %d, all done" % status
    yield sys.send(logger, INFO, text)
    yield sys.recv(100)
    yield sys.send(logger, INFO, "one\r\n   98.000 W supervisor: forged\x1b[2J\x9b2J")
    yield sys.recv()
    raise ValueError('two\r\n  File "a", line 1, in b\n   99.000 W supervisor: forged\x1b[2J')
