"""Sessions of the link: only who has the device key may change what runs on a board.

    host   CHALLENGE     a nonce
    board  CHALLENGE_IS  session, access, mark of the key, another nonce, proof, the board's id
    both   the session's key: HMAC of both nonces and the id under the device key
    host   ORDER         session, number, MAC, request; as many as it likes
    board  ANSWER        MAC, index, answer; as many as the request has

The MAC is HMAC-SHA256 (RFC 2104), cut to 16 bytes, over all of the order but itself. The number
grows from order to order, so a frame that comes a second time is refused; and so is one of an
earlier session, since the board chooses a new nonce each time, or of another board with the same
key, since its id is another. A board without a key has 32 zeros for one, which everybody knows.

What else is on the line cannot answer in the board's place: the proof is made with the session's
key, an answer's MAC with a key derived from it, over the order's number, the answer's index and
the answer, and a refusal is signed with the device key over the order's head.
"""

import hashlib
import struct

from micropython import const

NONCE_BYTES = const(16)
MAC_BYTES = const(16)
MARK_BYTES = const(4)
CHALLENGE_FORMAT = "<BB4s16s16s"  # session, access, mark of the key, nonce, proof; then the id
ANSWER_FORMAT = "<16sH"  # MAC, index; then the answer's kind and payload
_HEAD_FORMAT = "<BI"  # session, number
_HEAD_BYTES = const(5)
_REQUEST_AT = const(21)
_ANSWER_AT = const(18)

# Access.
HAS_KEY = const(1)
READING_CLOSED = const(2)  # reading takes an order, too

# Statuses of what is not done.
NO_SESSION = const(16)  # it takes an order of a session that is open
DENIED = const(17)  # the MAC is wrong: another key
REPLAYED = const(18)  # an order with this number, or a later one, was taken already

_INNER = int.from_bytes(b"\x36" * 32, "big")
_OUTER = int.from_bytes(b"\x5c" * 32, "big")
# A new session takes the place of the oldest.
_SESSIONS = const(4)


def keyed_hash(key, data):
    """Return the HMAC-SHA256 of `data` under a key of 32 bytes."""
    number = int.from_bytes(key, "big")  # masked as a whole: byte by byte takes 1 ms
    inner = (number ^ _INNER).to_bytes(32, "big") + b"\x36" * 32
    outer = (number ^ _OUTER).to_bytes(32, "big") + b"\x5c" * 32
    return hashlib.sha256(outer + hashlib.sha256(inner + data).digest()).digest()


def key_mark(key):
    """Return what tells a key from another and does not give it away."""
    return keyed_hash(key, b"mark")[:MARK_BYTES]


def is_same(mac, other):
    """Compare two MACs in a time that does not tell where they differ."""
    different = len(mac) ^ len(other)
    for at in range(min(len(mac), len(other))):
        different |= mac[at] ^ other[at]
    return different == 0


def refusal_mac(key, status, order):
    """Return the MAC of the status that refuses an order, by the order's payload."""
    return keyed_hash(key, b"refused" + bytes((status,)) + order[:_REQUEST_AT])[:MAC_BYTES]


class Session:
    """One session, on either side: its key, and the number of the newest order."""

    def __init__(self, key, name, host_nonce, board_nonce, board=b""):
        self.name = name
        self.number = 0
        self.key = keyed_hash(key, host_nonce + board_nonce + board)

    def proof(self, access):
        """Return what shows that a challenge was answered by who has the key."""
        return keyed_hash(self.key, bytes((self.name, access)) + b"opened")[:MAC_BYTES]

    def mac(self, number, request):
        """Return the MAC of an order."""
        head = struct.pack(_HEAD_FORMAT, self.name, number)
        return keyed_hash(self.key, head + request)[:MAC_BYTES]

    def order(self, request):
        """Return the payload of the next ORDER; a request is its kind and its payload."""
        self.number += 1
        head = struct.pack(_HEAD_FORMAT, self.name, self.number)
        return head + self.mac(self.number, request) + request


class Answers:
    """The answers to one order, on either side: each has an index and a MAC of its own."""

    def __init__(self, session, number, index=0):
        self.name = session.name
        self.number = number
        self.index = index
        self.key = keyed_hash(session.key, b"answer")

    def mac(self, index, answer):
        """Return the MAC of an answer, its kind and its payload."""
        head = struct.pack("<BIH", self.name, self.number, index)
        return keyed_hash(self.key, head + answer)[:MAC_BYTES]

    def sealed(self, answer):
        """Return the payload of an ANSWER."""
        self.index = self.index + 1 & 0xFFFF
        return struct.pack(ANSWER_FORMAT, self.mac(self.index, answer), self.index) + answer

    def opened(self, payload):
        """Return what an ANSWER's payload holds, None if it is no newer one of these."""
        if len(payload) <= _ANSWER_AT:
            return None
        mac, index = struct.unpack(ANSWER_FORMAT, payload[:_ANSWER_AT])
        answer = payload[_ANSWER_AT:]
        if (
            not is_same(mac, self.mac(index, answer))
            or not 0 < (index - self.index) & 0xFFFF < 0x8000
        ):
            return None
        self.index = index
        return answer


class Gate:
    """The board's side: opens sessions, and lets their orders through, each once.

    `board` is the board's id. `answers` are those to the order that was admitted last.
    """

    def __init__(self, key, reading_closed=False, board=b""):
        self.key = key
        self.board = board
        self.answers = None
        self.access = (HAS_KEY if any(key) else 0) | (READING_CLOSED if reading_closed else 0)
        self.mark = key_mark(key)
        self.sessions = []
        self.opened = 0
        self.refused = 0
        self.replayed = 0

    def open(self, host_nonce, nonce):
        """Open a session; return the payload of CHALLENGE_IS. `nonce` was never used before."""
        self.opened = self.opened + 1 & 0xFF
        if len(self.sessions) == _SESSIONS:
            self.sessions.pop(0)
        session = Session(self.key, self.opened, host_nonce, nonce, self.board)
        self.sessions.append(session)
        proof = session.proof(self.access)
        head = struct.pack(CHALLENGE_FORMAT, self.opened, self.access, self.mark, nonce, proof)
        return head + self.board

    def refusal(self, status, payload):
        """Return the payload of the STATUS that refuses an ORDER's payload."""
        return bytes((status,)) + refusal_mac(self.key, status, payload)

    def admit(self, payload):
        """Return the request of an ORDER's payload, or the status that refuses it."""
        if len(payload) <= _REQUEST_AT:
            self.refused += 1
            return DENIED
        name, number = struct.unpack(_HEAD_FORMAT, payload[:_HEAD_BYTES])
        request = payload[_REQUEST_AT:]
        for session in self.sessions:
            if session.name != name:
                continue
            if not is_same(session.mac(number, request), payload[_HEAD_BYTES:_REQUEST_AT]):
                self.refused += 1
                return DENIED
            if number <= session.number:
                self.replayed += 1
                return REPLAYED
            session.number = number
            self.answers = Answers(session, number)
            return request
        self.replayed += 1
        return NO_SESSION
