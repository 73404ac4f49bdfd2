"""The peer of a board's PPP link: LCP (RFC 1661) and IPCP (RFC 1332, RFC 1877)."""

import struct
from collections.abc import Callable, Mapping

from bulkhead_host.emulator.net.events import Event, Events
from bulkhead_host.emulator.net.hdlc import ESCAPE_ALL, Deframer, framed

LCP = 0xC021
IPCP = 0x8021
IP = 0x0021

# Codes of both protocols, RFC 1661, 5.
_REQUEST, _ACK, _NAK, _REJECT, _TERMINATE, _TERMINATED = 1, 2, 3, 4, 5, 6
_PROTOCOL_REJECT, _ECHO, _ECHO_REPLY = 8, 9, 10

# Options of LCP, RFC 1661, 6, and of IPCP.
_MRU, _ACCM, _MAGIC = 1, 2, 5
_ADDRESS, _DNS_FIRST, _DNS_SECOND = 3, 129, 131

_ADDRESS_CONTROL = b"\xff\x03"
_RESTART_MS = 1000.0
_TRIES_MAX = 10
_HEAD = struct.Struct(">BBH")

Options = dict[int, bytes]
Judge = Callable[[int, bytes], bytes | None]
"""Of an option of the board's: the value that is agreed to, or None for one that is not known."""


def packed(options: Mapping[int, bytes]) -> bytes:
    """Return options as they are in a packet."""
    return b"".join(bytes((kind, len(value) + 2)) + value for kind, value in options.items())


def unpacked(data: bytes) -> Options | None:
    """Return the options of a packet; None when they are cut."""
    options: Options = {}
    at = 0
    while at < len(data):
        if at + 2 > len(data) or data[at + 1] < len(_ADDRESS_CONTROL):
            return None
        end = at + data[at + 1]
        if end > len(data):
            return None
        options[data[at]] = data[at + 2 : end]
        at = end
    return options


class Control:
    """One of the two protocols that agree on options: each side asks, each side agrees."""

    def __init__(
        self,
        *,
        ours: Mapping[int, bytes],
        judge: Judge,
        send: Callable[[bytes], None],
        events: Events,
    ) -> None:
        self._ours = dict(ours)
        self._judge = judge
        self._send = send
        self._events = events
        self._timer: Event | None = None
        self.agreed: Options = {}
        self.reset()

    def reset(self) -> None:
        """Begin anew."""
        self._wanted = dict(self._ours)
        self._number = 0
        self._tries = 0
        self._is_ours_agreed = self._is_theirs_agreed = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @property
    def is_open(self) -> bool:
        """True when both sides have agreed."""
        return self._is_ours_agreed and self._is_theirs_agreed

    def take(self, packet: bytes) -> int:
        """Answer one packet; return its code, 0 for what is none."""
        if len(packet) < _HEAD.size:
            return 0
        code, number, length = _HEAD.unpack_from(packet)
        body = packet[_HEAD.size : length]
        if length < _HEAD.size or length > len(packet):
            return 0
        if code == _REQUEST:
            self._take_request(number, body)
        elif code == _ACK and number == self._number:
            self._is_ours_agreed = True
        elif code in (_NAK, _REJECT) and number == self._number:
            for kind in unpacked(body) or {}:
                self._wanted.pop(kind, None)
            self._request()
        elif code == _TERMINATE:
            self.reset()
            self._reply(_TERMINATED, number, b"")
        elif code == _ECHO:
            self._reply(_ECHO_REPLY, number, bytes(4) + body[4:])
        return int(code)

    def _take_request(self, number: int, body: bytes) -> None:
        if self.is_open:
            self.reset()
        options = unpacked(body)
        if options is None:
            return
        verdicts = {kind: self._judge(kind, value) for kind, value in options.items()}
        unknown = {kind: options[kind] for kind, value in verdicts.items() if value is None}
        others = {
            kind: value
            for kind, value in verdicts.items()
            if value is not None and value != options[kind]
        }
        if unknown:
            self._reply(_REJECT, number, packed(unknown))
        elif others:
            self._reply(_NAK, number, packed(others))
        else:
            self.agreed = options
            self._is_theirs_agreed = True
            self._reply(_ACK, number, body)
        if not self._is_ours_agreed and self._timer is None:
            self._request()

    def _request(self) -> None:
        self._number = self._number % 255 + 1
        self._reply(_REQUEST, self._number, packed(self._wanted))
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._events.after(_RESTART_MS, self._again)

    def _again(self) -> None:
        self._timer = None
        self._tries += 1
        if not self._is_ours_agreed and self._tries < _TRIES_MAX:
            self._request()

    def _reply(self, code: int, number: int, body: bytes) -> None:
        self._send(_HEAD.pack(code, number, _HEAD.size + len(body)) + body)


class Ppp:
    """The link: bytes of the line on one side, IP packets on the other.

    `on_down` is called when the board has ended the link, or begins it anew.
    """

    def __init__(  # noqa: PLR0913  (all by keyword)
        self,
        *,
        host: bytes,
        board: bytes,
        events: Events,
        transmit: Callable[[bytes], None],
        on_packet: Callable[[bytes], None],
        on_down: Callable[[], None],
    ) -> None:
        self._host = host
        self._board = board
        self._transmit = transmit
        self._on_packet = on_packet
        self._on_down = on_down
        self._deframer = Deframer(self._take)
        self.feed = self._deframer.feed
        self.lcp = Control(
            ours={_ACCM: bytes(4)},
            judge=lambda kind, value: value if kind in (_MRU, _ACCM, _MAGIC) else None,
            send=lambda packet: self._send(LCP, packet),
            events=events,
        )
        self.ipcp = Control(
            ours={_ADDRESS: host},
            judge=self._judge_ip,
            send=lambda packet: self._send(IPCP, packet),
            events=events,
        )

    @property
    def is_up(self) -> bool:
        """True while packets may be sent."""
        return self.lcp.is_open and self.ipcp.is_open

    def send(self, packet: bytes) -> None:
        """Send an IP packet; it is dropped while the link is down."""
        if self.is_up:
            self._send(IP, packet)

    def _judge_ip(self, kind: int, _value: bytes) -> bytes | None:
        return {_ADDRESS: self._board, _DNS_FIRST: self._host, _DNS_SECOND: self._host}.get(kind)

    def _take(self, frame: bytes) -> None:
        frame = frame.removeprefix(_ADDRESS_CONTROL)
        size = 1 if frame[0] & 1 else 2
        protocol, packet = int.from_bytes(frame[:size], "big"), frame[size:]
        was_up = self.is_up
        if protocol == LCP:
            self.lcp.take(packet)
            if not self.lcp.is_open:
                self.ipcp.reset()
        elif protocol == IPCP and self.lcp.is_open:
            self.ipcp.take(packet)
        elif protocol == IP and was_up:
            self._on_packet(packet)
        elif protocol not in (IP, IPCP) and self.lcp.is_open:
            rejected = protocol.to_bytes(2, "big") + packet
            head = _HEAD.pack(_PROTOCOL_REJECT, 1, _HEAD.size + len(rejected))
            self._send(LCP, head + rejected)
        if was_up and not self.is_up:
            self._on_down()

    def _send(self, protocol: int, packet: bytes) -> None:
        escaped = ESCAPE_ALL
        if self.lcp.is_open and protocol != LCP:
            escaped = int.from_bytes(self.lcp.agreed.get(_ACCM, b"\xff" * 4), "big")
        self._transmit(framed(_ADDRESS_CONTROL + protocol.to_bytes(2, "big") + packet, escaped))
