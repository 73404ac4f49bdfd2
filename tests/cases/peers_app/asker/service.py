"""Ask the thermometer twenty times a second."""

from services.thermometer.api import READ


def main(task):
    """Call, for ever: to fail is to be started again, which shows."""
    thermometer = task.cap("thermometer")
    while True:
        status = yield task.call(thermometer, READ)
        if status:
            raise OSError(status)
        yield task.sleep(50)
