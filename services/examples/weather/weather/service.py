"""Publish the temperature twice a second, numbered, and count what the queue had no room for."""

from bulkhead import DEAD, OK
from micropython import const

from services.logger.api import INFO
from services.mqtt.api import PUBLISH, QUEUE_FULL
from services.thermometer.api import READ

_EVERY_MS = const(500)


class Report:
    """What outlasts an update: the number of the next message, and how many were left out."""

    def __init__(self):
        self.number = 0
        self.left_out = 0

    def export_state(self):
        """Return both."""
        return (self.number, self.left_out)

    def import_state(self, _version, state):
        """Go on with them."""
        self.number, self.left_out = state


def main(task):
    """Publish for ever; after a crash too, from the number it had come to."""
    report = Report()
    if not task.carry_over(report) and (yield task.unstash()) == OK:
        report.import_state(0, task.arg)
    while True:
        status = yield from ask(task, "thermometer", READ)
        if status == OK:
            yield from publish(task, report, task.arg)
        yield task.sleep(_EVERY_MS)


def publish(task, report, hundredths):
    """Publish one reading, so that the broker has it at least once."""
    text = "%d %d.%02d" % (report.number, hundredths // 100, hundredths % 100)
    message = ("weather/temperature", text.encode(), 1, False)
    status = yield from ask(task, "mqtt", PUBLISH, message)
    if status == OK:
        report.number += 1
        yield task.send(task.cap("logger"), INFO, "published " + text)
    elif status == QUEUE_FULL:
        report.left_out += 1
    yield task.stash(report.export_state())


def ask(task, name, operation, arg=None):
    """Call a service, once more if it has just been started again; return the status."""
    handle = task.cap(name)
    status = yield task.call(handle, operation, arg)
    if status == DEAD and (yield task.reopen(handle)) == OK:
        status = yield task.call(handle, operation, arg)
    return status
