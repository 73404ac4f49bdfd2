"""Ask for an alarm that the clock's manifest does not allow."""

from services.clock.api import ALARM
from services.logger.api import INFO


def main(task):
    """Ask, and log the answer."""
    status = yield task.call(task.cap("clock"), ALARM, (1, 1))
    yield task.send(task.cap("logger"), INFO, "refused: %d" % status)
    while True:
        yield task.recv()
