"""Console output of services: it waits for no host, and leaves the line to whoever types there.

What a host does not take, or what is printed while the prompt has the line, the writer keeps; what
services `print` is kept here, up to KEPT_BYTES, and what is beyond that is counted. It comes first
when the line is free again.
"""

import select
import sys

import micropython
from kernel.layout import PROMPT, STOPPED
from micropython import const

HELD = const(-1)
KEPT_BYTES = const(512)

_PIECE = const(64)


class Outlet:
    """The way out of the console's line."""

    def __init__(self, port):
        self.port = port
        self.writable = select.poll()
        self.writable.register(sys.stdout, select.POLLOUT)
        self.output = sys.stdout.buffer
        self.kept = bytearray(KEPT_BYTES)
        self.used = 0
        self.lost = 0

    @micropython.native
    def room(self):
        """Return how many bytes the line takes now without waiting."""
        for _ in self.writable.ipoll(0):
            return _PIECE
        return 0

    @micropython.native
    def is_held(self):
        """Return whether the prompt has the line, or is about to."""
        port = self.port
        return port.guest == PROMPT or port.words[STOPPED] != 0

    def write(self, data, start):
        """Put `data` on the line from `start` on: the number of bytes it took, or HELD."""
        if self.is_held():
            return HELD
        if self.used and not self.flush():
            return 0
        room = self.room()
        if room:
            data = memoryview(data)[start : start + room]
            self.output.write(data)
            return len(data)
        return 0

    @micropython.native
    def flush(self):
        """Put on the line what is kept, as far as that takes it; return whether all is."""
        while self.used or self.lost:
            if not self.used:
                self._add(b"\r\n(%d bytes of print lost)\r\n" % self.lost)
                self.lost = 0
            room = min(self.room(), self.used)
            if not room:
                return False
            self.output.write(memoryview(self.kept)[:room])
            self.used -= room
            self.kept[: self.used] = self.kept[room : room + self.used]
        return True

    @micropython.native
    def say(self, text):
        """Print the text of a service, now or later.

        Compiled code, as all that it calls: no kill lands in it, and no other service in between.
        """
        self._add(text.replace("\n", "\r\n").encode())
        if not (self.is_held() or self.flush()):
            self.port.console.wake()  # its driver writes, and the rest goes with that

    @micropython.native
    def _add(self, data):
        used = self.used
        room = KEPT_BYTES - used
        if len(data) > room:
            self.lost += len(data) - room
            data = data[:room]
        self.kept[used : used + len(data)] = data
        self.used = used + len(data)
