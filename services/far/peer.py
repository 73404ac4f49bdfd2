"""The session with one other board, and the calls that wait for it."""

import struct
import time
from os import urandom

from bulkhead import link, value
from bulkhead.session import (
    CHALLENGE_FORMAT,
    HAS_KEY,
    NONCE_BYTES,
    Answers,
    Session,
    is_same,
    key_mark,
    refusal_mac,
)
from kernel.abi import DEAD, OPERATIONS, TIMEOUT
from micropython import const

from services.far.api import GONE, UNANSWERED, VALUE_BYTES_MAX

_SEQUENCE_MAX = const(0x7F)
_CALL_MS = const(2000)  # that the other console gives its service


class Peer:
    """One board. `calls` are pairs of a token and a request; the first is under way.

    `was_sent` says that the order has gone out, so that it may have been done.
    """

    def __init__(self, board, key, patience_ms):
        self.board = board
        self.key = key
        self.patience_ms = patience_ms
        self.calls = []
        self.session = self.answers = None
        self.nonce = self.order = b""
        self.sequence = 0
        self.was_sent = self.is_opening = False
        self.due_ms = time.ticks_ms()

    def add(self, token, service, operation, argument):
        """Have a call wait; return whether it can be sent at all."""
        try:
            data = value.encode(argument)
        except ValueError:
            return False
        if len(data) > VALUE_BYTES_MAX:
            return False
        head = bytes((link.CALL,)) + struct.pack(link.CALL_FORMAT, _CALL_MS, operation)
        self.calls.append((token, head + service.encode() + b"\0" + data))
        if len(self.calls) == 1:
            self._begin()
        return True

    def end(self):
        """Leave the call that is under way; return its token."""
        token, _ = self.calls.pop(0)
        self._begin()
        return token

    def next_frame(self):
        """Return a frame that is to be sent now, None if there is none."""
        if not self.calls or self.was_sent or self.is_opening:
            return None
        self.sequence = self.sequence % _SEQUENCE_MAX + 1
        if self.session is None:
            self.is_opening = True
            self.nonce = urandom(NONCE_BYTES)
            return link.encode(link.CHALLENGE, self.sequence, self.nonce)
        self.was_sent = True
        self.order = self.session.order(self.calls[0][1])
        self.answers = Answers(self.session, self.session.number)
        return link.encode(link.ORDER, self.sequence, self.order)

    def take(self, data):
        """Take a frame; return the status and the value of the call that it ends, None if none."""
        frame = link.decode(data[data.rfind(link.MARK) + 1 : -1])
        if frame is None or frame[1] != self.sequence or not self.calls:
            return None
        kind, _, payload = frame
        if self.is_opening and kind == link.CHALLENGE_IS:
            self._open(payload)
        elif self.was_sent and kind == link.STATUS:
            self._refused(payload)
        elif self.was_sent and kind == link.ANSWER:
            answer = self.answers.opened(payload)
            return _result(answer) if answer else None
        return None

    def _begin(self):
        self.was_sent = self.is_opening = False
        self.due_ms = time.ticks_add(time.ticks_ms(), self.patience_ms)

    def _open(self, payload):
        """Have a session, if that board with this key has answered."""
        size = struct.calcsize(CHALLENGE_FORMAT)
        if len(payload) < size:
            return
        name, access, mark, nonce, proof = struct.unpack(CHALLENGE_FORMAT, payload[:size])
        board = payload[size:]
        if not access & HAS_KEY or mark != key_mark(self.key):
            return
        session = Session(self.key, name, self.nonce, nonce, board)
        is_it = board.split(b"\0", 1)[0] == self.board.encode()
        if is_it and is_same(session.proof(access), proof):
            self.session = session
            self.is_opening = False

    def _refused(self, payload):
        """Open another session, if it is the board that says that it has not done the order."""
        if len(payload) > 1 and is_same(
            payload[1:], refusal_mac(self.key, payload[0], self.order)
        ):
            self.session = None
            self.was_sent = False


def _result(answer):
    """Return the status and the value that an answer's kind and payload stand for."""
    if answer[0] != link.RESULT or len(answer) < 3:
        return GONE, None
    status = answer[1]
    if status in (TIMEOUT, DEAD) or status >= OPERATIONS:
        return UNANSWERED, None
    try:
        return status, value.decode(answer[2:])
    except ValueError:
        return UNANSWERED, None
