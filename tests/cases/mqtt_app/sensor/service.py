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


def main(sys):
    """Log what each call gives; answer each message with what it says, below `home/echo`."""
    mqtt = sys.cap("mqtt")
    for step, operation, arg in _REFUSED:
        yield from say(sys, step, (yield sys.call(mqtt, operation, arg)))
    yield from say(sys, "subscribed", (yield sys.call(mqtt, SUBSCRIBE, ("home/+/set", _ORDER, 1))))
    yield from say(sys, "early", (yield sys.call(mqtt, PUBLISH, ("home/a/t", b"21", 0, False))))
    yield from say(sys, "there", (yield sys.call(mqtt, WAIT, None, _LONG_MS)))
    yield from say(sys, "late", (yield sys.call(mqtt, PUBLISH, ("home/a/t", b"22", 1, True))))
    while True:
        if (yield sys.recv()) != _ORDER:
            continue
        topic, payload = sys.arg
        if payload == b"fill":
            yield from fill(sys, mqtt)
        elif payload == b"status":
            yield sys.call(mqtt, STATUS)
            value = repr(sys.arg).encode()
            yield sys.call(mqtt, PUBLISH, ("home/status", value, 1, False))
        elif payload == b"leave":
            yield sys.call(mqtt, UNSUBSCRIBE, "home/+/set")
        else:
            value = topic.encode() + b" " + payload
            yield sys.call(mqtt, PUBLISH, ("home/echo", value, 0, False))


def fill(sys, mqtt):
    """Publish until the queue is full."""
    count = 0
    while (yield sys.call(mqtt, PUBLISH, ("home/fill", b"%d" % count, 1, False))) == OK:
        count += 1
    yield from say(sys, "full", count)


def say(sys, step, what):
    """Log one step."""
    yield sys.send(sys.cap("logger"), INFO, "%s: %d" % (step, what))
