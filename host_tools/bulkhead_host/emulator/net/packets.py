"""IPv4, TCP, UDP and ICMP packets, as far as a gateway needs them (RFC 791, 9293, 768, 792).

scapy and dpkt were looked at: they have the formats, which are these few lines, and neither PPP's
line nor a TCP that sends again.
"""

import struct
from dataclasses import dataclass

ICMP, TCP, UDP = 1, 6, 17
FIN, SYN, RST, PUSH, ACK = 1, 2, 4, 8, 16

_IP = struct.Struct(">BBHHHBBH4s4s")
_TCP = struct.Struct(">HHIIBBHHH")
_UDP = struct.Struct(">HHHH")
_TTL = 64
_WORD = 4
_MSS_OPTION = 2
_FRAGMENT = 0x3FFF  # more fragments, and an offset


def checksum(data: bytes) -> int:
    """Return the internet checksum (RFC 1071)."""
    if len(data) & 1:
        data += b"\0"
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


@dataclass(frozen=True, kw_only=True)
class Packet:
    """An IPv4 packet; addresses are their four bytes."""

    protocol: int
    source: bytes
    target: bytes
    payload: bytes

    def packed(self) -> bytes:
        """Return it as it is sent."""
        size = _IP.size + len(self.payload)
        fields = [0x45, 0, size, 0, 0, _TTL, self.protocol, 0, self.source, self.target]
        fields[7] = checksum(_IP.pack(*fields))
        return _IP.pack(*fields) + self.payload


def read_packet(data: bytes) -> Packet | None:
    """Return an IPv4 packet; None for what is none, a damaged one, or a fragment."""
    if len(data) < _IP.size or data[0] >> 4 != _WORD:
        return None
    head = (data[0] & 15) * 4
    _, _, size, _, fragment, _, protocol, _, source, target = _IP.unpack_from(data)
    if not _IP.size <= head <= size <= len(data) or checksum(data[:head]) or fragment & _FRAGMENT:
        return None
    return Packet(protocol=protocol, source=source, target=target, payload=data[head:size])


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A TCP segment; `mss` is what its option says, 0 without one."""

    source: int
    target: int
    sequence: int
    acknowledged: int = 0
    flags: int
    window: int = 0
    mss: int = 0
    data: bytes = b""

    def packed(self, source: bytes, target: bytes) -> bytes:
        """Return it as the payload of a packet between two addresses."""
        option = struct.pack(">BBH", _MSS_OPTION, 4, self.mss) if self.mss else b""
        offset = (_TCP.size + len(option)) // _WORD << 4
        fields = [self.source, self.target, self.sequence, self.acknowledged]
        fields += [offset, self.flags, self.window, 0, 0]
        data = option + self.data
        fields[7] = checksum(
            _pseudo(source, target, TCP, _TCP.size + len(data)) + _TCP.pack(*fields) + data
        )
        return _TCP.pack(*fields) + data


def read_segment(packet: Packet) -> Segment | None:
    """Return the TCP segment of a packet; None for a damaged one."""
    data = packet.payload
    if len(data) < _TCP.size:
        return None
    source, target, sequence, acknowledged, offset, flags, window, _, _ = _TCP.unpack_from(data)
    head = (offset >> 4) * _WORD
    pseudo = _pseudo(packet.source, packet.target, TCP, len(data))
    if not _TCP.size <= head <= len(data) or checksum(pseudo + data):
        return None
    return Segment(
        source=source,
        target=target,
        sequence=sequence,
        acknowledged=acknowledged,
        flags=flags,
        window=window,
        mss=_mss(data[_TCP.size : head]),
        data=data[head:],
    )


def _mss(options: bytes) -> int:
    at = 0
    while at < len(options) and options[at] != 0:
        if options[at] == 1:
            at += 1
            continue
        if at + 1 >= len(options) or options[at + 1] <= 1:
            break
        if options[at] == _MSS_OPTION and len(options) >= at + 4:
            return int.from_bytes(options[at + 2 : at + 4], "big")
        at += options[at + 1]
    return 0


@dataclass(frozen=True, kw_only=True)
class Datagram:
    """A UDP datagram."""

    source: int
    target: int
    data: bytes

    def packed(self, source: bytes, target: bytes) -> bytes:
        """Return it as the payload of a packet between two addresses."""
        size = _UDP.size + len(self.data)
        head = _UDP.pack(self.source, self.target, size, 0)
        found = checksum(_pseudo(source, target, UDP, size) + head + self.data)
        return _UDP.pack(self.source, self.target, size, found or 0xFFFF) + self.data


def read_datagram(packet: Packet) -> Datagram | None:
    """Return the UDP datagram of a packet; None for a damaged one."""
    data = packet.payload
    if len(data) < _UDP.size:
        return None
    source, target, size, found = _UDP.unpack_from(data)
    if not _UDP.size <= size <= len(data):
        return None
    if found and checksum(_pseudo(packet.source, packet.target, UDP, size) + data[:size]):
        return None
    return Datagram(source=source, target=target, data=data[_UDP.size : size])


def _pseudo(source: bytes, target: bytes, protocol: int, size: int) -> bytes:
    return source + target + struct.pack(">BBH", 0, protocol, size)
