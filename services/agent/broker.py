"""A line by an MQTT broker: frames come by one topic and go by another, a third has the status.

bulkhead/BOARD/to      from hosts, a frame a message
bulkhead/BOARD/from    to all hosts; each knows the answers to its own orders
bulkhead/BOARD/status  retained: what the board says of itself, `gone` by its will
"""

import time

from bulkhead import mqtt
from bulkhead.mqtt import BadPacket, Parser
from micropython import const

from services.console.api import CONNECTED, CONNECTING, PAUSING
from services.net.api import Connection, Lost

GONE = "gone"
_ROOT = "bulkhead/"
_CONNECT_MS = const(10_000)  # for the broker to take the board
_WAIT_MS_MAX = const(1000)
_ARRIVED_MAX = const(1024)  # bytes that wait for the console; what is more waits in the network
_OUT_MAX = const(512)  # bytes that wait for the network, before a writer has to
_REST_MS = const(10)  # after each read: a broker that floods leaves the processor to others
_OTHERS_MAX = const(4)  # frames of other boards that wait for who called them
_BODY_MAX = const(640)  # of a packet: a frame and its topic


class Broker:
    """A connection to a broker that is kept, and made anew after pauses that double.

    `arrived` is for the console; `wants_status` says that the broker knows no status yet.
    """

    def __init__(self, config, name, net, others):
        self.config = config
        self.root = _ROOT + name
        self.others = {_ROOT + board + "/from": board for board in others}
        self.from_others = []  # pairs of a board and its frame
        self.net = net
        self.state = PAUSING
        self.connection = None
        self.parser = Parser(_BODY_MAX)
        self.arrived = b""
        self.wants_status = False
        self.is_pinging = False
        self.connections = self.lost = 0
        self.pause_ms = config["pause_first_ms"]
        now = time.ticks_ms()
        self.due_ms = self.sent_ms = self.heard_ms = self.asked_ms = self.rested_ms = now

    def wait_ms(self):
        """Return the milliseconds until there is something to do."""
        if self.state == PAUSING:
            return max(0, time.ticks_diff(self.due_ms, time.ticks_ms()))
        if self.connection.has_more and len(self.arrived) <= _ARRIVED_MAX:
            return max(0, time.ticks_diff(self.rested_ms, time.ticks_ms()))
        return _WAIT_MS_MAX

    def look(self, task):
        """Do what there is to do."""
        try:
            yield from self._look(task)
        except (Lost, BadPacket) as lost:
            yield from self._give_up(task, lost)

    def has_room(self):
        """Tell whether a writer may go on."""
        return self.state != CONNECTED or len(self.connection.out) <= _OUT_MAX

    def write(self, data):
        """Send a frame to the hosts."""
        self._send_to(self.root + "/from", data, is_retained=False)

    def write_to(self, board, data):
        """Send a frame to another board."""
        self._send_to(_ROOT + board + "/to", data, is_retained=False)

    def say(self, text):
        """Have the broker keep how the board is."""
        self.wants_status = False
        self._send_to(self.root + "/status", text, is_retained=True)

    def _send_to(self, topic, data, is_retained):
        if self.state != CONNECTED:
            self.lost += len(data)
            return
        try:
            self._send(mqtt.publish(topic, data, 0, is_retained, 0, False))
        except Lost:  # it takes nothing: the next look at it ends it
            self.lost += len(data)

    def _look(self, task):
        now = time.ticks_ms()
        if self.state == PAUSING:
            if time.ticks_diff(now, self.due_ms) >= 0:
                yield from self._begin(task, now)
            return
        if time.ticks_diff(now, self.rested_ms) < 0:
            self.connection.has_more = True
        elif len(self.arrived) <= _ARRIVED_MAX:
            data = yield from self.connection.look(task)
            if data:
                self.rested_ms = time.ticks_add(now, _REST_MS)
                self.heard_ms = now
                self.parser.feed(data)
                found = self.parser.next()
                while found:
                    self._take(*found)
                    found = self.parser.next()
        if self.state == CONNECTED:
            self._keep_alive(now)
        elif time.ticks_diff(now, self.due_ms) >= 0:
            raise Lost
        yield from self.connection.flush(task)

    def _begin(self, task, now):
        self.due_ms = time.ticks_add(now, _CONNECT_MS)
        self.connection = Connection(self.net)
        yield from self.connection.begin(task, self.config["broker"], self.config["port"])
        will = {"will_topic": self.root + "/status", "will_payload": GONE, "will_retain": True}
        asked = dict(self.config)
        asked.update(will, client_id="")  # a name that others know would let them end this
        self.connection.send(mqtt.connect(asked))
        self.state = CONNECTING
        yield from self.connection.flush(task)

    def _take(self, first, body):
        """Take one packet. Raises BadPacket, or Lost when the broker refuses the board."""
        kind = first & 0xF0
        if kind == mqtt.CONNACK and len(body) == 2:
            if body[1]:  # 3.2.2.3
                raise Lost
            self._accepted()
        elif self.state != CONNECTED:
            raise BadPacket
        elif kind == mqtt.PUBLISH:
            topic, payload, number = mqtt.published(first, body)
            if topic == self.root + "/to":
                self.arrived += payload
            elif topic in self.others and len(self.from_others) < _OTHERS_MAX:
                self.from_others.append((self.others[topic], payload))
            if number:
                self._send(mqtt.puback(number))
        elif kind == mqtt.PINGRESP:
            self.is_pinging = False
        elif kind != mqtt.SUBACK:
            raise BadPacket

    def _accepted(self):
        self.state = CONNECTED
        self.connections += 1
        self.pause_ms = self.config["pause_first_ms"]
        self.heard_ms = time.ticks_ms()
        self.is_pinging = False
        self.wants_status = True
        self._send(mqtt.subscribe(1, self.root + "/to", 0))
        for number, topic in enumerate(self.others, 2):
            self._send(mqtt.subscribe(number, topic, 0))

    def _send(self, data):
        self.connection.send(data)
        self.sent_ms = time.ticks_ms()

    def _keep_alive(self, now):
        """Ping in half of the time that the broker waits; give up what does not answer."""
        keepalive_ms = self.config["keepalive_s"] * 1000
        if self.is_pinging and time.ticks_diff(now, self.asked_ms) >= keepalive_ms:
            raise Lost
        quiet_ms = max(time.ticks_diff(now, self.sent_ms), time.ticks_diff(now, self.heard_ms))
        if not self.is_pinging and quiet_ms >= keepalive_ms // 2:
            self._send(mqtt.PINGREQ)
            self.is_pinging = True
            self.asked_ms = now

    def _give_up(self, task, lost):
        """End the connection, and plan the next: soon where the board has no network."""
        if self.connection:
            self.lost += len(self.connection.out)
            yield from self.connection.close(task)
            self.connection = None
        self.parser = Parser(_BODY_MAX)
        self.arrived = b""
        self.state = PAUSING
        is_down = getattr(lost, "is_down", False)
        pause_ms = self.config["pause_first_ms"] if is_down else self.pause_ms
        self.due_ms = time.ticks_add(time.ticks_ms(), pause_ms)
        if not is_down:
            self.pause_ms = min(2 * self.pause_ms, self.config["pause_last_ms"])

    def handed_over(self):
        """Return the connection that an update hands over, and what is half done in it."""
        if self.state != CONNECTED:
            return self.connection.socket if self.connection else 0, 0, b"", b"", b""
        connection = self.connection
        return connection.socket, 1, self.arrived, bytes(self.parser.data), connection.out

    def take_over(self, socket, is_connected, arrived, data, out):
        """Go on with a connection that is there; one that was being made begins anew."""
        if not socket:
            return
        self.connection = Connection(self.net, socket)
        self.state = CONNECTED if is_connected else CONNECTING
        if not is_connected:  # it is due, and given up
            return
        self.connection.out = out
        self.connection.has_more = True
        self.arrived = arrived
        self.parser.feed(data)
        self.connections += 1
        self.wants_status = True
