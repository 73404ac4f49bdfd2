"""What may be a message's value: None, bool, int, float, str, bytes, or a tuple of these.

No two tasks ever share a mutable object, so a value that could be changed after the send is
copied (bytearray) or refused.
"""

from kernel.limits import MESSAGE_BYTES_MAX, MESSAGE_ITEMS_MAX
from micropython import const

_PLAIN = frozenset((type(None), bool, int, float))
_WORD = const(0x3FFFFFFF)  # what no int of more than a word lies within


class BadMessage(ValueError):
    """A value that cannot be a message's: the sender's mistake, a SYSCALL fault."""


def admit(value):
    """Return `value`, or an immutable copy of it; raise BadMessage if it cannot be sent.

    Exact types only: a subclass could carry code or state along. Allocates nothing unless the
    value is a bytearray, or is refused.
    """
    kind = type(value)
    if kind is int and not -_WORD <= value <= _WORD:
        return _admit_big(value)
    if kind in _PLAIN:
        return value
    if kind is bytes or kind is str:
        if len(value) <= MESSAGE_BYTES_MAX:
            return value
        raise BadMessage("a message holds at most 256 bytes: use a lease")
    if kind is tuple:
        return _admit_tuple(value)
    if kind is bytearray or kind is memoryview:
        if len(value) <= MESSAGE_BYTES_MAX:
            return bytes(value)
        raise BadMessage("a message holds at most 256 bytes: use a lease")
    raise BadMessage("not a message value: send None, bool, int, float, str, bytes or a tuple")


def _admit_tuple(items):
    if len(items) > MESSAGE_ITEMS_MAX:
        raise BadMessage("a tuple in a message holds at most 16 items")
    size = 0
    for item in items:
        kind = type(item)
        if kind is bytes or kind is str:
            size += len(item)
        elif kind is int and not -_WORD <= item <= _WORD:
            _admit_big(item)
        elif kind not in _PLAIN:
            raise BadMessage("a tuple in a message holds None, bool, int, float, str and bytes")
    if size > MESSAGE_BYTES_MAX:
        raise BadMessage("a message holds at most 256 bytes: use a lease")
    return items


def _admit_big(value):
    if value >> 8 * MESSAGE_BYTES_MAX - 1 not in (0, -1):
        raise BadMessage("an int in a message has at most 256 bytes")
    return value
