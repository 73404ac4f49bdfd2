"""Tell the time, and notify clients when theirs has come.

The chip's own clock keeps the seconds, so the time survives a reset of the board that leaves it
power. Its milliseconds, and alarms, survive a restart of this service and an update of its code.
An alarm is for the client that has asked for it, which cancels it when its own start makes it ask
again.
"""

import time
from struct import calcsize, pack, unpack_from

from bulkhead import NoCapability, OK, REFUSED, TIMEOUT
from bulkhead_system import SERVICES
from machine import RTC
from micropython import const

from services.clock.api import (
    ALARM,
    ALARMS_MAX,
    CANCEL,
    NO_RIGHT,
    NO_ROOM,
    NOT_SET,
    SET,
    TIME,
)

_YEAR_SET = const(2024)  # the chip's clock begins before
_LATEST_MS = const(4_102_444_800_000)  # 2100
_LOOK_MS = const(600_000)  # at least so often, since the time may be set from outside
_BITS_MAX = const(0x3FFFFFF)
_FRACTION = "<i"
_ALARM = "<QBI"  # (time, task number, bits)
# From 1970 to where the board's own count begins.
_EPOCH_S = 946_684_800 if time.gmtime(0)[0] == 2000 else 0


class Clock:
    """The time, and alarms: (time, task number, bits), the next one first."""

    def __init__(self):
        self.rtc = RTC()
        self.fraction_ms = 0  # what the chip's clock, which has seconds, was behind when set
        self.alarms = []

    def is_set(self):
        """Return whether the time is known."""
        return time.gmtime()[0] >= _YEAR_SET

    def now_ms(self):
        """Return the time."""
        return time.time_ns() // 1_000_000 + _EPOCH_S * 1000 + self.fraction_ms

    def set(self, now_ms):
        """Set the time."""
        year, month, day, hour, minute, second, weekday, _ = time.gmtime(now_ms // 1000 - _EPOCH_S)
        self.rtc.datetime((year, month, day, weekday, hour, minute, second, 0))
        self.fraction_ms = 0
        self.fraction_ms = now_ms - self.now_ms()

    def export_state(self):
        """Return what a restart, or an update, hands over: milliseconds and alarms."""
        rows = [pack(_ALARM, *alarm) for alarm in self.alarms]
        return pack(_FRACTION, self.fraction_ms) + b"".join(rows)

    def import_state(self, _version, state):
        """Go on with what another incarnation, or version, had."""
        self.fraction_ms = unpack_from(_FRACTION, state)[0]
        places = range(calcsize(_FRACTION), len(state), calcsize(_ALARM))
        self.alarms = [unpack_from(_ALARM, state, at) for at in places]

    def pause_ms(self):
        """Return the milliseconds until the next alarm, None if there is none."""
        if not self.alarms or not self.is_set():
            return None
        return min(max(self.alarms[0][0] - self.now_ms(), 0), _LOOK_MS)


def main(task):
    """Serve `api`."""
    clock = Clock()
    if not task.carry_over(clock) and (yield task.unstash()) == OK:
        clock.import_state(0, task.arg)
    kept = None
    while True:
        pause_ms = clock.pause_ms()
        operation = TIMEOUT if pause_ms == 0 else (yield task.recv(pause_ms))
        if operation == TIMEOUT:
            if clock.pause_ms() == 0:
                _, number, bits = clock.alarms.pop(0)
                yield task.notify(task.cap(SERVICES[number - 1][0]), bits)
        elif operation == ALARM and is_alarm(task.arg):
            yield from take_alarm(task, clock, *task.arg)
        elif task.caller():
            status, value = answer(clock, operation, task.arg, task.badge())
            yield task.reply(status, value)
        state = clock.export_state()
        if state != kept:  # also what was given back, which is given once
            yield task.stash(state)
            kept = state


def is_time(value):
    """Tell whether a value is a time."""
    return type(value) is int and 0 <= value < _LATEST_MS


def is_alarm(arg):
    """Tell whether a value is what ALARM takes."""
    if type(arg) is not tuple or len(arg) != 2:
        return False
    return is_time(arg[0]) and type(arg[1]) is int and 0 < arg[1] <= _BITS_MAX


def take_alarm(task, clock, at_ms, bits):
    """Take an alarm of the caller received last, and answer it."""
    number = task.badge()
    try:
        handle = task.cap(SERVICES[number - 1][0])
    except (NoCapability, IndexError):
        yield task.reply(NO_RIGHT)
        return
    if len(clock.alarms) == ALARMS_MAX:
        yield task.reply(NO_ROOM)
        return
    token = task.caller()
    yield task.reopen(handle)  # names the incarnation that asks
    clock.alarms.append((at_ms, number, bits))
    clock.alarms.sort()
    yield task.reply_to(token, OK)


def answer(clock, operation, arg, number):
    """Do what one call asks; return the status and the value of the reply."""
    if operation == TIME:
        return (OK, clock.now_ms()) if clock.is_set() else (NOT_SET, None)
    if operation == SET and is_time(arg):
        clock.set(arg)
        return OK, None
    if operation == CANCEL and type(arg) is int:
        left = [alarm for alarm in clock.alarms if alarm[1:] != (number, arg)]
        count = len(clock.alarms) - len(left)
        clock.alarms = left
        return OK, count
    return REFUSED, None
