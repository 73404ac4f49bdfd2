"""What the supervisor knows of each service, and when it starts one again.

All times are those of one `Uptime`, so that two of them may be weeks apart.
"""

from struct import calcsize, pack, unpack_from

from kernel.abi import (
    CLOSING, DEGRADED, DORMANT, FAULTED, FULL, HARD, OK, RECEIVING, RETURNED,
)  # fmt: skip
from kernel.layout import WAITED
from micropython import const

from services.supervisor.api import GIVEN_UP, STAYS_DOWN

# A service that ran this long starts from no pause again.
GOOD_MS = const(10_000)
# The longest time between two looks: the kernel's clock comes round after 18 minutes.
LOOK_MS_MAX = const(250_000)
# Between two tries to start one without memory.
AGAIN_MS = const(50)
# Flags; ages of what is due, start and progress; pause, last step, faults. Of each fault its age.
_PACKED = "<BBBBiiiIIB"
_AGE = "<i"
_AGE_MAX = const(0x3FFFFFFF)  # older than anything that is compared

# Fields of a row of `bulkhead_system.SERVICES`, and of its policy.
_NAME = const(0)
_PRIORITY = const(2)
_POLICY = const(7)
_RESTART = const(0)
_HEARTBEAT_MS = const(1)
_PAUSE_FIRST_MS = const(2)
_PAUSE_LAST_MS = const(3)
_RESTARTS_MAX = const(4)
_WINDOW_MS = const(5)
_RESETS = const(6)
_AFTER = const(7)
_FATE = const(8)
_OPTIONS = const(8)  # of the row
_FLAGS = const(4)
# In one byte of _PACKED.
_STOPPING = const(1)
_RENEWED = const(2)


class Ward:
    """One service: its policy, when it is due to start, why it is not started again."""

    def __init__(self, number, row, now):
        self.number = number
        self.name = row[_NAME]
        self.priority = row[_PRIORITY]
        self.policy = policy = row[_POLICY]
        self.heartbeat_ms = policy[_HEARTBEAT_MS]
        self.is_due = True
        self.due_ms = self.started_ms = self.progress_ms = now
        self.excused_ms = now  # until then it is not taken for hung
        self.look_ms = now  # when it may be hung at the earliest
        self.is_starved = False
        self.was_waiting = False  # for messages, at the last look
        self.rests = 0  # HELD or DEGRADED: it waits to be released
        self.is_stopping = False
        # One that is resumed in the hardware interrupt goes on until it is started anew.
        self.is_hard = bool(row[_OPTIONS][_FLAGS] & HARD)
        self.is_renewed = False  # it goes on now, and is to be stopped before its start
        self.pause_ms = 0
        self.faults_ms = [] if policy[_RESTARTS_MAX] else None
        self.stepped_us = 0  # when it made its last step, by the kernel's clock
        # Whether after a fault it is started again before anything else is thought of.
        is_bound = policy[_RESTARTS_MAX] or policy[_AFTER] or policy[_FATE]
        self.is_free = policy[_RESTART] == "permanent" and not is_bound

    def packed(self, now):
        """Return what an update of the supervisor hands over, times as ages."""
        faults = self.faults_ms or ()
        ending = self.is_stopping * _STOPPING | self.is_renewed * _RENEWED
        flags = (self.rests, self.is_due, ending, self.is_free)
        times = (self.due_ms, self.started_ms, self.progress_ms)
        ages = [min(now - at_ms, _AGE_MAX) for at_ms in times]
        row = pack(_PACKED, *flags, *ages, self.pause_ms, self.stepped_us, len(faults))
        return row + b"".join([pack(_AGE, min(now - at_ms, _AGE_MAX)) for at_ms in faults])

    def unpack(self, data, at, now):
        """Take over what another version has packed at a place; return where that ends."""
        row = unpack_from(_PACKED, data, at)
        self.rests, self.is_due, ending, self.is_free = row[:4]
        self.is_stopping, self.is_renewed = ending & _STOPPING, ending & _RENEWED != 0
        self.due_ms, self.started_ms, self.progress_ms = [now - age_ms for age_ms in row[4:7]]
        self.pause_ms, self.stepped_us = row[7:9]
        at += calcsize(_PACKED)
        end = at + calcsize(_AGE) * row[9]
        if self.faults_ms is not None:
            places = range(at, end, calcsize(_AGE))
            self.faults_ms = [now - unpack_from(_AGE, data, place)[0] for place in places]
        return end

    def wants(self, fault):
        """Return whether the manifest has it started again after such a fault."""
        restart = self.policy[_RESTART]
        return restart == "permanent" or restart == "transient" and fault != RETURNED

    def after(self):
        """Return the numbers of the services that have to serve before it is started."""
        return self.policy[_AFTER]

    def fate(self):
        """Return the numbers of the services that are started again along with it."""
        return self.policy[_FATE]

    def resets(self):
        """Return whether to reset the board when it is given up."""
        return self.policy[_RESETS]

    def failed(self, now, fault):
        """Plan the next start; return the pause before it in ms, STAYS_DOWN or GIVEN_UP."""
        self.is_due = self.is_renewed = False
        if not self.wants(fault):
            return STAYS_DOWN
        if self.has_failed_too_often(now):
            self.rests = DEGRADED
            return GIVEN_UP
        pause = self.pause_ms
        if pause and now - self.started_ms > GOOD_MS:
            pause = 0
        policy = self.policy
        first, last = policy[_PAUSE_FIRST_MS], policy[_PAUSE_LAST_MS]
        self.pause_ms = min(2 * pause, last) if pause else first
        self.plan(now + pause)
        return pause

    def has_failed_too_often(self, now):
        """Note a fault; return whether there were more of them in the window than may be."""
        most, window_ms = self.policy[_RESTARTS_MAX], self.policy[_WINDOW_MS]
        if not most:
            return False
        times = self.faults_ms
        times.append(now)
        while now - times[0] >= window_ms:
            times.pop(0)
        return len(times) > most

    def plan(self, at_ms):
        """See that it is started at that time."""
        self.is_due = True
        self.due_ms = at_ms

    def renew(self, at_ms):
        """See that it is stopped, and started anew, at that time."""
        self.is_renewed = True
        self.plan(at_ms)

    def rest(self, why):
        """See that it is not started before it is released."""
        self.is_due = self.is_renewed = False
        self.rests = why

    def release(self, now):
        """Forget that it has ever failed, and start it."""
        self.rests = 0
        self.pause_ms = 0
        if self.faults_ms:
            self.faults_ms.clear()
        self.plan(now)

    def started(self, now):
        """Note a start."""
        self.is_due = self.is_stopping = False
        self.started_ms = self.progress_ms = now

    def tried(self, now, status):
        """Note the status of a try to start: for some there will be another."""
        if status == OK:
            self.started(now)
        elif status == FULL:
            self.due_ms = now + AGAIN_MS
        else:  # it runs already: an earlier incarnation of the supervisor has started it
            self.is_due = False

    def saw_step(self, now, stepped_us, ago_us):
        """Note when it made its last step, a trap."""
        if stepped_us not in (self.stepped_us, WAITED):
            self.stepped_us = stepped_us
            self.progress_ms = max(self.progress_ms, now - ago_us // 1000)
            self.is_starved = self.was_waiting = False

    def saw_wait(self, now):
        """Note that it waits for messages, which is what a healthy server does."""
        self.was_waiting = True
        self.progress_ms = now
        self.is_starved = False
        self.look_ms = now + min(self.heartbeat_ms, LOOK_MS_MAX) + 1

    def is_late(self, now):
        """Return whether its last progress is longer ago than its manifest allows.

        If not, note when that may be so.
        """
        late_ms = max(self.progress_ms, self.excused_ms) + self.heartbeat_ms + 1
        self.look_ms = min(late_ms, now + LOOK_MS_MAX)
        return late_ms <= now

    def is_hung(self, now, state):
        """Return whether the service, which is late, makes no progress.

        Progress is a trap. One that has waited until now may be in its first step since.
        """
        if state in (DORMANT, FAULTED, CLOSING):
            self.look_ms = now + self.heartbeat_ms
        elif state == RECEIVING or self.was_waiting:
            self.saw_wait(now)
            self.was_waiting = state == RECEIVING
        else:
            return True
        return False
