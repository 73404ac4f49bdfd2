"""Packets of MQTT 3.1.1 (OASIS Standard, 29 October 2014), as far as a client needs them.

Written here because the library there is, micropython-lib's umqtt.simple, reads its socket and
waits for acknowledgements without a bound: that is no step of a service.
"""

from struct import pack, unpack_from

from micropython import const

# First bytes of packets, 2.2.1.
CONNACK = const(0x20)
PUBLISH = const(0x30)
PUBACK = const(0x40)
SUBACK = const(0x90)
UNSUBACK = const(0xB0)
PINGRESP = const(0xD0)
REFUSED_FILTER = const(0x80)  # 3.9.3

PINGREQ = b"\xc0\x00"  # 3.12

_BODY_MAX = const(512)
_LENGTH_BYTES_MAX = const(4)


class BadPacket(ValueError):
    """What came is no packet: the connection is of no more use (4.8)."""


def connect(config):
    """Return CONNECT, of a clean session (3.1)."""
    flags = 0x02
    fields = [text(config["client_id"])]
    if config["will_topic"]:
        flags |= 0x24 if config["will_retain"] else 0x04
        fields += [text(config["will_topic"]), text(config["will_payload"])]
    if config["user"]:
        flags |= 0x80
        fields.append(text(config["user"]))
    if config["user"] and config["password"]:  # no password without a user, 3.1.2.9
        flags |= 0x40
        fields.append(text(config["password"]))
    head = b"\x00\x04MQTT\x04" + pack(">BH", flags, config["keepalive_s"])
    return packet(0x10, head + b"".join(fields))


def publish(topic, payload, qos, retain, number, is_again):
    """Return PUBLISH; `number` is its packet identifier where the QoS is 1 (3.3)."""
    first = PUBLISH | is_again << 3 | qos << 1 | retain
    return packet(first, text(topic) + (pack(">H", number) if qos else b"") + payload)


def puback(number):
    """Return PUBACK (3.4)."""
    return pack(">BBH", PUBACK, 2, number)


def subscribe(number, name, qos):
    """Return SUBSCRIBE to one topic filter (3.8)."""
    return packet(0x82, pack(">H", number) + text(name) + bytes((qos,)))


def unsubscribe(number, name):
    """Return UNSUBSCRIBE from one topic filter (3.10)."""
    return packet(0xA2, pack(">H", number) + text(name))


def packet(first, body):
    """Return a packet; the length of the rest is in groups of seven bits (2.2.3)."""
    head = bytearray((first,))
    left = len(body)
    while left > 0x7F:
        head.append(left & 0x7F | 0x80)
        left >>= 7
    head.append(left)
    return bytes(head) + body


def text(value):
    """Return a string with its length before it (1.5.3)."""
    data = value.encode()
    return pack(">H", len(data)) + data


def number_of(body):
    """Return the packet identifier that a body begins with. Raises BadPacket."""
    if len(body) < 2:
        raise BadPacket
    return unpack_from(">H", body)[0]


def published(first, body):
    """Return the topic, the payload and the identifier, 0 for QoS 0. Raises BadPacket."""
    end = 2 + number_of(body)
    qos = first >> 1 & 3
    start = end + 2 if qos else end
    if start > len(body) or qos > 1:
        raise BadPacket
    try:
        topic = body[2:end].decode()
    except UnicodeError:
        raise BadPacket from None
    return topic, body[start:], unpack_from(">H", body, end)[0] if qos else 0


def fits(name, topic):
    """Tell whether a topic filter fits a topic (4.7)."""
    wanted, given = name.split("/"), topic.split("/")
    if topic.startswith("$") and wanted[0] in ("+", "#"):  # 4.7.2
        return False
    for index, level in enumerate(wanted):
        if level == "#":
            return True
        if index == len(given) or level not in ("+", given[index]):
            return False
    return len(wanted) == len(given)


def is_filter(name):
    """Tell whether a text is a topic filter (4.7.1)."""
    levels = name.split("/")
    for index, level in enumerate(levels):
        if level == "#" and index != len(levels) - 1:
            return False
        if level not in ("+", "#") and ("+" in level or "#" in level):
            return False
    return name != "" and "\0" not in name


class Parser:
    """Bytes as they come, made into packets; a packet too long to keep is skipped, counted."""

    def __init__(self, body_max=_BODY_MAX):
        self.body_max = body_max
        self.data = bytearray()
        self.left = 0  # bytes of a packet that is skipped
        self.skipped = 0

    def feed(self, data):
        """Take bytes."""
        dropped = min(self.left, len(data))
        self.left -= dropped
        self.data.extend(data[dropped:])

    def next(self):
        """Return the first byte and the body of the next packet, None so far. Raises BadPacket."""
        data = self.data
        size, at, shift = 0, 1, 0
        while True:
            if at >= len(data):
                return None
            if at > _LENGTH_BYTES_MAX:
                raise BadPacket
            size |= (data[at] & 0x7F) << shift
            shift += 7
            at += 1
            if not data[at - 1] & 0x80:
                break
        if size > self.body_max:
            self.skipped += 1
            self.left = max(at + size - len(data), 0)
            self.data = data[at + size :]
            return None
        if len(data) < at + size:
            return None
        self.data = data[at + size :]
        return data[0], bytes(data[at : at + size])
