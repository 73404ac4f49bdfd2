"""Publish, subscribe, and do what the broker's other clients ask for."""

from bulkhead import OK

from services.logger.api import INFO
from services.mqtt.api import PUBLISH, STATUS, SUBSCRIBE, UNSUBSCRIBE, WAIT

_ORDER = 7  # what messages come as
_LONG_MS = 60_000
_REFUSED = (
    ("a wildcard", PUBLISH, ("home/+", b"", 0, False)),
    ("no bytes", PUBLISH, ("home/a", "text", 0, False)),
    ("too long", PUBLISH, ("home/a", bytes(245), 0, False)),
    ("QoS 2", PUBLISH, ("home/a", b"", 2, False)),
    ("no filter", SUBSCRIBE, ("home/#/a", 7, 0)),
    ("not mine", UNSUBSCRIBE, "home/b"),
)


def main(task):
    """Log what each call gives; answer each message with what it says, below `home/echo`."""
    mqtt = task.cap("mqtt")
    for step, operation, arg in _REFUSED:
        yield from say(task, step, (yield task.call(mqtt, operation, arg)))
    yield from say(
        task, "subscribed", (yield task.call(mqtt, SUBSCRIBE, ("home/+/set", _ORDER, 1)))
    )
    yield from say(task, "early", (yield task.call(mqtt, PUBLISH, ("home/a/t", b"21", 0, False))))
    yield from say(task, "there", (yield task.call(mqtt, WAIT, None, _LONG_MS)))
    yield from say(task, "late", (yield task.call(mqtt, PUBLISH, ("home/a/t", b"22", 1, True))))
    while True:
        if (yield task.recv()) != _ORDER:
            continue
        topic, payload = task.arg
        if payload == b"fill":
            yield from fill(task, mqtt)
        elif payload == b"status":
            yield task.call(mqtt, STATUS)
            value = repr(task.arg).encode()
            yield task.call(mqtt, PUBLISH, ("home/status", value, 1, False))
        elif payload == b"leave":
            yield task.call(mqtt, UNSUBSCRIBE, "home/+/set")
        else:
            value = topic.encode() + b" " + payload
            yield task.call(mqtt, PUBLISH, ("home/echo", value, 0, False))


def fill(task, mqtt):
    """Publish until the queue is full."""
    count = 0
    while (yield task.call(mqtt, PUBLISH, ("home/fill", b"%d" % count, 1, False))) == OK:
        count += 1
    yield from say(task, "full", count)


def say(task, step, what):
    """Log one step."""
    yield task.send(task.cap("logger"), INFO, "%s: %d" % (step, what))
