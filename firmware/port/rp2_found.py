"""Where MicroPython 1.26 keeps what it has no names for: looked for as the board boots.

All are found by what they do when something is done to them. Nobody needs this module later, and
of the heap of a board that loads it from a file it has 2 KB: `forget` lets go of it.
"""

import sys

import micropython
from micropython import const, schedule
from port.rp2_chip import RAM_END

STATE_BYTES = const(1_024)  # of the interpreter's state, what `find_queue` looks at
_NOT = const(255)
_RING_BYTES = const(512)
_RAM = const(0x20000000)


@micropython.viper
def find_collecting(at: int, end: int) -> int:
    """Return the address of the half word whose bit 0 is set while garbage is collected, or 0.

    It is `gc_lock_depth` (`py/mpstate.h` of MicroPython 1.26), found between the two addresses as
    what locking the heap raises by 2. Earlier versions have no such bit.
    """
    found = 0
    micropython.heap_lock()
    while at < end and found == 0:
        if ptr16(at)[0] == 2:
            micropython.heap_lock()
            if ptr16(at)[0] == 4:
                found = at
            micropython.heap_unlock()
        at += 2
    micropython.heap_unlock()
    return found


@micropython.viper
def find_allocated(at: int, end: int, threshold) -> int:
    """Return the address of the word that counts what has been allocated, or 0.

    It is `gc_alloc_amount` (`py/mpstate.h` of MicroPython 1.26), in blocks of 16 bytes since the
    last collection; the threshold that `gc.threshold` sets follows, by which it is found.
    """
    found = 0
    threshold(0x15EAF000)
    while at < end and found == 0:
        if ptr32(at)[0] == 0x15EAF00:
            threshold(0x2BADCA00)
            if ptr32(at)[0] == 0x2BADCA0:
                found = at - 4
            threshold(0x15EAF000)
        at += 4
    return found


@micropython.viper
def find_interrupt_character(at: int, end: int) -> int:
    """Return the address of the word that `micropython.kbd_intr` sets, or 0.

    It is `mp_interrupt_char` (`shared/runtime/interrupt_char.c` of MicroPython), which the REPL
    sets too: -1 while it waits for a key, 3 while it runs what was typed. Found between the two
    addresses as what follows two settings. Afterwards a Ctrl-C is no interrupt.
    """
    found = 0
    choose = micropython.kbd_intr
    choose(0x15EAF00D)
    while at < end and found == 0:
        if ptr32(at)[0] == 0x15EAF00D:
            choose(0x2BADCAFE)
            if ptr32(at)[0] == 0x2BADCAFE:
                found = at
            choose(0x15EAF00D)
        at += 4
    choose(-1)
    return found


@micropython.viper
def find_ring(at: int, end: int, keyboard) -> int:
    """Return the address of the ring between two addresses, or 0.

    Found as what takes a key that is typed, which is taken out again.
    """
    put = keyboard.type
    while at < end:
        ring = ptr16(at)
        data = ptr32(at)[0]
        if ring[2] == _RING_BYTES and ring[3] < _RING_BYTES and ring[4] < _RING_BYTES:
            if data >= _RAM and data <= RAM_END - _RING_BYTES:
                last = ring[4]
                put(b"\x00")
                if ring[4] == (last + 1) % _RING_BYTES:
                    ring[4] = last
                    return at
        at += 4
    return 0


@micropython.viper
def find_queue(at: int, room) -> int:
    """Return the address of the byte that counts the queue of scheduled callbacks, or 0.

    It is `sched_len` (`py/mpstate.h`), found behind the address `at` as what each callback that is
    asked for raises by 1. Compiled: none is called before it returns. `room` is for as much.
    """
    now = ptr8(at)
    seen = ptr8(room)
    place = 0
    while place < STATE_BYTES:
        seen[place] = now[place]
        place += 1
    schedule(id, None)  # type: ignore[arg-type]
    place = 0
    while place < STATE_BYTES:
        if now[place] == seen[place] + 1:
            seen[place] = now[place]
        else:
            seen[place] = _NOT
        place += 1
    schedule(id, None)  # type: ignore[arg-type]
    found = 0
    place = 0
    while place < STATE_BYTES:
        if seen[place] != _NOT:
            if now[place] == seen[place] + 1:
                found = at + place
        place += 1
    return found


def forget():
    """Let go of this module."""
    del sys.modules["port.rp2_found"]
    delattr(sys.modules["port"], "rp2_found")
