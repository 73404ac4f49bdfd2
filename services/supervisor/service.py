"""Start every service, and start again what fails, each time after a longer pause.

First start and restart are the same path: a task that is due is started. The kernel notifies a
fault; the pause depends on how often the service has failed lately. A service that makes no
trap for its `heartbeat_ms`, and does not wait for messages, is taken for hung.
"""

import time

from bulkhead import NOTIFIED, OK
from bulkhead_system import SERVICES
from kernel.abi import DORMANT, FAULTED, FULL, HEARTBEAT, INSPECT_FORMAT, RECEIVING, RETURNED
from micropython import const
from struct import unpack

from services.supervisor.api import EMPTY, EVENT, EVENTS_BIT, FAULT_TEXT, INJECT, ROW, UNKNOWN

# Pauses before a restart: none at first, then doubling from FIRST up to LAST.
_PAUSE_FIRST_MS = const(50)
_PAUSE_LAST_MS = const(5_000)
# A service that ran this long starts from no pause again.
_GOOD_MS = const(10_000)
_HEARTBEAT_LOOK_MS = const(250)
_EVENTS_MAX = const(16)

# Fields of a row of SERVICES, and of its policy.
_NAME = const(0)
_POLICY = const(7)
_RESTART = const(0)
_HEARTBEAT_MS = const(1)


class Ward:
    """What the supervisor knows of one service."""

    def __init__(self, number, row):
        self.number = number
        self.name = row[_NAME]
        self.restart = row[_POLICY][_RESTART]
        self.heartbeat_ms = row[_POLICY][_HEARTBEAT_MS]
        self.due_ms = time.ticks_ms()
        self.is_due = True
        self.started_ms = 0
        self.restarts = -1
        self.pause_ms = 0
        self.steps = 0
        self.progress_ms = 0

    def failed(self, now, fault):
        """Plan the next start after a fault, or none if the manifest says so."""
        wanted = self.restart == "permanent" or self.restart == "transient" and fault != RETURNED
        if time.ticks_diff(now, self.started_ms) > _GOOD_MS:
            self.pause_ms = 0
        self.is_due = wanted
        self.due_ms = time.ticks_add(now, self.pause_ms)
        pause = self.pause_ms
        self.pause_ms = min(max(2 * pause, _PAUSE_FIRST_MS), _PAUSE_LAST_MS)
        return pause

    def started(self, now):
        """Note a start."""
        self.is_due = False
        self.restarts += 1
        self.started_ms = self.progress_ms = now

    def is_hung(self, now, state, steps):
        """Return whether no progress was made for longer than the manifest allows."""
        if state == RECEIVING or steps != self.steps:
            self.steps = steps
            self.progress_ms = now
        return time.ticks_diff(now, self.progress_ms) > self.heartbeat_ms


def main(sys):
    """Start, watch, restart; answer `api`."""
    kernel = sys.cap("kernel")
    console = sys.cap("console")
    wards = [Ward(index + 1, row) for index, row in enumerate(SERVICES)]
    own = next(ward for ward in wards if ward.name == "supervisor")
    own.is_due = False
    own.restarts = 0
    by_name = {ward.name: ward for ward in wards}
    watched = [ward for ward in wards if ward.heartbeat_ms]
    events = []
    look_ms = time.ticks_ms()
    yield from adopt(sys, kernel, wards)
    while True:
        now = time.ticks_ms()
        for ward in wards:
            if ward.is_due and time.ticks_diff(now, ward.due_ms) >= 0:
                if (yield sys.start(kernel, ward.number)) != FULL:
                    ward.started(now)
                else:
                    ward.due_ms = time.ticks_add(now, _PAUSE_FIRST_MS)
        if time.ticks_diff(now, look_ms) >= 0:
            look_ms = time.ticks_add(now, _HEARTBEAT_LOOK_MS)
            for ward in watched:
                yield sys.inspect(kernel, ward.number)
                row = unpack(INSPECT_FORMAT, sys.arg)
                if row[1] not in (DORMANT, FAULTED) and ward.is_hung(now, row[1], row[9]):
                    yield sys.stop(kernel, ward.number, HEARTBEAT)
        operation = yield sys.recv(pause(wards, watched, look_ms))
        if operation == NOTIFIED:
            while True:
                number = yield sys.next_fault(kernel)
                if number == 0:
                    break
                yield sys.inspect(kernel, number)
                row = unpack(INSPECT_FORMAT, sys.arg)
                now = time.ticks_ms()
                ward = wards[number - 1]
                delay = ward.failed(now, row[4])
                if len(events) == _EVENTS_MAX:
                    events.pop(0)
                events.append((now, ward.name, row[4], row[7], delay if ward.is_due else -1))
            if (yield sys.notify(console, EVENTS_BIT)) != OK:
                yield sys.reopen(console)
        elif operation == ROW:
            number = sys.arg
            if type(number) is not int or not 0 < number <= len(wards):
                yield sys.reply(UNKNOWN)
                continue
            yield sys.inspect(kernel, number)
            yield sys.reply(OK, (sys.arg, wards[number - 1].restarts, wards[number - 1].name))
        elif operation == EVENT:
            yield sys.reply(OK if events else EMPTY, events.pop(0) if events else None)
        elif operation == INJECT:
            name, kind = sys.arg
            ward = by_name.get(name)
            status = UNKNOWN
            if ward and (yield sys.inject(kernel, ward.number, kind)) == OK:
                status = OK
            yield sys.reply(status)
        elif operation == FAULT_TEXT:
            ward = by_name.get(sys.arg)
            if ward:
                yield sys.fault_text(kernel, ward.number)
                yield sys.reply(OK, sys.arg)
            else:
                yield sys.reply(UNKNOWN)


def adopt(sys, kernel, wards):
    """Leave alone what an earlier incarnation of the supervisor has started."""
    now = time.ticks_ms()
    for ward in wards:
        yield sys.inspect(kernel, ward.number)
        row = unpack(INSPECT_FORMAT, sys.arg)
        if row[1] not in (DORMANT, FAULTED):
            ward.started(now)


def pause(wards, watched, look_ms):
    """Return the milliseconds to the next thing that is due, None if nothing will be."""
    now = time.ticks_ms()
    wait = None
    if watched:
        wait = max(0, time.ticks_diff(look_ms, now))
    for ward in wards:
        if ward.is_due:
            left = max(0, time.ticks_diff(ward.due_ms, now))
            wait = left if wait is None else min(wait, left)
    return wait
