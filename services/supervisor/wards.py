"""What the supervisor knows of each service, and when it starts one again."""

import time

from kernel.abi import DORMANT, FAULTED, FULL, OK, RECEIVING, RETURNED
from micropython import const

# Pauses before a restart: none at first, then doubling from FIRST up to LAST.
PAUSE_FIRST_MS = const(50)
PAUSE_LAST_MS = const(5_000)
# A service that ran this long starts from no pause again.
GOOD_MS = const(10_000)

# Fields of a row of `bulkhead_system.SERVICES`, and of its policy.
_NAME = const(0)
_POLICY = const(7)
_RESTART = const(0)
_HEARTBEAT_MS = const(1)


class Ward:
    """One service: its policy, when it is due to start, how often it has been started again."""

    def __init__(self, number, row):
        self.number = number
        self.name = row[_NAME]
        self.restart = row[_POLICY][_RESTART]
        self.heartbeat_ms = row[_POLICY][_HEARTBEAT_MS]
        self.is_due = True
        self.due_ms = self.started_ms = self.progress_ms = time.ticks_ms()
        self.starts = 0
        self.pause_ms = 0
        self.steps = 0

    def restarts(self):
        """Return how often the service was started again."""
        return max(self.starts - 1, 0)

    def failed(self, now, fault):
        """Plan the next start; return the pause before it in ms, -1 if there will be none."""
        wanted = self.restart == "permanent" or self.restart == "transient" and fault != RETURNED
        pause = self.pause_ms
        if pause and time.ticks_diff(now, self.started_ms) > GOOD_MS:
            pause = 0
        self.pause_ms = min(2 * pause, PAUSE_LAST_MS) if pause else PAUSE_FIRST_MS
        self.is_due = wanted
        self.due_ms = time.ticks_add(now, pause) if pause else now
        return pause if wanted else -1

    def started(self, now):
        """Note a start."""
        self.is_due = False
        self.starts += 1
        self.started_ms = self.progress_ms = now

    def tried(self, now, status):
        """Note the status of a try to start: without memory there will be another."""
        if status == OK:
            self.started(now)
        elif status == FULL:
            self.due_ms = time.ticks_add(now, PAUSE_FIRST_MS)
        else:  # it runs already: an earlier incarnation of the supervisor has started it
            self.is_due = False

    def is_hung(self, now, state, steps):
        """Return whether the service has made no progress for longer than its manifest allows.

        Progress is a trap; to wait for messages is what a healthy server does.
        """
        if state in (DORMANT, FAULTED):
            return False
        if state == RECEIVING or steps != self.steps:
            self.steps = steps
            self.progress_ms = now
        return time.ticks_diff(now, self.progress_ms) > self.heartbeat_ms
