"""Frames that are wrong in every way a line, a stranger or an attacker can make them: seeded.

`Hostile` makes one after the other and counts what a board has to count of them.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from bulkhead_host import abi
from bulkhead_host.link.frames import Frame, FrameParser
from bulkhead_host.link.transport import Transport

CTRL_C = 0x03
"""Asks for the prompt; it is no part of the link."""

WRONG_KEY = bytes(range(1, 33))
FIRST_SEQUENCE = 128
"""Of hostile frames, so that nobody takes an answer to them for their own."""


def answer(transport: Transport, line: bytes, *, timeout_s: float = 60) -> Frame:
    """Send a frame and return the one that answers it."""
    decoded = abi.decode(line[1:-1])
    assert decoded is not None
    transport.write(line)
    parser = FrameParser()
    until_s = transport.clock_s() + timeout_s
    while transport.clock_s() < until_s:
        for item in parser.feed(transport.read(0.1)):
            if isinstance(item, Frame) and item.sequence == decoded[1]:
                return item
    raise AssertionError("no answer")


def open_session(transport: Transport, key: bytes) -> abi.Session:
    """Open a session of one's own on a board."""
    nonce = bytes(range(abi.NONCE_BYTES))
    opened = answer(transport, abi.encode(abi.CHALLENGE, FIRST_SEQUENCE, nonce))
    size = abi.CHALLENGE_STRUCT.size
    name, access, _, board_nonce, proof = abi.CHALLENGE_STRUCT.unpack(opened.payload[:size])
    session = abi.Session(key, name, nonce, board_nonce, opened.payload[size:])
    assert session.proof(access) == proof
    return session


@dataclass
class Expected:
    """What a board is to have counted."""

    damaged: int = 0
    refused: int = 0
    replayed: int = 0


@dataclass
class Hostile:
    """Makes hostile lines. `session` is a session that is open, `taken` its orders so far.

    None of them may change anything.
    """

    seed: int
    session: abi.Session
    taken: list[bytes]
    expected: Expected = field(default_factory=Expected)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        wrong = abi.Session(WRONG_KEY, self.session.name, bytes(16), bytes(16))
        stale = abi.Session(WRONG_KEY, self.session.name ^ 0x55, bytes(16), bytes(16))
        self._wrong, self._stale = wrong, stale

    def lines(self, count: int) -> Iterator[bytes]:
        """Yield that many lines, each of a kind by chance."""
        kinds = (
            self._cut_off,
            self._changed,
            self._noise,
            self._endless,
            self._bare,
            self._unknown,
            self._reading,
            self._wrong_key,
            self._replayed,
            self._stale_session,
            self._short_order,
        )
        weights = [1 if kind == self._endless else 4 for kind in kinds]  # those are long
        for kind in self._random.choices(kinds, weights, k=count):
            yield kind()

    def _frame(self, kind: int, payload: bytes) -> bytes:
        return abi.encode(kind, self._random.randrange(FIRST_SEQUENCE, 256), payload)

    def _request(self) -> bytes:
        """Return a request that would do harm: its kind and payload."""
        name = self._random.choice((b"console", b"supervisor", b"crasher", b"\xff\xfe"))
        kind = self._random.choice((abi.INJECT, abi.CONTROL))
        return bytes([kind, self._random.randrange(1, 3)]) + name

    def _cut_off(self) -> bytes:
        payload = self._random.randbytes(3 * self._random.randrange(13))  # no padding to lose
        line = self._frame(abi.TABLE, payload)
        self.expected.damaged += 1
        return line[: self._random.randrange(1, len(line) - 1)] + b"\n"

    def _changed(self) -> bytes:
        line = bytearray(self._frame(abi.TABLE, self._random.randbytes(9)))
        index = self._random.randrange(1, len(line) - 1)
        letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        others = [letter for letter in letters if letter != line[index]]
        line[index] = self._random.choice(others)
        self.expected.damaged += 1
        return bytes(line)

    def _noise(self) -> bytes:
        noise = self._random.randbytes(self._random.randrange(1, 60))
        return bytes(byte for byte in noise if byte not in (CTRL_C, abi.MARK[0])) + b"\n"

    def _endless(self) -> bytes:
        self.expected.damaged += 1
        return abi.MARK + b"A" * self._random.randrange(abi.LINE_BYTES_MAX + 1, 700) + b"\n"

    def _bare(self) -> bytes:
        request = self._request()
        self.expected.refused += 1
        return self._frame(request[0], request[1:])

    def _unknown(self) -> bytes:
        """Kinds from 64 on are nobody's, and the answers' are no requests."""
        self.expected.refused += 1
        kind = self._random.randrange(64, 256)
        return self._frame(kind, self._random.randbytes(self._random.randrange(40)))

    def _reading(self) -> bytes:
        """Reading is permitted, so this is answered: with what it makes of any payload."""
        kinds = [kind for kind in abi.READING if kind not in (abi.TABLE, abi.WATCH)]
        payload = self._random.randbytes(self._random.randrange(40))
        return self._frame(self._random.choice(kinds), payload)

    def _wrong_key(self) -> bytes:
        self.expected.refused += 1
        return self._frame(abi.ORDER, self._wrong.order(self._request()))

    def _replayed(self) -> bytes:
        self.expected.replayed += 1
        return self._frame(abi.ORDER, self._random.choice(self.taken))

    def _stale_session(self) -> bytes:
        self.expected.replayed += 1
        return self._frame(abi.ORDER, self._stale.order(self._request()))

    def _short_order(self) -> bytes:
        self.expected.refused += 1
        order = self._random.choice(self.taken)
        return self._frame(abi.ORDER, order[: self._random.randrange(22)])
