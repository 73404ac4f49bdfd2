"""The serial port as a line of the link, which also carries what is printed, and the prompt.

Reads only when the port says that console input waits, so a person or a tool at the REPL gets
every character; after a Ctrl-C it reads no further: that is the prompt's. Writes only what the
serial port takes at once, so a host that does not read delays nobody.
"""

import select
import sys as interpreter

from bulkhead import OK
from bulkhead import link
from bulkhead_system import LINK_CLOSED
from micropython import const

from services.console.line import Line

try:
    from machine import unique_id
except ImportError:  # a process has no id
    unique_id = bytes  # type: ignore[assignment]

# A host that takes nothing for this many milliseconds loses an answer; what is printed waits.
_ANSWER_TRIES = const(20)
_TEXT_TRIES = const(3)
_READ_AT_ONCE = const(64)
_CTRL_C = const(3)
_LINE_FEED = const(10)
_MARK = const(0x1E)
_LINE = "input"


class Serial(Line):
    """The serial port as this service sees it: never waits."""

    def __init__(self):
        super().__init__(unique_id(), LINK_CLOSED)
        self.readable = select.poll()
        self.readable.register(interpreter.stdin, select.POLLIN)
        self.input = interpreter.stdin.buffer
        self.character = bytearray(1)
        self.line = bytearray(link.LINE_BYTES_MAX)
        self.length = -1  # of the frame that has begun; -1 outside of one
        self.wants_prompt = False
        self.text = b""  # that is being printed: what the line has not taken yet
        self.failed = ""  # whose last words are printed next

    def read_line(self):
        """Take waiting characters; return the frame they complete, None if they do not.

        What follows a Ctrl-C is not taken. Allocates nothing but the frame.
        """
        poll = self.readable.poll
        readinto = self.input.readinto
        character = self.character
        for _ in range(_READ_AT_ONCE):
            if not poll(0):
                return None
            readinto(character)
            code = character[0]
            if code == _CTRL_C:
                self.wants_prompt = True
                self.length = -1
                return None
            if code == _MARK:
                self.damaged += self.length >= 0  # it was cut off
                self.length = 0
            elif self.length < 0:
                continue
            elif code == _LINE_FEED:
                frame = link.decode(memoryview(self.line)[: self.length])
                self.length = -1
                self.damaged += frame is None
                return frame
            elif self.length == link.LINE_BYTES_MAX:
                self.length = -1
                self.damaged += 1
            else:
                self.line[self.length] = code
                self.length += 1
        return None

    def more(self):
        """Return whether characters wait."""
        return bool(self.readable.poll(0))

    def put(self, task, data, tries_max):
        """Write what the line takes of `data`, and return the rest.

        Gives up when the host has taken nothing for that many tries, a millisecond between two,
        or when the prompt has the line.
        """
        line = task.cap(_LINE)
        start = 0
        tries = 0
        while True:
            status = yield task.write(line, data, start)
            self.is_held = status != OK
            count = task.count()
            start += count
            if start == len(data) or self.is_held or tries == tries_max:
                return data[start:]
            tries = 0 if count else tries + 1
            if not count:
                yield task.sleep(1)

    def write(self, task, data):
        """Write an answer, behind a line that has begun; what nobody takes of it is lost."""
        self.text = yield from self.put(task, self.text, _ANSWER_TRIES)
        if not self.text:
            data = yield from self.put(task, data, _ANSWER_TRIES)
        self.lost += len(data)

    def say(self, task, text):
        """Begin to print a text; return whether the line has taken all of it."""
        self.text = yield from self.put(task, text, _TEXT_TRIES)
        return not self.text

    def handed_over(self):
        """Return what an update hands over."""
        return self.pack(bytes(self.line[: self.length]) if self.length >= 0 else None)

    def take_over(self, state, at):
        """Go on with that; return where the next line's state begins."""
        half, at = self.unpack(state, at)
        if half is not None:
            self.length = len(half)
            self.line[: self.length] = half
        return at
