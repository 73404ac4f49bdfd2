"""Operations of the mqtt service: publish, and have messages sent to one's own mailbox.

    yield task.call(mqtt, PUBLISH, ("garden/soil", b"41", 1, False))
    yield task.call(mqtt, SUBSCRIBE, ("garden/+/set", WATER, 1))

A message comes as WATER, a number of the subscriber's choice, with (topic, payload). A topic is a
str, a payload bytes; both together have at most 250 bytes. QoS is 0, at most once, or 1, at least
once: what is published so is sent again, after a new connection too, until the broker has it.
"""

from micropython import const

PUBLISH = const(1)  # arg: (topic, payload, QoS, is it retained) -> OK: it is queued; QUEUE_FULL
# arg: (filter, operation from 1 to 190, QoS) -> OK; NO_RIGHT, NO_ROOM: a filter is one client's
SUBSCRIBE = const(2)
UNSUBSCRIBE = const(3)  # arg: filter -> OK; UNKNOWN_FILTER
STATUS = const(4)  # -> OK, arg: (state, messages queued, messages lost)
WAIT = const(5)  # -> once the broker has taken the board: OK; NO_ROOM
QUEUE_FULL = const(1)  # QUEUE_MAX messages wait for the broker
NO_RIGHT = const(2)  # mqtt's manifest does not let it send to the caller: caller = ["send"]
NO_ROOM = const(3)  # SUBSCRIPTIONS_MAX there are, or WAITERS_MAX
UNKNOWN_FILTER = const(4)  # the caller has not subscribed to it

# States.
OFF = const(0)  # the manifest names no broker
CONNECTING = const(1)
CONNECTED = const(2)
PAUSING = const(3)  # the last try has failed, or the connection was lost; the next try comes

MESSAGE_BYTES_MAX = const(250)  # topic and payload together
FILTER_BYTES_MAX = const(64)  # of UTF-8
QUEUE_MAX = const(12)  # messages
SUBSCRIPTIONS_MAX = const(8)  # of all clients
WAITERS_MAX = const(4)  # clients
