"""Publish messages of 100 bytes one by one, each when the broker has the one before."""

import time

from micropython import const

from services.logger.api import INFO
from services.mqtt.api import PUBLISH, STATUS, WAIT

_TIMES = const(20)
_LONG_MS = const(20_000)


def main(task):
    """Log the median of the times until the broker has acknowledged, in us."""
    mqtt = task.cap("mqtt")
    yield task.call(mqtt, WAIT, None, _LONG_MS)
    taken_us = []
    for number in range(_TIMES):
        begun = time.ticks_us()
        yield task.call(mqtt, PUBLISH, ("bench/message", b"%87d" % number, 1, False))
        waiting = 1
        while waiting:
            yield task.sleep(1)
            yield task.call(mqtt, STATUS)
            waiting = task.arg[1]
        taken_us.append(time.ticks_diff(time.ticks_us(), begun))
    text = "publish_us=%d" % sorted(taken_us)[_TIMES // 2]
    yield task.send(task.cap("logger"), INFO, text)
    yield task.recv()
