"""Copying memory, where viper reads it as pointers: every port but the simulator."""

import micropython


@micropython.viper
def copy(into, at: int, source, start: int, count: int):
    """Copy `count` bytes of buffer `source` from `start` on to buffer `into`, from `at` on.

    Both have to have them. By words where the two places lie alike in their words: no core here
    reads a word across the border of two. Allocates nothing.
    """
    to = int(ptr8(into)) + at
    of = int(ptr8(source)) + start
    end = to + count
    if (to ^ of) & 3 == 0:
        while to & 3 and to < end:
            ptr8(to)[0] = ptr8(of)[0]
            to += 1
            of += 1
        last = end - 32
        while to <= last:
            a = ptr32(to)
            b = ptr32(of)
            a[0] = b[0]
            a[1] = b[1]
            a[2] = b[2]
            a[3] = b[3]
            a[4] = b[4]
            a[5] = b[5]
            a[6] = b[6]
            a[7] = b[7]
            to += 32
            of += 32
        last = end - 4
        while to <= last:
            ptr32(to)[0] = ptr32(of)[0]
            to += 4
            of += 4
    last = end - 4
    while to <= last:
        c = ptr8(to)
        d = ptr8(of)
        c[0] = d[0]
        c[1] = d[1]
        c[2] = d[2]
        c[3] = d[3]
        to += 4
        of += 4
    while to < end:
        ptr8(to)[0] = ptr8(of)[0]
        to += 1
        of += 1
