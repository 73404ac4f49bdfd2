"""Keep the board connected to an MQTT broker: publish for clients, send them what comes.

The net service has the socket, and tells when there is something to do with it.
"""

from struct import calcsize, pack, unpack_from

from bulkhead import DEAD, NoCapability, NOTIFIED, OK, REFUSED, TIMEOUT
from bulkhead import mqtt as packets
from bulkhead.mqtt import BadPacket
from bulkhead_system import CONFIG, SERVICES
from micropython import const

from services.logger import api as logger_api
from services.mqtt.api import (
    CONNECTED,
    FILTER_BYTES_MAX,
    MESSAGE_BYTES_MAX,
    NO_RIGHT,
    NO_ROOM,
    OFF,
    PUBLISH,
    QUEUE_FULL,
    QUEUE_MAX,
    STATUS,
    SUBSCRIBE,
    SUBSCRIPTIONS_MAX,
    UNKNOWN_FILTER,
    UNSUBSCRIBE,
    WAIT,
    WAITERS_MAX,
)
from services.mqtt.client import Client, Message
from services.net.api import CLOSE, Lost

_SEND_MS = const(1)  # for a mailbox that blocks when it is full
_OPERATION_MAX = const(190)
_HEAD = "<IIBB"  # messages lost, socket, callers that wait, subscriptions
_WAITER = "<BI"  # badge, token
_WANT = "<BBBB"  # task number, operation, QoS, bytes of the filter
_MESSAGE = "<BBBHBB"  # QoS, retained, was it sent, identifier, bytes of topic and payload


class Broker:
    """The client, and tokens by badge of callers that wait. An update costs the connection.

    `left` is the socket of that connection, which the new code closes.
    """

    def __init__(self, config, net):
        self.client = Client(config, net)
        self.waiters = {}
        self.left = 0

    def export_state(self):
        """Return who waits, what is subscribed to, and what is queued."""
        client = self.client
        socket = client.connection.socket if client.connection else 0
        parts = [pack(_HEAD, client.lost, socket, len(self.waiters), len(client.wants))]
        parts += [pack(_WAITER, *pair) for pair in self.waiters.items()]
        for name, want in client.wants.items():
            data = name.encode()
            parts += [pack(_WANT, *want, len(data)), data]
        for one in client.queue:
            topic = one.topic.encode()
            row = (one.qos, one.retain, one.was_sent, one.number, len(topic), len(one.payload))
            parts += [pack(_MESSAGE, *row), topic, one.payload]
        return b"".join(parts)

    def import_state(self, _version, state):
        """Go on with that."""
        client = self.client
        client.lost, self.left, waiters, wants = unpack_from(_HEAD, state)
        at = calcsize(_HEAD)
        for _ in range(waiters):
            badge, self.waiters[badge] = unpack_from(_WAITER, state, at)
            at += calcsize(_WAITER)
        for _ in range(wants):
            number, operation, qos, size = unpack_from(_WANT, state, at)
            at += calcsize(_WANT)
            client.wants[state[at : at + size].decode()] = (number, operation, qos)
            at += size
        while at < len(state):
            qos, retain, was_sent, number, size, count = unpack_from(_MESSAGE, state, at)
            at += calcsize(_MESSAGE)
            end = at + size + count
            message = Message(state[at : at + size].decode(), state[at + size : end], qos, retain)
            message.number, message.was_sent = number, was_sent
            client.queue.append(message)
            client.number = max(client.number, number)
            at = end


def main(task):
    """Serve `api`."""
    net = task.cap("net")
    broker = Broker(dict(dict(CONFIG)[task.name()]), net)
    task.carry_over(broker)
    if broker.left:
        yield task.call(net, CLOSE, broker.left)
    client = broker.client
    while True:
        operation = yield task.recv(client.wait_ms())
        if operation not in (TIMEOUT, NOTIFIED) and task.caller():
            yield from serve(task, broker, operation)
        elif client.state != OFF:
            yield from look(task, broker)


def look(task, broker):
    """Go on with the connection; take every packet that has come."""
    client = broker.client
    was_connected = client.state == CONNECTED
    try:
        found = yield from client.look(task)
        while found:
            yield from take(task, broker, *found)
            found = client.parser.next()
        if client.connection:
            yield from client.connection.flush(task)
    except (Lost, BadPacket) as lost:
        yield from client.give_up(task, lost)
        if was_connected:
            yield from log(task, logger_api.WARNING, "the broker is lost")


def take(task, broker, first, body):
    """Take one packet. Raises BadPacket, or Lost when the broker refuses the board."""
    client = broker.client
    kind = first & 0xF0
    if kind == packets.CONNACK and len(body) == 2:
        if body[1]:  # 3.2.2.3
            yield from log(task, logger_api.WARNING, "the broker refuses: code %d" % body[1])
            raise Lost
        client.accepted()
        yield from log(task, logger_api.INFO, "the broker is there")
        waiters, broker.waiters = broker.waiters, {}
        for token in waiters.values():
            yield task.reply_to(token, OK)
    elif client.state != CONNECTED:
        raise BadPacket
    elif kind == packets.PUBLISH:
        topic, payload, number = packets.published(first, body)
        yield from deliver(task, client, topic, payload)
        if number:
            client.send(packets.puback(number))
    elif kind == packets.PUBACK:
        client.acknowledged(packets.number_of(body))
    elif kind == packets.SUBACK and len(body) == 3:
        if body[2] == packets.REFUSED_FILTER:
            yield from log(task, logger_api.WARNING, "the broker refuses a subscription")
    elif kind == packets.PINGRESP:
        client.is_pinging = False
    elif kind != packets.UNSUBACK:
        raise BadPacket


def deliver(task, client, topic, payload):
    """Send a message to who has subscribed to it; what a full mailbox does not take is lost."""
    is_small = len(topic.encode()) + len(payload) <= MESSAGE_BYTES_MAX
    for name, (number, operation, _) in list(client.wants.items()):
        if not packets.fits(name, topic):
            continue
        status = DEAD
        if is_small:
            handle = task.cap(SERVICES[number - 1][0])
            status = yield task.send(handle, operation, (topic, payload), _SEND_MS)
            if status == DEAD and (yield task.reopen(handle)) == OK:
                status = yield task.send(handle, operation, (topic, payload), _SEND_MS)
        client.lost += status != OK


def serve(task, broker, operation):
    """Answer one call."""
    client = broker.client
    arg, token, badge = task.arg, task.caller(), task.badge()
    status, value = REFUSED, None
    if operation == PUBLISH and is_message(arg):
        status = QUEUE_FULL if len(client.queue) == QUEUE_MAX else OK
        if status == OK:
            client.queue.append(Message(*arg))
    elif operation == SUBSCRIBE and is_subscription(arg):
        status = subscribe(task, client, badge, *arg)
    elif operation == UNSUBSCRIBE and type(arg) is str:
        status = UNKNOWN_FILTER
        if client.wants.get(arg, (0,))[0] == badge:
            del client.wants[arg]
            client.send(packets.unsubscribe(client.next_number(), arg))
            status = OK
    elif operation == STATUS:
        status, value = OK, (client.state, len(client.queue), client.lost)
    elif operation == WAIT and client.state == CONNECTED:
        status = OK
    elif operation == WAIT:
        if len(broker.waiters) < WAITERS_MAX or badge in broker.waiters:
            broker.waiters[badge] = token
            return
        status = NO_ROOM
    yield task.reply_to(token, status, value)


def subscribe(task, client, badge, name, operation, qos):
    """Take a subscription; return the status. A filter is one client's."""
    try:
        task.cap(SERVICES[badge - 1][0])
    except (NoCapability, IndexError):
        return NO_RIGHT
    if name in client.wants and client.wants[name][0] != badge:
        return NO_ROOM
    if name not in client.wants and len(client.wants) == SUBSCRIPTIONS_MAX:
        return NO_ROOM
    client.wants[name] = (badge, operation, qos)
    client.send(packets.subscribe(client.next_number(), name, qos))
    return OK


def is_message(arg):
    """Tell whether a value is what PUBLISH takes; a topic has no wildcards (3.3.2.1)."""
    if type(arg) is not tuple or len(arg) != 4:
        return False
    topic, payload, qos, retain = arg
    if type(topic) is not str or type(payload) is not bytes or type(retain) is not bool:
        return False
    if not packets.is_filter(topic) or "+" in topic or "#" in topic:
        return False
    size = len(topic.encode()) + len(payload)
    return type(qos) is int and 0 <= qos <= 1 and size <= MESSAGE_BYTES_MAX


def is_subscription(arg):
    """Tell whether a value is what SUBSCRIBE takes."""
    if type(arg) is not tuple or len(arg) != 3 or type(arg[0]) is not str:
        return False
    name, operation, qos = arg
    if not packets.is_filter(name) or len(name.encode()) > FILTER_BYTES_MAX:
        return False
    is_operation = type(operation) is int and 1 <= operation <= _OPERATION_MAX
    return is_operation and type(qos) is int and 0 <= qos <= 1


def log(task, level, words):
    """Log a line."""
    logger = task.cap("logger")
    if (yield task.send(logger, level, words)) == DEAD:
        yield task.reopen(logger)
        yield task.send(logger, level, words)
