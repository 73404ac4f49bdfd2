"""What may be a message's value: None, bool, int, float, str, bytes, or a tuple of these.

No two tasks ever share a mutable object, so a value that could be changed after the send is
copied (bytearray) or refused.

A value lies in its frame's `arg`, and in a mailbox's place in the list `frames[0]`. Both are one
word where `window` could tell which, and one word is moved; anywhere else it is moved as an
object. A word that is a value by itself (a small int, None, a bool) needs no look at the object.
"""

from kernel.layout import FRAME, RECORD_SHIFT
from kernel.limits import MESSAGE_BYTES_MAX, MESSAGE_ITEMS_MAX
from kernel.window import ARG, NAME, TABLE
from micropython import const
import micropython

_PLAIN = frozenset((type(None), bool, int, float))
_WORD = const(0x3FFFFFFF)  # what no int of more than a word lies within
_BYTES_A_CHARACTER = const(4)  # of UTF-8, at most
_SHORT = const(64)  # characters that a message holds, whatever they are


class BadMessage(ValueError):
    """A value that cannot be a message's: the sender's mistake, a SYSCALL fault."""


def admit(value):
    """Return `value`, or an immutable copy of it; raise BadMessage if it cannot be sent.

    Exact types only: a subclass could carry code or state along. Sizes are bytes, of text those of
    its UTF-8. Allocates nothing unless the value is a bytearray or a memoryview, a text of more
    than 64 characters or an int of more than a word, or is refused.
    """
    kind = type(value)
    if kind is int and not -_WORD <= value <= _WORD:
        _check(_int_bytes(value))
        return value
    if kind in _PLAIN:
        return value
    if kind is bytes:
        _check(len(value))
        return value
    if kind is str:
        if len(value) > _SHORT:
            _check(_text_bytes(value))
        return value
    if kind is tuple:
        return _admit_tuple(value)
    if kind is bytearray or kind is memoryview:
        _check(len(value))
        value = bytes(value)  # of a memoryview this counts bytes, where `len` counts items
        _check(len(value))
        return value
    raise BadMessage("not a message value: send None, bool, int, float, str, bytes or a tuple")


def _admit_tuple(items):
    if len(items) > MESSAGE_ITEMS_MAX:
        raise BadMessage("a tuple in a message holds at most 16 items")
    size = 0
    for item in items:
        kind = type(item)
        if kind is bytes:
            size += len(item)
        elif kind is str:
            size += _BYTES_A_CHARACTER * len(item)
        elif kind is int and not -_WORD <= item <= _WORD:
            size += _int_bytes(item)
        elif kind not in _PLAIN:
            raise BadMessage("a tuple in a message holds None, bool, int, float, str and bytes")
    if size > MESSAGE_BYTES_MAX:  # at most: look closer
        for item in items:
            if type(item) is str:
                size += _text_bytes(item) - _BYTES_A_CHARACTER * len(item)
        _check(size)
    return items


def _check(size):
    if size > MESSAGE_BYTES_MAX:
        raise BadMessage("a message holds at most 256 bytes: use a lease")


def _text_bytes(text):
    """Return the bytes of a text as UTF-8, or more than a message holds."""
    size = len(text)
    return len(text.encode()) if size <= MESSAGE_BYTES_MAX else size


def _int_bytes(value):
    """Return the bytes of an int in two's complement, of a big one more than a message holds."""
    size = 4
    while size <= MESSAGE_BYTES_MAX and value >> 8 * size - 1 not in (0, -1):
        size += 4
    return size


@micropython.viper
def arg_at(record: ptr32, place: int, key: int) -> int:
    """Return the address of name and value of `arg` in a task's frame, 0 where nobody can tell.

    `place` is where `window` found it among a frame's attributes, `key` its name, 0 if it did
    not. A frame that was given attributes of its own keeps it elsewhere.
    """
    pair = 0
    if key:
        pair = ptr32(record[FRAME])[TABLE] + place
        if ptr32(pair)[NAME] != key:
            pair = 0
    return pair


@micropython.viper
def carry(source: int, sink: int, frames, giver: int, taker: int):
    """Give the value in the frame of the task `giver`, an admitted one, to that of `taker`.

    `source` and `sink` are what `arg_at` says of them.
    """
    if source and sink:
        ptr32(sink)[ARG] = ptr32(source)[ARG]
    else:
        move(frames, giver, taker)


def move(frames, giver, taker):
    """Give the value in one task's frame to another's."""
    frames[taker >> RECORD_SHIFT].arg = frames[giver >> RECORD_SHIFT].arg


def store(frames, giver, index):
    """Give the value in a task's frame to a place of a mailbox."""
    frames[0][index] = frames[giver >> RECORD_SHIFT].arg


def fetch(frames, taker, index):
    """Give the value in a place of a mailbox to a task's frame."""
    frames[taker >> RECORD_SHIFT].arg = frames[0][index]
    frames[0][index] = None


def admit_arg(frames, task):
    """Admit the value in a task's frame."""
    frame = frames[task >> RECORD_SHIFT]
    frame.arg = admit(frame.arg)
