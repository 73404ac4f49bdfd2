"""The host's side of a session: what changes a board is sent in orders, each with its MAC.

The protocol is `firmware/bulkhead/session.py`, and its functions are the board's own.
"""

import os
from collections.abc import Callable
from typing import Any

from bulkhead_host import abi
from bulkhead_host.errors import NotPermitted
from bulkhead_host.link.frames import Frame
from bulkhead_host.link.key import ENVIRONMENT_VARIABLE, KEY_BYTES, device_key, key_file

REFUSALS = frozenset({abi.NO_SESSION, abi.DENIED, abi.REPLAYED})
"""Statuses by which a board says that it did not even look at a request."""


class Refused(Exception):
    """The board did not take a request, for want of a session that is open."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Sent:
    """A request on its way: which answers are to it, and nobody else's."""

    def __init__(self, payload: bytes, answers: Any = None, key: bytes = b"") -> None:
        self.payload = payload
        self._answers = answers
        self._key = key

    def opened(self, frame: Frame) -> Frame | None:
        """Return what a frame answers; None where it is no answer of who has the key.

        Raises `Refused` for a refusal: one of an order is signed, any other is not.
        """
        status = frame.payload[0] if frame.kind == abi.STATUS and frame.payload else abi.OK
        if self._answers is None:
            if status in REFUSALS:
                raise Refused(status)
            return frame
        if status in REFUSALS:
            mac = abi.refusal_mac(self._key, status, self.payload)
            if abi.is_same(frame.payload[1:], mac):
                raise Refused(status)
        if frame.kind != abi.ANSWER:
            return None
        answer = self._answers.opened(frame.payload)
        return Frame(answer[0], frame.sequence, answer[1:]) if answer else None


class Opening:
    """The opening of a session: the answer to its challenge shows that the board has the key."""

    def __init__(self, key: bytes | None, nonce: bytes, board: str = "") -> None:
        self._key = key
        self._board = board
        self.nonce = nonce
        self.other_mark = b""
        """The mark of a key that is not ours, if such a board has answered."""
        self.other_name = ""
        """The name of another board, if that has answered."""

    def session(self, frame: Frame) -> tuple[Any, bytes] | None:
        """Return the session that a frame opens, and the board's key; None if it opens none."""
        size = abi.CHALLENGE_STRUCT.size
        if frame.kind != abi.CHALLENGE_IS or len(frame.payload) < size:
            return None
        name, access, mark, nonce, proof = abi.CHALLENGE_STRUCT.unpack(frame.payload[:size])
        key = self._key
        if key is None:
            has_key = access & abi.HAS_KEY or self._board
            key = device_key() if has_key else bytes(KEY_BYTES)
        if abi.key_mark(key) != mark:
            self.other_mark = mark
            return None
        session = abi.Session(key, name, self.nonce, nonce, frame.payload[size:])
        if not abi.is_same(session.proof(access), proof):
            return None
        name, is_remote, _ = frame.payload[size:].partition(b"\0")
        if self._board and not (is_remote and name == self._board.encode()):
            self.other_name = name.decode(errors="replace")
            return None
        return session, key

    def refusal(self) -> NotPermitted:
        """Return what is to be told where another board, or one with another key, has answered."""
        if self.other_name:
            return NotPermitted(
                f"another board answers in the place of {self._board}",
                "see who else has access to the broker",
            )
        own = abi.key_mark(self._key or device_key())
        return NotPermitted(
            f"this board has another key: its mark is {self.other_mark.hex()}, "
            f"that of {key_file()} is {own.hex()}",
            _OTHER_KEY,
        )


class Authority:
    """What a client may do: it opens a session when there is need of one.

    `key` is the device key; without one it is this user's, which is read when a board asks for
    one. `nonces` makes what a session is to differ by. On a line that others can write to, `board`
    is the name that the board has to show.
    """

    def __init__(
        self,
        key: bytes | None = None,
        *,
        nonces: Callable[[int], bytes] = os.urandom,
        board: str = "",
    ) -> None:
        self._key = key
        self._nonces = nonces
        self._board = board
        self._session: Any = None
        self._board_key = b""
        self.reading_is_closed = False

    def needs_order(self, kind: int) -> bool:
        """Tell whether the board takes such a request only in an order."""
        if kind == abi.CHALLENGE or (kind == abi.HELLO and not self._board):
            return False
        return bool(self._board) or self.reading_is_closed or kind not in abi.READING

    def sent(
        self, kind: int, payload: bytes, challenge: Callable[[Opening], tuple[Any, bytes]]
    ) -> tuple[int, Sent]:
        """Return the kind and the payload of the frame that makes a request.

        `challenge` has the board open a session. Raises `NotPermitted` when its key is another.
        """
        if not self.needs_order(kind):
            return kind, Sent(payload)
        if self._session is None:
            opening = Opening(self._key, self._nonces(abi.NONCE_BYTES), self._board)
            self._session, self._board_key = challenge(opening)
        order: bytes = self._session.order(bytes([kind]) + payload)
        answers = abi.Answers(self._session, self._session.number)
        return abi.ORDER, Sent(order, answers, self._board_key)

    def refused(self, status: int, *, was_order: bool) -> None:
        """Learn from a refusal, so that the request may be sent once more; or raise."""
        if not was_order:
            self.reading_is_closed = True
        elif status == abi.DENIED:
            raise NotPermitted("the board refused: its key is another", _OTHER_KEY)
        self._session = None  # that of a program, or of a console, that has ended


_OTHER_KEY = f"name the file of its key, {ENVIRONMENT_VARIABLE}=FILE, or flash it with yours"
