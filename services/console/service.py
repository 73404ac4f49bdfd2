"""The console: answers the host's frames on every line that reaches it, prints events and the log.

A line is the serial port, or what an agent has of a network; each has sessions of its own, so
nobody at one line disturbs who uses another. Requests are in `requests`, what is printed in
`news`.
"""

from bulkhead import NOTIFIED
from bulkhead_key import KEY
from bulkhead_system import SERVICES
from kernel.abi import GUEST_BIT
from micropython import const

from services.console.news import print_news
from services.console.requests import answer, send_table
from services.console.line import Serial

_INPUT = const(1)
_AGAIN_MS = const(100)  # between two tries to print what waits
_LINE = "input"
_AGENT = "services.agent.service"
_VERSION = const(2)  # of the manifest since which a state is as this one


class Link:
    """All that an update of the console hands over: the lines, the serial port first."""

    def __init__(self):
        self.serial = Serial()
        self.remotes = []
        agents = [row[0] for row in SERVICES if row[1] == _AGENT]
        if agents and any(KEY):  # without a key everybody could give orders
            from services.console.remote import Remote

            self.remotes = [Remote(name) for name in agents]
        self.lines = (self.serial,) + tuple(self.remotes)

    def export_state(self):
        """Return it as bytes."""
        return b"".join([line.handed_over() for line in self.lines])

    def import_state(self, version, state):
        """Go on with the sessions, and within the frames, that another version has left."""
        at = 0
        for line in self.lines if version >= _VERSION else ():
            at = line.take_over(state, at)

    def pause_ms(self):
        """Return the milliseconds until a line wants something, None while none does."""
        pauses = [line.pause_ms() for line in self.lines]
        pauses = [pause_ms for pause_ms in pauses if pause_ms is not None]
        return min(pauses) if pauses else None


def main(task):
    """Serve the link until stopped."""
    state = Link()
    task.carry_over(state)
    serial, remotes = state.serial, state.remotes
    line = task.cap(_LINE)
    yield task.acknowledge(line)
    for remote in remotes:
        yield from remote.begin(task)
    has_all = False
    while True:
        if not has_all:
            has_all = yield from print_news(task, serial)
        pause_ms = state.pause_ms()
        if not (has_all or serial.is_held) and (pause_ms is None or pause_ms > _AGAIN_MS):
            pause_ms = _AGAIN_MS
        status = yield task.recv(pause_ms)
        has_all = has_all and status != NOTIFIED
        bits = task.bits() if status == NOTIFIED else 0
        if bits & _INPUT:
            yield from read_serial(task, serial, bits & GUEST_BIT)
        yield task.acknowledge(line)
        for remote in remotes:
            yield from remote.attend(task, bits)
        for one in state.lines:
            if one.watch.is_due():
                yield from send_watched(task, one)


def read_serial(task, serial, has_guest):
    """Answer what has come on the serial port, or leave it to the prompt."""
    yield from serial.put(task, b"", 0)
    while not serial.is_held and serial.more():
        frame = serial.read_line()
        if serial.wants_prompt:
            serial.wants_prompt = False
            yield task.hand_over(task.cap(_LINE))
            return
        if frame:
            yield from answer(task, serial, frame)
            if has_guest:
                return
        yield task.sleep(1)  # a burst takes many steps, each within the budget


def send_watched(task, line):
    """Send the table to who watches."""
    if not line.is_remote:
        yield from line.put(task, b"", 0)
    if line.is_held:  # whoever wished for it has left the line to somebody else
        line.watch.interval_ms = 0
        return
    line.answers = line.watch.answers
    yield from send_table(task, line, line.watch.sequence)
