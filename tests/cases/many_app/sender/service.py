"""Publish numbers at QoS 1, each once mqtt has room, and log how many it counts as lost."""

from bulkhead import OK
from bulkhead_system import CONFIG
from micropython import const

from services.logger.api import INFO
from services.mqtt.api import PUBLISH, STATUS, WAIT

_PAUSE_MS = const(2)


def main(task):
    """Publish, and wait until the broker has all."""
    mqtt = task.cap("mqtt")
    count = dict(dict(CONFIG)[task.name()])["count"]
    yield task.call(mqtt, WAIT)
    number = 0
    while number < count:
        if (yield task.call(mqtt, PUBLISH, ("many", b"%d" % number, 1, False))) == OK:
            number += 1
        else:
            yield task.sleep(_PAUSE_MS)
    waiting = lost = 1
    while waiting:
        yield task.sleep(_PAUSE_MS)
        yield task.call(mqtt, STATUS)
        _, waiting, lost = task.arg
    yield task.send(task.cap("logger"), INFO, "published %d, lost %d" % (number, lost))
    yield task.recv()
