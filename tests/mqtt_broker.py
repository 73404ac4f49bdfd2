"""A small broker of MQTT 3.1.1 on loopback, strict with its client, which a test makes fail.

Section numbers are those of the OASIS Standard of 29 October 2014. It takes one client at a time.
"""

import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

_PATIENCE_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Hello:
    """What a CONNECT said."""

    client_id: str
    keepalive_s: int
    user: str | None
    password: str | None
    will: tuple[str, bytes] | None


@dataclass(frozen=True, kw_only=True)
class Published:
    """What a PUBLISH said."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    dup: bool


class _Reader:
    """The fields of a packet, one after the other."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def take(self, count: int) -> bytes:
        assert count <= len(self.data), "a packet is too short"
        taken, self.data = self.data[:count], self.data[count:]
        return taken

    def number(self) -> int:
        found: int = struct.unpack(">H", self.take(2))[0]
        return found

    def string(self) -> bytes:
        return self.take(self.number())


@dataclass
class Broker:
    """Keeps what it was sent; `problem` is the first thing that no client may do."""

    hellos: list[Hello] = field(default_factory=list)
    published: list[Published] = field(default_factory=list)
    filters: list[tuple[str, int]] = field(default_factory=list)
    acknowledged: list[int] = field(default_factory=list)
    pings: int = 0
    wills: list[tuple[str, bytes]] = field(default_factory=list)
    refusals: int = 0  # CONNECTs that are answered by "server unavailable"
    acks: bool = True  # whether PUBLISH is acknowledged
    pongs: bool = True
    problem: str = ""

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._changed = threading.Condition()
        self._client: socket.socket | None = None
        threading.Thread(target=self._serve, daemon=True).start()

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait for what the client does."""
        with self._changed:
            came = self._changed.wait_for(lambda: condition() or bool(self.problem), _PATIENCE_S)
        assert not self.problem, self.problem
        assert came, self

    def has_filters(self, expected: list[tuple[str, int]]) -> bool:
        """Tell whether exactly these were subscribed to, over all connections."""
        return self.filters == expected

    def send(self, data: bytes) -> None:
        """Send bytes to the client."""
        assert self._client is not None
        self._client.sendall(data)

    def publish(self, topic: str, payload: bytes, *, number: int = 0) -> None:
        """Publish to the client, with QoS 1 where there is a packet identifier (3.3)."""
        body = struct.pack(">H", len(topic)) + topic.encode()
        body += (struct.pack(">H", number) if number else b"") + payload
        head = bytearray([0x32 if number else 0x30])
        size = len(body)
        while size > 0x7F:
            head.append(size & 0x7F | 0x80)
            size >>= 7
        self.send(bytes(head) + bytes([size]) + body)

    def cut(self) -> None:
        """End the connection without a word."""
        assert self._client is not None
        self._client.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Take no more connections, and end the one there is."""
        self._listener.close()
        if self._client is not None:
            self._client.close()

    def _serve(self) -> None:
        while True:
            try:
                self._client, _ = self._listener.accept()
            except OSError:  # closed
                return
            will: tuple[str, bytes] | bool | None = None
            try:
                will = self._greet()
                while will is not False:
                    self._answer(*self._packet())
            except (OSError, EOFError):
                if isinstance(will, tuple):  # 3.1.2.5: it ended without DISCONNECT
                    self._note(partial(self.wills.append, will))
            except AssertionError as error:
                self._note(partial(setattr, self, "problem", str(error)))
            self._client.close()

    def _note(self, change: Callable[[], object]) -> None:
        with self._changed:
            change()
            self._changed.notify_all()

    def _read(self, count: int) -> bytes:
        assert self._client is not None
        data = b""
        while len(data) < count:
            piece = self._client.recv(count - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data

    def _packet(self) -> tuple[int, _Reader]:
        first = self._read(1)[0]
        size = shift = 0
        while True:
            byte = self._read(1)[0]
            size |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return first, _Reader(self._read(size))
            assert shift < 28, "a length of more than four bytes (2.2.3)"

    def _greet(self) -> tuple[str, bytes] | bool | None:
        """Take CONNECT (3.1); return the will, False when it was refused."""
        first, body = self._packet()
        assert first == 0x10, "the first packet is not CONNECT (3.1.0-1)"
        assert body.take(7) == b"\x00\x04MQTT\x04", "another protocol (3.1.2.1)"
        flags = body.take(1)[0]
        assert not flags & 1, "a reserved flag (3.1.2.3)"
        keepalive_s = body.number()
        client_id = body.string().decode()
        assert client_id or flags & 2, "no client id, and no clean session (3.1.3.1)"
        assert flags & 4 or not flags & 0x38, "flags of a will, and no will (3.1.2.5)"
        assert flags & 0x80 or not flags & 0x40, "a password without a user (3.1.2.9)"
        will = (body.string().decode(), body.string()) if flags & 4 else None
        user = body.string().decode() if flags & 0x80 else None
        password = body.string().decode() if flags & 0x40 else None
        assert not body.data, "bytes after the payload of CONNECT"
        hello = Hello(
            client_id=client_id, keepalive_s=keepalive_s, user=user, password=password, will=will
        )
        if self.refusals:
            self.refusals -= 1
            self.send(b"\x20\x02\x00\x03")
            self._note(lambda: self.hellos.append(hello))
            return False
        self.send(b"\x20\x02\x00\x00")
        self._note(lambda: self.hellos.append(hello))
        return will

    def _answer(self, first: int, body: _Reader) -> None:
        kind = first & 0xF0
        if kind == 0x30:
            self._take_publish(first, body)
        elif first == 0x40:
            number = body.number()
            self._note(lambda: self.acknowledged.append(number))
        elif first == 0x82:
            number, name, qos = body.number(), body.string().decode(), body.take(1)[0]
            assert number, "SUBSCRIBE without an identifier (2.3.1-1)"
            self.send(struct.pack(">BBHB", 0x90, 3, number, qos))
            self._note(lambda: self.filters.append((name, qos)))
        elif first == 0xA2:
            number, name = body.number(), body.string().decode()
            self.send(struct.pack(">BBH", 0xB0, 2, number))
            self._note(lambda: self.filters.remove((name, 1)))
        elif first == 0xC0:
            if self.pongs:
                self.send(b"\xd0\x00")
            self._note(lambda: setattr(self, "pings", self.pings + 1))
        else:
            raise AssertionError(f"a packet that begins with {first:#x}")
        assert kind == 0x30 or not body.data, f"bytes after a packet of {first:#x}"

    def _take_publish(self, first: int, body: _Reader) -> None:
        qos, topic = first >> 1 & 3, body.string().decode()
        assert topic and not set(topic) & set("+#\0"), f"the topic {topic!r} (3.3.2.1)"
        assert qos < 3, "QoS 3 (3.3.1-4)"
        assert qos or not first & 8, "DUP with QoS 0 (3.3.1-2)"
        number = body.number() if qos else 0
        assert number or not qos, "PUBLISH without an identifier (2.3.1-1)"
        found = Published(
            topic=topic,
            payload=body.data,
            qos=qos,
            retain=bool(first & 1),
            dup=bool(first & 8),
        )
        if qos and self.acks:
            self.send(struct.pack(">BBH", 0x40, 2, number))
        self._note(lambda: self.published.append(found))
