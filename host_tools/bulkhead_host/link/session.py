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


class Authority:
    """What a client may do: it opens a session when there is need of one.

    `key` is the device key; without one it is this user's, which is read when a board asks for
    one. `nonces` makes what a session is to differ by.
    """

    def __init__(
        self, key: bytes | None = None, *, nonces: Callable[[int], bytes] = os.urandom
    ) -> None:
        self._key = key
        self._nonces = nonces
        self._session: Any = None
        self.reading_is_closed = False

    def needs_order(self, kind: int) -> bool:
        """Tell whether the board takes such a request only in an order."""
        if kind in (abi.HELLO, abi.CHALLENGE):
            return False
        return self.reading_is_closed or kind not in abi.READING

    def order(self, kind: int, payload: bytes, challenge: Callable[[bytes], Frame]) -> bytes:
        """Return the payload of an ORDER with a request in it.

        `challenge` asks the board for a session. Raises `NotPermitted` when its key is another.
        """
        if self._session is None:
            self._session = self._opened(challenge)
        order: bytes = self._session.order(bytes([kind]) + payload)
        return order

    def refused(self, status: int, *, was_order: bool) -> None:
        """Learn from a refusal, so that the request may be sent once more; or raise."""
        if not was_order:
            self.reading_is_closed = True
        elif status == abi.DENIED:
            raise NotPermitted("the board refused: its key is another", _OTHER_KEY)
        self._session = None  # that of a program, or of a console, that has ended

    def _opened(self, challenge: Callable[[bytes], Frame]) -> Any:
        nonce = self._nonces(abi.NONCE_BYTES)
        payload = challenge(nonce).payload[: abi.CHALLENGE_STRUCT.size]
        name, access, mark, board_nonce = abi.CHALLENGE_STRUCT.unpack(payload)
        key = self._key
        if key is None:
            key = device_key() if access & abi.HAS_KEY else bytes(KEY_BYTES)
        own = abi.key_mark(key)
        if own != mark:
            raise NotPermitted(
                f"this board has another key: its mark is {mark.hex()}, "
                f"that of {key_file()} is {own.hex()}",
                _OTHER_KEY,
            )
        return abi.Session(key, name, nonce, board_nonce)


_OTHER_KEY = f"name the file of its key, {ENVIRONMENT_VARIABLE}=FILE, or flash it with yours"
