"""Memory as viper reads it, by pointers: what the ports have of it, and a lease."""

import sys

import micropython

_WORD_BYTES = 8 if sys.maxsize >> 31 else 4


@micropython.viper
def copy(into, at: int, source, start: int, count: int):
    """Copy `count` bytes of buffer `source` from `start` on to buffer `into`, from `at` on.

    Both have to have them. By words where the two places lie alike in their words: no core here
    reads a word across the border of two. Allocates nothing.
    """
    to = int(ptr8(into)) + at
    of = int(ptr8(source)) + start
    end = to + count
    if (to ^ of) & 3:
        copy_bytes(ptr8(to), ptr8(of), end)
        return
    while to & 3 and to < end:
        ptr8(to)[0] = ptr8(of)[0]
        to += 1
        of += 1
    copy_words(ptr32(to), ptr32(of), end)


@micropython.viper
def copy_words(to: ptr32, of: ptr32, end: int):
    """Copy from word to word, and then by bytes, until `to` reaches the address `end`."""
    while int(to) <= end - 64:
        to[0] = of[0]
        to[1] = of[1]
        to[2] = of[2]
        to[3] = of[3]
        to[4] = of[4]
        to[5] = of[5]
        to[6] = of[6]
        to[7] = of[7]
        to[8] = of[8]
        to[9] = of[9]
        to[10] = of[10]
        to[11] = of[11]
        to[12] = of[12]
        to[13] = of[13]
        to[14] = of[14]
        to[15] = of[15]
        to = ptr32(int(to) + 64)
        of = ptr32(int(of) + 64)
    while int(to) <= end - 4:
        to[0] = of[0]
        to = ptr32(int(to) + 4)
        of = ptr32(int(of) + 4)
    while int(to) < end:
        ptr8(to)[0] = ptr8(of)[0]
        to = ptr32(int(to) + 1)
        of = ptr32(int(of) + 1)


@micropython.viper
def copy_bytes(to: ptr8, of: ptr8, end: int):
    """Copy byte by byte until `to` reaches the address `end`."""
    while int(to) <= end - 16:
        to[0] = of[0]
        to[1] = of[1]
        to[2] = of[2]
        to[3] = of[3]
        to[4] = of[4]
        to[5] = of[5]
        to[6] = of[6]
        to[7] = of[7]
        to[8] = of[8]
        to[9] = of[9]
        to[10] = of[10]
        to[11] = of[11]
        to[12] = of[12]
        to[13] = of[13]
        to[14] = of[14]
        to[15] = of[15]
        to = ptr8(int(to) + 16)
        of = ptr8(int(of) + 16)
    while int(to) < end:
        to[0] = of[0]
        to = ptr8(int(to) + 1)
        of = ptr8(int(of) + 1)


def length(buffer):
    """Return the bytes of a memoryview or an array, -1 for an array of objects."""
    size = item_bytes(id(buffer) + _WORD_BYTES, _WORD_BYTES)
    return len(buffer) * size if size else -1


@micropython.viper
def item_bytes(at: int, word_bytes: int) -> int:
    """Return the bytes of an item of a memoryview or an array, 0 for an object.

    Both are `type, kind of items and flags, length in items, address`, a word each
    (`py/objarray.h` of MicroPython 1.26); `at` is where the second is. The kind is a code of
    `struct`, or 1 for what is a bytearray's.
    """
    kind = ptr8(at)[0] & 0x7F
    size = 0
    if kind == 1 or kind == 0x62 or kind == 0x42:  # bB
        size = 1
    elif kind == 0x68 or kind == 0x48:  # hH
        size = 2
    elif kind == 0x69 or kind == 0x49 or kind == 0x66:  # iIf
        size = 4
    elif kind == 0x6C or kind == 0x4C:  # lL
        size = word_bytes
    elif kind == 0x71 or kind == 0x51 or kind == 0x64:  # qQd
        size = 8
    return size
