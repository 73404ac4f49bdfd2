"""Lines of the link: what each has of its own, and the serial port, which is one.

The serial port also carries what is printed, and the prompt. It is read only when the port says
that console input waits, so a person or a tool at the REPL gets every character; after a Ctrl-C it
is read no further: that is the prompt's. Only what it takes at once is written, so a host that
does not read delays nobody.
"""

import select
import struct
import sys as interpreter
import time

from bulkhead import OK
from bulkhead import link
from bulkhead.session import Answers, Gate, Session
from bulkhead_key import KEY
from bulkhead_system import LINK_CLOSED
from micropython import const

try:
    from machine import unique_id
except ImportError:  # a process has no id
    unique_id = bytes  # type: ignore[assignment]

_WATCH_INTERVAL_MS_MIN = const(50)
# A host that takes nothing for this many milliseconds loses an answer; what is printed waits.
_ANSWER_TRIES = const(20)
_TEXT_TRIES = const(3)
_READ_AT_ONCE = const(64)
_CTRL_C = const(3)
_LINE_FEED = const(10)
_MARK = const(0x1E)
_LINE = "input"
# Losses, sessions opened; the watch, and its order; bytes of the frame; sessions.
_HEAD = "<IIIIBBHIIBIHhB"
_SESSION = "<BI32s"


class Line:
    """A line that carries frames. `board` is whom its sessions are bound to.

    `is_remote` says that others than the host can write to it. A line has `write(task, data)`,
    which writes an answer, and whose losses are counted.
    """

    is_remote = False
    farewell_ms = 50  # until the host has taken the answer to the order to reset

    def __init__(self, board, is_closed):
        self.gate = Gate(KEY, is_closed, board)
        self.watch = Watch()
        self.answers = None  # those to the order that is being answered
        self.damaged = 0  # frames
        self.lost = 0  # bytes of answers that the host did not take
        self.is_held = False  # the prompt has it

    def pause_ms(self):
        """Return the milliseconds until there is something to do, None if never."""
        return self.watch.pause_ms()

    def pack(self, half):
        """Return what an update hands over; `half` is what has come of a frame, None if none."""
        gate, watch, order = self.gate, self.watch, self.watch.answers
        losses = (self.damaged, self.lost, gate.refused, gate.replayed, gate.opened)
        wish = (watch.sequence, watch.interval_ms, watch.next_ms, watch.end_ms)
        order = (order.name, order.number, order.index) if order else (0, 0, 0)
        sessions = [struct.pack(_SESSION, s.name, s.number, s.key) for s in gate.sessions]
        length = -1 if half is None else len(half)
        head = struct.pack(_HEAD, *losses, *wish, *order, length, len(sessions))
        return head + b"".join(sessions) + (half or b"")

    def unpack(self, state, at):
        """Go on with that; return what has come of a frame, and where the next line's begins."""
        gate, watch = self.gate, self.watch
        row = struct.unpack_from(_HEAD, state, at)
        self.damaged, self.lost, gate.refused, gate.replayed, gate.opened = row[:5]
        watch.sequence, watch.interval_ms, watch.next_ms, watch.end_ms = row[5:9]
        at += struct.calcsize(_HEAD)
        for _ in range(row[13]):
            session = Session(KEY, 0, b"", b"")
            session.name, session.number, session.key = struct.unpack_from(_SESSION, state, at)
            gate.sessions.append(session)
            if session.name == row[9]:
                watch.answers = Answers(session, row[10], row[11])
            at += struct.calcsize(_SESSION)
        length = row[12]
        if length < 0:
            return None, at
        return state[at : at + length], at + length


class Watch:
    """The host's wish to be sent the table now and then, until it ends by itself."""

    def __init__(self):
        self.sequence = 0
        self.answers = None
        self.interval_ms = 0
        self.next_ms = self.end_ms = time.ticks_ms()

    def begin(self, sequence, answers, interval_ms, for_ms):
        """Take a new wish in place of the last; `answers` are those to the order it came in."""
        now = time.ticks_ms()
        self.sequence = sequence
        self.answers = answers
        self.interval_ms = max(interval_ms, _WATCH_INTERVAL_MS_MIN)
        self.next_ms = now
        self.end_ms = time.ticks_add(now, for_ms)

    def pause_ms(self):
        """Return the milliseconds until it is time to send, None while nothing is wished for."""
        if not self.interval_ms:
            return None
        return max(0, time.ticks_diff(self.next_ms, time.ticks_ms()))

    def is_due(self):
        """Return whether it is time to send, and plan the next time."""
        now = time.ticks_ms()
        if not self.interval_ms or time.ticks_diff(now, self.next_ms) < 0:
            return False
        if time.ticks_diff(now, self.end_ms) >= 0:
            self.interval_ms = 0
            return False
        self.next_ms = time.ticks_add(now, self.interval_ms)
        return True


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
        if self.text:
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
