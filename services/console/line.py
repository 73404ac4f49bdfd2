"""What each line of the link has of its own: its sessions, its watch, what it has lost."""

import struct
import time

from bulkhead.session import Answers, Gate, Session
from bulkhead_key import KEY
from micropython import const

_WATCH_INTERVAL_MS_MIN = const(50)
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
