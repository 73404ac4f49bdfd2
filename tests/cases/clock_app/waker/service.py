"""Set the time and alarms; log when they come. Then tell the time after the clock has failed."""

from bulkhead import DEAD, NOTIFIED

from services.clock.api import ALARM, ALARMS_MAX, CANCEL, SET, TIME
from services.logger.api import INFO

_NOON_MS = 1_800_000_000_250  # in 2027


def main(task):
    """Log what each call gives."""
    clock = task.cap("clock")
    logger = task.cap("logger")
    status = yield task.call(clock, TIME)
    yield task.send(logger, INFO, "unset: %d" % status)
    yield task.call(clock, SET, _NOON_MS)
    yield task.call(clock, TIME)
    text = "set: %d" % (task.arg - _NOON_MS)
    yield task.send(logger, INFO, text)
    for after_ms, bits in ((300, 4), (100, 2), (200, 8), (100, 16)):
        yield task.call(clock, ALARM, (_NOON_MS + after_ms, bits))
    yield task.call(clock, CANCEL, 8)
    text = "cancelled: %r" % task.arg
    yield task.send(logger, INFO, text)
    bits = 0
    while bits != 2 + 16 + 4:
        if (yield task.recv()) == NOTIFIED:
            bits |= task.bits()
            yield task.call(clock, TIME)
            text = "alarm %d: %d" % (bits, task.arg - _NOON_MS)
            yield task.send(logger, INFO, text)
    yield task.call(clock, ALARM, (1, 1))
    status = yield task.recv()
    text = "past: %r" % (status == NOTIFIED and task.bits() == 1)
    yield task.send(logger, INFO, text)
    statuses = []
    for _ in range(ALARMS_MAX + 1):
        statuses.append((yield task.call(clock, ALARM, (_NOON_MS + 1_000_000_000, 1))))
    text = "full: %r" % statuses[-2:]
    yield task.send(logger, INFO, text)
    status = yield task.call(clock, ALARM, (-1, 1))
    yield task.call(clock, CANCEL, 1)
    yield task.call(clock, TIME)
    yield task.call(clock, ALARM, (task.arg + 1500, 32))
    yield task.send(logger, INFO, "wrong: %d, waiting" % status)
    while (yield task.call(clock, TIME)) != DEAD:
        yield task.sleep(50)
    yield task.reopen(clock)
    status = yield task.call(clock, TIME)
    text = "again: %d %d" % (status, task.arg - _NOON_MS)
    yield task.send(logger, INFO, text)
    status = yield task.recv()
    text = "kept: %r" % (status == NOTIFIED and task.bits() == 32)
    yield task.send(logger, INFO, text)
    yield task.send(logger, INFO, "all done")
    while True:
        yield task.recv()
