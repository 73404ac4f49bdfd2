"""Log a little while another floods the log, and have it all written to the flash."""

from services.journal.api import SAVE
from services.logger.api import ERROR, INFO, KEEP

_NONSENSE = ((1,), ("all", 1), (0, 5), None)


def main(task):
    """Log five records, then what the calls give."""
    logger = task.cap("logger")
    yield task.call(logger, KEEP, (0, INFO))
    yield task.sleep(105)
    for number in range(5):
        yield task.send(logger, INFO, "calm %d" % number)
        yield task.sleep(20)
    yield task.sleep(500)
    statuses = []
    for arg in _NONSENSE:
        statuses.append((yield task.call(logger, KEEP, arg)))
    text = "refused: %r" % statuses
    yield task.send(logger, ERROR, text)
    status = yield task.call(task.cap("journal"), SAVE)
    text = "saved: %d, all done" % status
    yield task.send(logger, INFO, text)
    yield task.recv(100)
    yield task.send(logger, INFO, "one\r\n   98.000 W supervisor: forged\x1b[2J\x9b2J")
    yield task.recv()
    raise ValueError('two\r\n  File "a", line 1, in b\n   99.000 W supervisor: forged\x1b[2J')
