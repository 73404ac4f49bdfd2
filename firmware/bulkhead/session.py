"""Sessions of the link: only who has the device key may change what runs on a board.

    host   CHALLENGE     a nonce
    board  CHALLENGE_IS  session, access, mark of the key, another nonce
    both   the session's key: HMAC of both nonces under the device key
    host   ORDER         session, number, MAC, request; as many as it likes

The MAC is HMAC-SHA256 (RFC 2104), cut to 16 bytes, over all of the order but itself. The number
grows from order to order, so a frame that comes a second time is refused; and so is one of an
earlier session, since the board chooses a new nonce each time. A board without a key has 32 zeros
for one, which everybody knows.
"""

import hashlib
import struct

from micropython import const

NONCE_BYTES = const(16)
MAC_BYTES = const(16)
MARK_BYTES = const(4)
CHALLENGE_FORMAT = "<BB4s16s"  # session, access, mark of the key, nonce
_HEAD_FORMAT = "<BI"  # session, number
_HEAD_BYTES = const(5)
_REQUEST_AT = const(21)

# Access.
HAS_KEY = const(1)
READING_CLOSED = const(2)  # reading takes an order, too

# Statuses of what is not done.
NO_SESSION = const(16)  # it takes an order of a session that is open
DENIED = const(17)  # the MAC is wrong: another key
REPLAYED = const(18)  # an order with this number, or a later one, was taken already

# A new session takes the place of the oldest.
_SESSIONS = const(4)


def keyed_hash(key, data):
    """Return the HMAC-SHA256 of `data` under a key of 32 bytes."""
    inner = hashlib.sha256(bytes([byte ^ 0x36 for byte in key]) + b"\x36" * 32 + data).digest()
    return hashlib.sha256(bytes([byte ^ 0x5C for byte in key]) + b"\x5c" * 32 + inner).digest()


def key_mark(key):
    """Return what tells a key from another and does not give it away."""
    return keyed_hash(key, b"mark")[:MARK_BYTES]


class Session:
    """One session, on either side: its key, and the number of the newest order."""

    def __init__(self, key, name, host_nonce, board_nonce):
        self.name = name
        self.number = 0
        self.key = keyed_hash(key, host_nonce + board_nonce)

    def mac(self, number, request):
        """Return the MAC of an order."""
        head = struct.pack(_HEAD_FORMAT, self.name, number)
        return keyed_hash(self.key, head + request)[:MAC_BYTES]

    def order(self, request):
        """Return the payload of the next ORDER; a request is its kind and its payload."""
        self.number += 1
        head = struct.pack(_HEAD_FORMAT, self.name, self.number)
        return head + self.mac(self.number, request) + request


class Gate:
    """The board's side: opens sessions, and lets their orders through, each once."""

    def __init__(self, key, reading_closed=False):
        self.key = key
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
        self.sessions.append(Session(self.key, self.opened, host_nonce, nonce))
        return struct.pack(CHALLENGE_FORMAT, self.opened, self.access, self.mark, nonce)

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
            if session.mac(number, request) != payload[_HEAD_BYTES:_REQUEST_AT]:
                self.refused += 1
                return DENIED
            if number <= session.number:
                self.replayed += 1
                return REPLAYED
            session.number = number
            return request
        self.replayed += 1
        return NO_SESSION
