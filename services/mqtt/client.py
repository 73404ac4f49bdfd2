"""The protocol: a connection that is kept, what is queued, who has subscribed to what."""

import time

from bulkhead import mqtt as packets
from bulkhead.mqtt import Parser
from micropython import const

from services.mqtt.api import CONNECTED, CONNECTING, OFF, PAUSING
from services.net.api import Connection, Lost

_LOOK_MS = const(250)  # at times that pass: net tells of what comes
_CONNECT_MS = const(10_000)  # for the broker to take the board
_NUMBER_MAX = const(0xFFFF)


class Message:
    """One that is published; `number` is its packet identifier, 0 before it is sent."""

    def __init__(self, topic, payload, qos, retain):
        self.topic = topic
        self.payload = payload
        self.qos = qos
        self.retain = retain
        self.number = 0
        self.was_sent = False


class Client:
    """What the service knows; `wants` are subscriptions by filter: (task number, operation, QoS).

    Of messages one at a time is on its way, in their order: the next is sent when the broker has
    this one, or for QoS 0 when the socket has.
    """

    def __init__(self, config, net):
        self.config = config
        self.net = net
        self.state = PAUSING if config["broker"] else OFF
        self.queue = []
        self.wants = {}
        self.lost = 0
        self.connection = None
        self.parser = Parser()
        self.number = 0
        self.pause_ms = config["pause_first_ms"]
        self.due_ms = self.sent_ms = self.heard_ms = self.asked_ms = time.ticks_ms()
        self.is_pinging = False
        self.awaits_ack = False

    def wait_ms(self):
        """Return the milliseconds until there is something to do, None if never."""
        if self.state == OFF:
            return None
        if self.state == PAUSING:
            return max(0, time.ticks_diff(self.due_ms, time.ticks_ms()))
        can_send = self.state == CONNECTED and self.queue and not self.awaits_ack
        if self.connection.has_more or can_send and not self.connection.out:
            return 0
        return _LOOK_MS

    def look(self, task):
        """Do what there is to do; return the next packet that came, None if none did.

        Raises Lost or BadPacket when the connection has to be given up: see `give_up`.
        """
        now = time.ticks_ms()
        if self.state == PAUSING:
            if time.ticks_diff(now, self.due_ms) >= 0:
                yield from self._begin(task, now)
            return None
        data = yield from self.connection.look(task)
        if data:
            self.heard_ms = now
            self.parser.feed(data)
        if self.state == CONNECTED:
            self._keep_alive(now)
            self._send_next(now)
        elif time.ticks_diff(now, self.due_ms) >= 0:
            raise Lost
        yield from self.connection.flush(task)
        self.lost += self.parser.skipped
        self.parser.skipped = 0
        return self.parser.next()

    def give_up(self, task, lost):
        """End the connection, and plan the next: soon where the board has no network."""
        if self.connection:
            yield from self.connection.close(task)
            self.connection = None
        self.parser = Parser()
        self.state = PAUSING
        self.awaits_ack = False
        is_down = getattr(lost, "is_down", False)
        pause_ms = self.config["pause_first_ms"] if is_down else self.pause_ms
        self.due_ms = time.ticks_add(time.ticks_ms(), pause_ms)
        if not is_down:
            self.pause_ms = min(2 * self.pause_ms, self.config["pause_last_ms"])

    def accepted(self):
        """Take it that the broker has taken the board: subscribe to all."""
        self.state = CONNECTED
        self.pause_ms = self.config["pause_first_ms"]
        self.sent_ms = self.heard_ms = time.ticks_ms()
        self.is_pinging = False
        for name, (_, _, qos) in self.wants.items():
            self.send(packets.subscribe(self.next_number(), name, qos))

    def acknowledged(self, number):
        """Take it that the broker has a message."""
        if self.awaits_ack and self.queue[0].number == number:
            self.awaits_ack = False
            self.queue.pop(0)

    def send(self, data):
        """Send a packet, if there is a connection."""
        if self.state == CONNECTED:
            self.connection.send(data)
            self.sent_ms = time.ticks_ms()

    def next_number(self):
        """Return a packet identifier that is not in use (2.3.1)."""
        self.number = self.number % _NUMBER_MAX + 1
        return self.number

    def _begin(self, task, now):
        self.due_ms = time.ticks_add(now, _CONNECT_MS)
        self.connection = Connection(self.net)
        yield from self.connection.begin(task, self.config["broker"], self.config["port"])
        self.connection.send(packets.connect(self.config))
        self.state = CONNECTING
        yield from self.connection.flush(task)

    def _keep_alive(self, now):
        """Ping in half of the time that the broker waits; give up what does not answer."""
        keepalive_ms = self.config["keepalive_s"] * 1000
        if not keepalive_ms:
            return
        if self.is_pinging or self.awaits_ack:
            if time.ticks_diff(now, self.asked_ms) >= keepalive_ms:
                raise Lost
        quiet_ms = max(time.ticks_diff(now, self.sent_ms), time.ticks_diff(now, self.heard_ms))
        if not self.is_pinging and quiet_ms >= keepalive_ms // 2:
            self.send(packets.PINGREQ)
            self.is_pinging = True
            self.asked_ms = now

    def _send_next(self, now):
        if self.awaits_ack or not self.queue or self.connection.out:
            return
        message = self.queue[0]
        if message.qos and not message.number:
            message.number = self.next_number()
        self.send(
            packets.publish(
                message.topic,
                message.payload,
                message.qos,
                message.retain,
                message.number,
                message.was_sent,
            )
        )
        message.was_sent = True
        if message.qos:
            self.awaits_ack = True
            self.asked_ms = now
        else:
            self.queue.pop(0)
