"""Start every service, and start again what fails, each time after a longer pause.

First start and restart are the same path: a service that is due is started. The kernel notifies
a fault; `wards` decides when the service is due again. A service that makes no trap for its
`heartbeat_ms`, and does not wait for messages, is taken for hung. The supervisor answers its
callers and notifies the console; it waits for nobody.
"""

import time
from struct import unpack

from bulkhead import NOTIFIED, OK, REFUSED
from bulkhead.link import HOLD, RELEASE, RESTART
from bulkhead_system import SERVICES
from kernel.abi import DORMANT, FAULTED, HEARTBEAT, INJECTED, INSPECT_FORMAT
from micropython import const

from services.supervisor.api import (
    BOARD,
    CAPABILITIES,
    CONTROL,
    EMPTY,
    EVENT,
    EVENTS_BIT,
    FAULT,
    FAULT_TEXT,
    INJECT,
    ROW,
    TRACE,
    UNKNOWN,
)
from services.supervisor.wards import Ward

_LOOK_MS = const(250)  # between two looks for hung services
_NEWS_MS = const(2)  # from a fault to telling of it: what is started again goes first
_FAR_MS = const(3_600_000)  # nothing is due
_EVENTS_MAX = const(16)
_CAPABILITIES_MAX = const(25)  # that a message holds

# Fields of INSPECT_FORMAT.
_STATE = const(1)
_GENERATION = const(7)
_STEPS = const(9)


def main(sys):
    """Start, watch, restart; answer `api`."""
    house = House()
    yield from adopt(sys, house)
    yield from take_fault(sys, house)
    while True:
        left_ms = time.ticks_diff(house.next_ms, time.ticks_ms())
        if left_ms <= 0:
            yield from keep_house(sys, house)
            continue
        operation = yield sys.recv(left_ms)
        if operation == NOTIFIED:
            yield from take_fault(sys, house)
        elif sys.caller():
            yield from answer(sys, house, operation)


class House:
    """All wards, and the events nobody has asked for yet."""

    def __init__(self):
        self.wards = [Ward(index + 1, row) for index, row in enumerate(SERVICES)]
        self.watched = [ward for ward in self.wards if ward.heartbeat_ms]
        self.next_ms = self.look_ms = time.ticks_ms()  # next: when there is anything to do
        self.events = []
        self.news = []  # faults that the console has not been told of

    def named(self, name):
        """Return the ward of that name, None if there is none."""
        for ward in self.wards:
            if ward.name == name:
                return ward
        return None

    def number(self, name):
        """Return the task number of a service, 0 for BOARD, -1 if there is none of that name."""
        ward = self.named(name)
        return ward.number if ward else 0 if name == BOARD else -1

    def note_news(self):
        """Make events of the news; the oldest give way."""
        for event in self.news:
            if len(self.events) == _EVENTS_MAX:
                self.events.pop(0)
            self.events.append(event)
        self.news.clear()

    def plan(self, at_ms):
        """See that what is due at that time is not missed."""
        if time.ticks_diff(at_ms, self.next_ms) < 0:
            self.next_ms = at_ms

    def plan_all(self, now):
        """Find when something is due next."""
        self.next_ms = self.look_ms if self.watched else time.ticks_add(now, _FAR_MS)
        for ward in self.wards:
            if ward.is_due:
                self.plan(ward.due_ms)


def keep_house(sys, house):
    """Do what is due: tell of faults, start services, look for hung ones."""
    kernel = sys.cap("kernel")
    now = time.ticks_ms()
    if house.news:
        house.note_news()
        yield from tell_console(sys)
    for ward in house.wards:
        if ward.is_due and time.ticks_diff(now, ward.due_ms) >= 0:
            ward.tried(now, (yield sys.start(kernel, ward.number)))
    if house.watched and time.ticks_diff(now, house.look_ms) >= 0:
        house.look_ms = time.ticks_add(now, _LOOK_MS)
        yield from stop_hung(sys, house, now)
    house.plan_all(now)


def adopt(sys, house):
    """Leave running what an earlier incarnation of the supervisor has started, and itself."""
    kernel = sys.cap("kernel")
    now = time.ticks_ms()
    for ward in house.wards:
        yield sys.inspect(kernel, ward.number)
        row = unpack(INSPECT_FORMAT, sys.arg)
        if row[_STATE] not in (DORMANT, FAULTED):
            ward.started(now)
            ward.starts = row[_GENERATION]


def stop_hung(sys, house, now):
    """Fault every service that makes no progress."""
    kernel = sys.cap("kernel")
    for ward in house.watched:
        yield sys.inspect(kernel, ward.number)
        row = unpack(INSPECT_FORMAT, sys.arg)
        if ward.is_hung(now, row[_STATE], row[_STEPS]):
            yield sys.stop(kernel, ward.number, HEARTBEAT)


def take_fault(sys, house):
    """Take the next fault from the kernel; start the service again at once, or plan to.

    What can wait, planning and telling the console, waits until what is started has begun. When
    there are more faults the kernel notifies again.
    """
    kernel = sys.cap("kernel")
    number = yield sys.next_fault(kernel)
    if number == 0:
        return
    kind, generation = sys.badge(), sys.bits()
    now = time.ticks_ms()
    ward = house.wards[number - 1]
    delay_ms = ward.failed(now, kind)
    if delay_ms == 0:
        ward.tried(now, (yield sys.start(kernel, ward.number)))
    house.news.append((now, ward.name, kind, generation, delay_ms))
    house.next_ms = time.ticks_add(now, _NEWS_MS)


def tell_console(sys):
    """Notify the console that there are events, in whatever incarnation it is."""
    console = sys.cap("console")
    if (yield sys.notify(console, EVENTS_BIT)) != OK:
        yield sys.reopen(console)
        yield sys.notify(console, EVENTS_BIT)


def answer(sys, house, operation):
    """Answer one call."""
    kernel = sys.cap("kernel")
    request = sys.arg
    if operation == ROW:
        if type(request) is not int or not 0 < request <= len(house.wards):
            yield sys.reply(UNKNOWN)
            return
        ward = house.wards[request - 1]
        yield sys.inspect(kernel, request)
        yield sys.reply(OK, (sys.arg, ward.restarts(), ward.name))
    elif operation == EVENT:
        event = house.events.pop(0) if house.events else None
        yield sys.reply(OK if event else EMPTY, event)
    elif operation == INJECT and type(request) is tuple and len(request) == 2:
        ward = house.named(request[0])
        status = (yield sys.inject(kernel, ward.number, request[1])) if ward else UNKNOWN
        yield sys.reply(OK if status == OK else UNKNOWN)
    elif operation == CONTROL and type(request) is tuple and len(request) == 2:
        ward = house.named(request[0])
        yield sys.reply((yield from control(sys, house, ward, request[1])) if ward else UNKNOWN)
    elif operation == FAULT_TEXT and type(request) is tuple and len(request) == 2:
        number = house.number(request[0])
        if number >= 0:
            yield sys.fault_text(kernel, number, request[1])
        yield sys.reply(OK if number >= 0 else UNKNOWN, sys.arg)
    elif operation == FAULT:
        number = house.number(request)
        status = (yield sys.read_fault(kernel, number)) if number >= 0 else UNKNOWN
        yield sys.reply(OK if status == OK else UNKNOWN, sys.arg)
    elif operation == TRACE and type(request) is int:
        yield sys.read_trace(kernel, request)
        yield sys.reply(OK, sys.arg)
    elif operation == CAPABILITIES:
        found = []
        ward = house.named(request)
        while ward and len(found) < _CAPABILITIES_MAX:
            if (yield sys.inspect_capability(kernel, ward.number, len(found))) != OK:
                break
            found.append(sys.arg)
        yield sys.reply(OK if ward else UNKNOWN, b"".join(found))
    else:
        yield sys.reply(REFUSED)


def control(sys, house, ward, verb):
    """Hold a service, release it, or restart it; return the status.

    The caller itself is not held: it would not hear the answer, and nobody could release it.
    """
    kernel = sys.cap("kernel")
    yield sys.inspect(kernel, ward.number)
    is_down = unpack(INSPECT_FORMAT, sys.arg)[_STATE] in (DORMANT, FAULTED)
    if verb == RELEASE and is_down:
        ward.is_due = True
        ward.due_ms = time.ticks_ms()
        house.plan(ward.due_ms)
        return OK
    if verb == HOLD and ward.number != sys.badge():
        status = OK if is_down else (yield sys.stop(kernel, ward.number))
        if status == OK:
            ward.is_due = False
            return OK
    elif verb == RESTART and not is_down:
        return OK if (yield sys.stop(kernel, ward.number, INJECTED)) == OK else UNKNOWN
    return UNKNOWN
