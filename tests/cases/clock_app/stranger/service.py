"""Ask for an alarm that the clock's manifest does not allow."""

from services.clock.api import ALARM
from services.logger.api import INFO


def main(sys):
    """Ask, and log the answer."""
    status = yield sys.call(sys.cap("clock"), ALARM, (1, 1))
    yield sys.send(sys.cap("logger"), INFO, "refused: %d" % status)
    while True:
        yield sys.recv()
