"""Where this MicroPython keeps what `kernel.window` speaks of, found once, at boot."""

import sys

import micropython
from kernel.layout import (
    ARG_KEY, ARG_PLACE, BUFFER_KEY, BUFFER_PLACE, BYTEARRAY, BYTES, MAIL_ITEMS, PARTICULARS,
)  # fmt: skip
from micropython import const

_SIZE_AT = const(8)  # bytes
_TABLE_AT = const(12)
_ITEMS_AT = const(12)


def note_places(w, frame, values):
    """Note in the kernel's words where a frame has its values, and where the items of a list are.

    `frame` is a new one, `values` the list of all mailboxes' values.
    """
    spots = w[PARTICULARS]
    w[spots + ARG_KEY], w[spots + ARG_PLACE] = locate(frame, "arg")
    w[spots + BUFFER_KEY], w[spots + BUFFER_PLACE] = locate(frame, "buffer")
    if w[spots + BUFFER_KEY]:
        w[spots + BYTEARRAY], w[spots + BYTES] = id(bytearray), id(bytes)
    w[spots + MAIL_ITEMS] = locate_items(values)


@micropython.viper
def peek(address: int) -> int:
    """Return the word at an address."""
    return ptr32(address)[0]


def is_known():
    """Return whether this machine keeps things as described above."""
    return sys.implementation.name == "micropython" and sys.maxsize >> 31 == 0


def locate(frame, name):
    """Return (name word, offset in the table in bytes) of an attribute, or zeros."""
    if is_known():
        mark = bytearray(1)
        setattr(frame, name, mark)
        table = peek(id(frame) + _TABLE_AT)
        for place in range(0, 8 * peek(id(frame) + _SIZE_AT), 8):
            if peek(table + place + 4) == id(mark):
                return peek(table + place), place
    return 0, 0


def locate_items(values):
    """Return the address of a list's items, 0 where nobody can tell."""
    if is_known() and values:
        values[0] = mark = bytearray(1)
        items = peek(id(values) + _ITEMS_AT)
        found = peek(items) == id(mark)
        values[0] = None
        if found:
            return items
    return 0
