"""Count calls and mail, and hand the counts over to the next version.

Its code is as large as that of a driver that ships, 1.1 KB: a text makes up for what it lacks.
"""

from bulkhead import OK
from machine import Pin
from micropython import const

VERSION = const(1)
RUNNING_PIN = const(9)
TEXT = (
    "What a driver does beside counting, in as many bytes: "
    + """
    reads a register, masks a bit, shifts it to its place, looks whether it has changed since,
    and tells who asked to be told; waits for the line to be quiet, and for how long it was;
    keeps the newest value for whoever asks in between, with the time at which it was read, and
    the number of times that reading it has failed; asks the bus again when it was busy, and gives
    it up when it is busy for too long; answers what it does not know with a refusal.
"""
)


class Counts:
    """Calls and mail so far, of all versions."""

    def __init__(self):
        self.calls = 0
        self.mail = 0

    def export_state(self):
        """Return the counts."""
        return (self.calls, self.mail)

    def import_state(self, _version, state):
        """Take over the counts of another version."""
        self.calls, self.mail = state


def main(task):
    """Tell by a pin that this version runs; answer with it and the counts."""
    Pin(RUNNING_PIN, Pin.OUT, value=VERSION - 1)
    counts = Counts()
    task.carry_over(counts)
    yield task.recv()
    while True:
        if task.caller():
            counts.calls += 1
            yield task.reply_recv(OK, (VERSION, counts.calls, counts.mail))
        else:
            counts.mail += 1
            yield task.recv()
