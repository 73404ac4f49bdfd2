"""The gateway at the far end of the link: TCP, UDP, ping, names and the time of day.

What the board sends to the gateway's address goes to what is registered in this process for its
port, else to the same port of the host's loopback. No other address answers, so nothing that a
board does leaves the machine.
"""

import struct
from collections.abc import Callable, Mapping

from bulkhead_host.emulator.net.events import Events
from bulkhead_host.emulator.net.host import HostSocket, Sockets
from bulkhead_host.emulator.net.packets import (
    ACK,
    FIN,
    ICMP,
    RST,
    SYN,
    TCP,
    UDP,
    Datagram,
    Packet,
    Segment,
    checksum,
    read_datagram,
    read_packet,
    read_segment,
)
from bulkhead_host.emulator.net.tcp import Connection, FarEnd

HOST = bytes((10, 0, 2, 2))
BOARD = bytes((10, 0, 2, 15))
NAME = "gateway"
"""What the gateway's own name server calls it."""

_DNS_PORT, _NTP_PORT = 53, 123
_DNS_HEAD = struct.Struct(">HHHHHH")
_A, _INTERNET = 1, 1
_DNS_OK, _DNS_UNKNOWN = 0x8180, 0x8183  # RFC 1035, 4.1.1: an answer, recursion available
_TTL_S = 60
_NTP_BYTES = 48
_NTP_EPOCH_S = 2_208_988_800  # from 1900 to 1970, RFC 5905, 6
_ECHO = b"\x08"
_MASK = 0xFFFFFFFF

Answer = Callable[[bytes], bytes | None]


class Gateway:
    """See above.

    `tcp` and `udp` are what is in this process, by port; `names` what DNS knows; `forwards` the
    ports of the host that others are taken for. `epoch_s` returns the time that NTP gives, in
    seconds since 1970.
    """

    def __init__(  # noqa: PLR0913  (all but two by keyword)
        self,
        events: Events,
        send: Callable[[bytes], None],
        *,
        tcp: Mapping[int, Callable[[], FarEnd]],
        udp: Mapping[int, Answer],
        names: Mapping[str, bytes],
        forwards: Mapping[int, int],
        epoch_s: Callable[[], float],
        reaches_host: bool,
    ) -> None:
        self._events = events
        self._send = send
        self._tcp = tcp
        self._udp = {_DNS_PORT: self._resolve, _NTP_PORT: self._tell_time, **udp}
        self._names = {NAME: HOST, **names}
        self._forwards = forwards
        self._epoch_s = epoch_s
        self._reaches_host = reaches_host
        self._sockets = Sockets(events)
        self._connections: dict[tuple[int, int], Connection] = {}

    def take(self, data: bytes) -> None:
        """Take a packet from the board."""
        packet = read_packet(data)
        if packet is None:
            return
        if packet.protocol == TCP:
            segment = read_segment(packet)
            if segment is not None:
                self._take_segment(packet, segment)
        elif packet.target == HOST and packet.protocol == UDP:
            datagram = read_datagram(packet)
            if datagram is not None:
                self._take_datagram(packet, datagram)
        elif packet.target == HOST and packet.protocol == ICMP and packet.payload[:1] == _ECHO:
            self._answer_ping(packet)

    def drop(self) -> None:
        """Forget all connections: the link is down."""
        for connection in list(self._connections.values()):
            connection.drop()
        self._connections.clear()
        self._sockets.close()

    def _take_segment(self, packet: Packet, segment: Segment) -> None:
        key = (segment.source, segment.target)
        connection = self._connections.get(key)

        def emit(answer: Segment) -> None:
            payload = answer.packed(packet.target, packet.source)
            self._emit(TCP, packet.source, packet.target, payload)

        if segment.flags & SYN and not segment.flags & ACK and packet.target == HOST:
            if connection is not None and connection.is_same(segment):
                connection.take(segment)
                return
            if connection is not None:  # an end that the board has forgotten
                connection.drop()
            far = self._far_end(segment.target)
            if far is not None:
                made = Connection(
                    segment,
                    far,
                    events=self._events,
                    emit=emit,
                    on_end=lambda: self._forget(key, made),
                )
                self._connections[key] = made
                far.open(made)
                return
        if connection is not None:
            connection.take(segment)
        elif not segment.flags & RST:
            emit(_reset(segment))

    def _forget(self, key: tuple[int, int], connection: Connection) -> None:
        if self._connections.get(key) is connection:
            del self._connections[key]

    def _far_end(self, port: int) -> FarEnd | None:
        if port in self._tcp:
            return self._tcp[port]()
        if not self._reaches_host:
            return None
        return HostSocket(self._sockets, self._forwards.get(port, port))

    def _take_datagram(self, packet: Packet, datagram: Datagram) -> None:
        def answer(data: bytes) -> None:
            back = Datagram(source=datagram.target, target=datagram.source, data=data)
            payload = back.packed(packet.target, packet.source)
            self._emit(UDP, packet.source, packet.target, payload)

        if datagram.target in self._udp:
            found = self._udp[datagram.target](datagram.data)
            if found is not None:
                answer(found)
        elif self._reaches_host:
            port = self._forwards.get(datagram.target, datagram.target)
            self._sockets.send(port, datagram.source, datagram.data, answer)

    def _answer_ping(self, packet: Packet) -> None:
        echo = bytes(4) + packet.payload[4:]
        found = checksum(echo).to_bytes(2, "big")
        self._emit(ICMP, packet.source, packet.target, b"\0\0" + found + echo[4:])

    def _emit(self, protocol: int, board: bytes, host: bytes, payload: bytes) -> None:
        packet = Packet(protocol=protocol, source=host, target=board, payload=payload)
        self._send(packet.packed())

    def _resolve(self, query: bytes) -> bytes | None:
        """Answer a question for a name (RFC 1035, 4)."""
        if len(query) < _DNS_HEAD.size + 5:
            return None
        labels = []
        at = _DNS_HEAD.size
        while at < len(query) and query[at]:
            labels.append(query[at + 1 : at + 1 + query[at]].decode("latin-1").lower())
            at += query[at] + 1
        end = at + 5
        if end > len(query):
            return None
        (kind,) = struct.unpack_from(">H", query, at + 1)
        address = self._names.get(".".join(labels))
        has_answer = address is not None and kind == _A
        flags = _DNS_UNKNOWN if address is None else _DNS_OK
        head = _DNS_HEAD.pack(int.from_bytes(query[:2], "big"), flags, 1, int(has_answer), 0, 0)
        found = head + query[_DNS_HEAD.size : end]
        if address is not None and has_answer:
            found += struct.pack(">HHHIH", 0xC00C, _A, _INTERNET, _TTL_S, 4) + address
        return found

    def _tell_time(self, query: bytes) -> bytes | None:
        """Answer a question for the time (RFC 5905, 7.3), as a server of the first stratum."""
        if len(query) < _NTP_BYTES:
            return None
        seconds = self._epoch_s() + _NTP_EPOCH_S
        stamp = struct.pack(">II", int(seconds) & _MASK, int(seconds % 1 * 2**32))
        return b"\x24\x01" + query[2:4] + bytes(8) + b"BULK" + stamp + query[40:48] + stamp + stamp


def _reset(segment: Segment) -> Segment:
    """Return the answer to a segment of no connection (RFC 9293, 3.5.2)."""
    size = len(segment.data) + bool(segment.flags & SYN) + bool(segment.flags & FIN)
    return Segment(
        source=segment.target,
        target=segment.source,
        sequence=segment.acknowledged if segment.flags & ACK else 0,
        acknowledged=(segment.sequence + size) & _MASK,
        flags=RST | ACK,
    )
