"""The RP2040's console input that waits for a guest program: looked at, and left to it.

What USB has received waits in a ring of 511 bytes (`stdin_ringbuf` of `ports/rp2/mphalport.c`,
`py/ringbuf.h` of MicroPython 1.26): an address, and three half words, its size, where the next
byte is taken and where the next is put. Nothing adds to it while compiled code runs.
"""

import machine
import micropython
from micropython import const

_SIZE = const(512)
_CTRL_C = const(3)
_LINE_FEED = const(10)
_MARK = const(0x1E)
_LOOKS = const(64)  # a second

# What `look` finds.
_INTERRUPT = const(1)
_FRAME = const(2)  # a whole one
_FULL = const(3)


@micropython.viper
def look(at: int) -> int:
    """Return what waits in the ring: _INTERRUPT, _FRAME, _FULL, or 0."""
    ring = ptr16(at)
    data = ptr8(ptr32(at)[0])
    size = ring[2]
    place = ring[3]
    end = ring[4]
    count = 1
    has_mark = 0
    found = 0
    while place != end:
        character = data[place]
        if character == _CTRL_C:
            return _INTERRUPT
        if character == _MARK:
            has_mark = 1
        elif has_mark and character == _LINE_FEED:
            found = _FRAME
        place += 1
        if place == size:
            place = 0
        count += 1
    return found if found or count != size else _FULL


@micropython.viper
def has_interrupt(at: int) -> bool:
    """Return whether a Ctrl-C waits in the ring."""
    return int(look(at)) == _INTERRUPT


@micropython.viper
def drop_interrupt(at: int) -> int:
    """Drop what waits up to the first Ctrl-C, and that, as MicroPython does; return whether."""
    if int(look(at)) != _INTERRUPT:
        return 0
    ring = ptr16(at)
    data = ptr8(ptr32(at)[0])
    size = ring[2]
    place = ring[3]
    found = 0
    while found != _CTRL_C:
        found = data[place]
        place += 1
        if place == size:
            place = 0
    ring[3] = place
    return 1


@micropython.viper
def set_apart(at: int, into) -> int:
    """Take what comes before the first frame, and put it into a buffer; return how much it is."""
    kept = ptr8(into)
    ring = ptr16(at)
    data = ptr8(ptr32(at)[0])
    place = ring[3]
    count = 0
    while data[place] != _MARK:
        kept[count] = data[place]
        count += 1
        place += 1
        if place == _SIZE:
            place = 0
    ring[3] = place
    return count


@micropython.viper
def put_back(at: int, of, count: int) -> int:
    """Put it before what waits; return how much there was no room for."""
    kept = ptr8(of)
    ring = ptr16(at)
    data = ptr8(ptr32(at)[0])
    place = ring[3]
    while count:
        before = place - 1 if place else _SIZE - 1
        if before == ring[4]:
            break
        place = before
        count -= 1
        data[place] = kept[count]
    ring[3] = place
    return count


class Waiting:
    """Console input while a guest program runs: what of it is for the console's driver.

    That is a frame, once it is whole, and a Ctrl-C with what comes before it; all else stays for
    the program. It is the driver's, too, once a program has read nothing for a second while the
    ring is full: a Ctrl-C could not be seen behind it.
    """

    def __init__(self, at):
        self.at = at
        self.taken = -1  # where the program reads next, once the ring is full
        self.looks = 0
        self.kept = bytearray(_SIZE)  # the program's, while the driver reads a frame behind it
        self.count = 0

    def is_drivers(self):
        """Return whether what waits first is for the driver. Called every 16 ms."""
        found = look(self.at)
        if found == _FULL:
            taken = machine.mem16[self.at + 6]
            self.looks = self.looks + 1 if taken == self.taken else 0
            self.taken = taken
            return self.looks > _LOOKS
        self.looks = 0
        if found == _FRAME:
            if not self.count:
                self.count = set_apart(self.at, self.kept)
            return True
        return found == _INTERRUPT

    def give_back(self, is_programs):
        """Take note that the driver has read: the rest is the program's again, if one runs."""
        self.count = put_back(self.at, self.kept, self.count) if is_programs else 0
