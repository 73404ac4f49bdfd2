"""What services import of `time`, by the clock of the tick: MicroPython's qemu port has none.

Microseconds are modulo 2**30, as MicroPython's own. Milliseconds are those of these microseconds,
where MicroPython's are modulo 2**30 themselves.
"""

import hard_tick
from micropython import const

_MASK = const(0x3FFFFFFF)
_HALF = const(0x20000000)

ticks_us = hard_tick.now


def ticks_ms():
    """Return milliseconds, which begin anew with the microseconds: after 18 minutes.

    What `ticks_diff` says of two times with that moment between them is wrong.
    """
    return hard_tick.now() // 1000


def ticks_add(ticks, delta):
    """Return a time that much later."""
    return (ticks + delta) & _MASK


def ticks_diff(end, start):
    """Return how much later `end` is, from -2**29 to 2**29 - 1."""
    return ((end - start + _HALF) & _MASK) - _HALF


def sleep_us(us):
    """Wait so long."""
    start = ticks_us()
    while (ticks_us() - start) & _MASK < us:
        pass


def sleep_ms(ms):
    """Wait so long."""
    sleep_us(ms * 1000)


def sleep(seconds):
    """Wait so long."""
    sleep_us(int(seconds * 1_000_000))
