"""The edges of one pin: how many there were, who is told of them, and when that becomes a storm.

A pin that nobody drives, or a contact that bounces, may fire more often than anybody can follow.
The kernel takes that for a fault of the driver, which serves other pins too; so a line that has
fired STORM_EDGES times is left masked until STORM_MS are over.
"""

import time
from struct import calcsize, pack, unpack_from

from micropython import const

from services.gpio.api import STORM_EDGES, STORM_MS

_HEAD = "<IIIBB"  # edges, storms, begin of the window, whether it rests, subscribers
_SUBSCRIBER = "<BI"  # (task number, bits)
_DAY_MS = const(86_400_000)


class Edges:
    """Edges of the pin at a place among the pins; `line` is the handle of its interrupts."""

    def __init__(self, index, line):
        self.index = index
        self.line = line
        self.count = self.storms = self.in_window = 0
        self.window_ms = time.ticks_ms()
        self.rests = False
        self.subscribers = {}  # bits by task number

    def take(self):
        """Count an edge; return whether the line may fire again at once."""
        now = time.ticks_ms()
        self.count += 1
        self.in_window += 1
        if self.in_window == 1 or time.ticks_diff(now, self.window_ms) >= STORM_MS:
            self.window_ms = now
            self.in_window = 1
        self.rests = self.in_window >= STORM_EDGES
        self.storms += self.rests
        return not self.rests

    def left_ms(self):
        """Return in how many ms to call `wake`, None if there is no need to.

        A line that rests may fire again when its window is over. A window that nobody has ended
        within a day is: two ticks that are a week apart compare the wrong way.
        """
        if not self.in_window:
            return None
        window_ms = STORM_MS if self.rests else _DAY_MS
        return max(0, time.ticks_diff(self.window_ms, time.ticks_ms()) + window_ms)

    def wake(self):
        """Let a new window begin; return whether the line has rested."""
        rested = self.rests
        self.rests = False
        self.in_window = 0
        return rested

    def packed(self):
        """Return it as bytes."""
        head = pack(
            _HEAD, self.count, self.storms, self.window_ms, self.rests, len(self.subscribers)
        )
        return head + b"".join([pack(_SUBSCRIBER, *pair) for pair in self.subscribers.items()])

    def unpack(self, data, at):
        """Take over what was packed at a place; return where that ends."""
        self.count, self.storms, self.window_ms, self.rests, many = unpack_from(_HEAD, data, at)
        self.in_window = int(self.rests)
        at += calcsize(_HEAD)
        for _ in range(many):
            number, bits = unpack_from(_SUBSCRIBER, data, at)
            self.subscribers[number] = bits
            at += calcsize(_SUBSCRIBER)
        return at
