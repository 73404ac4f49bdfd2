"""Set the time and alarms; log when they come. Then tell the time after the clock has failed."""

from bulkhead import DEAD, NOTIFIED

from services.clock.api import ALARM, ALARMS_MAX, CANCEL, SET, TIME
from services.logger.api import INFO

_NOON_MS = 1_800_000_000_250  # in 2027


def main(sys):
    """Log what each call gives."""
    clock = sys.cap("clock")
    logger = sys.cap("logger")
    status = yield sys.call(clock, TIME)
    yield sys.send(logger, INFO, "unset: %d" % status)
    yield sys.call(clock, SET, _NOON_MS)
    yield sys.call(clock, TIME)
    text = "set: %d" % (sys.arg - _NOON_MS)
    yield sys.send(logger, INFO, text)
    for after_ms, bits in ((300, 4), (100, 2), (200, 8), (100, 16)):
        yield sys.call(clock, ALARM, (_NOON_MS + after_ms, bits))
    yield sys.call(clock, CANCEL, 8)
    text = "cancelled: %r" % sys.arg
    yield sys.send(logger, INFO, text)
    bits = 0
    while bits != 2 + 16 + 4:
        if (yield sys.recv()) == NOTIFIED:
            bits |= sys.bits()
            yield sys.call(clock, TIME)
            text = "alarm %d: %d" % (bits, sys.arg - _NOON_MS)
            yield sys.send(logger, INFO, text)
    yield sys.call(clock, ALARM, (1, 1))
    status = yield sys.recv()
    text = "past: %r" % (status == NOTIFIED and sys.bits() == 1)
    yield sys.send(logger, INFO, text)
    statuses = []
    for _ in range(ALARMS_MAX + 1):
        statuses.append((yield sys.call(clock, ALARM, (_NOON_MS + 1_000_000_000, 1))))
    text = "full: %r" % statuses[-2:]
    yield sys.send(logger, INFO, text)
    status = yield sys.call(clock, ALARM, (-1, 1))
    yield sys.call(clock, CANCEL, 1)
    yield sys.call(clock, TIME)
    yield sys.call(clock, ALARM, (sys.arg + 1500, 32))
    yield sys.send(logger, INFO, "wrong: %d, waiting" % status)
    while (yield sys.call(clock, TIME)) != DEAD:
        yield sys.sleep(50)
    yield sys.reopen(clock)
    status = yield sys.call(clock, TIME)
    text = "again: %d %d" % (status, sys.arg - _NOON_MS)
    yield sys.send(logger, INFO, text)
    status = yield sys.recv()
    text = "kept: %r" % (status == NOTIFIED and sys.bits() == 32)
    yield sys.send(logger, INFO, text)
    yield sys.send(logger, INFO, "all done")
    while True:
        yield sys.recv()
