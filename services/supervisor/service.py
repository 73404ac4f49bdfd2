"""Start every service, and start again what fails, each time after a longer pause.

First start and restart are the same path: a service that is due is started, once those it comes
after serve. The kernel notifies a fault; `wards` decides when the service is due again, and who
falls with it. A service that makes no trap for its `heartbeat_ms`, and does not wait for
messages, is taken for hung. The kernel notes when each has made its last trap, so it is looked
when the first heartbeat can be over, and not before. The supervisor answers its callers and
notifies the console; it waits for nobody. What is held or given up it stashes, so that its own
next incarnation knows.
"""

from struct import calcsize, pack, unpack_from

from bulkhead import FULL, NOTIFIED, OK, REFUSED
from bulkhead.link import HOLD, RELEASE, RESET, RESTART
from bulkhead.uptime import Uptime
from bulkhead_system import SERVICES
from kernel.abi import (
    ATTENDING, CLOSING, DEGRADED, DORMANT, FAULTED, GIVEN_UP, HEARTBEAT, HELD, ORDERED,
    READY, RECEIVING, RETURNED, RUNNING, SLEEPING,
)  # fmt: skip
from kernel.layout import NOW, OUTER, READY_BITS, RECORD, SAFE_SINCE, STEPPED, WAITED
from kernel.limits import TIME_MASK
from micropython import const

from services.supervisor.api import (
    BOARD,
    BUSY,
    CAPABILITIES,
    CONTROL,
    EMPTY,
    EVENT,
    EVENTS_BIT,
    EXCUSE,
    EXCUSE_MS_MAX,
    FAULT,
    FAULT_TEXT,
    INJECT,
    NO_RIGHT,
    LOST,
    ROWS,
    STARVED,
    STAYS_DOWN,
    TRACE,
    UNKNOWN,
)
from services.supervisor.shares import (
    LOOK_MS, WAITING, above, controllers, spent, state_of_last,
)  # fmt: skip
from services.supervisor.telling import (
    capabilities, crash_piece, fault, kind_of, rows, state_of, trace,
)  # fmt: skip
from services.supervisor.wards import Ward

# Nothing ran, where it comes so much too late to look.
_STOOD_MS = const(250)
_CLOSING_MS = const(2)  # between two looks whether what falls together has closed
_AFTER_MS = const(5)  # between two looks whether what a service comes after serves
_NEWS_MS = const(2)  # from a fault to telling of it: what is started again goes first
_FAR_MS = const(3_600_000)  # nothing is due
_EVENTS_MAX = const(16)

_EVENT = "<IBBHi"  # (ms, task number, kind, generation, delay in ms)

_CPU_US_MASK = const(0x3FFFFFFF)
_INJECTION_MAX = const(255)
_OFFSET_MAX = const(0xFFFF)
_MOST_PERCENT = const(50)  # of the processor: more for others, and it is theirs
_TASK_SHIFT = const(7)  # in the generation of an event STARVED

# What a service does that has got through its beginning.
_SERVING = (RECEIVING, SLEEPING, ATTENDING)


def main(task):
    """Start, watch, restart; answer `api`."""
    house = House()
    if task.carry_over(house):
        yield from tell_console(task)
    else:
        yield from adopt(task, house)
    yield from take_fault(task, house)
    while True:
        left_ms = house.next_ms - house.now()
        if left_ms <= 0:
            yield from keep_house(task, house)
            continue
        operation = yield task.recv(left_ms)
        if operation == NOTIFIED:
            yield from take_fault(task, house)
        elif task.caller():
            yield from answer(task, house, operation)


class House:
    """All wards, and the events nobody has asked for yet."""

    def __init__(self):
        self.now = Uptime().now
        now = self.now()
        self.wards = [Ward(index + 1, row, now) for index, row in enumerate(SERVICES)]
        self.watched = [ward for ward in self.wards if ward.heartbeat_ms]
        self.next_ms = self.look_ms = self.due_ms = now  # next: when there is anything to do
        self.controllers = controllers(SERVICES)
        self.used_us = None  # processor of each ward at the last look that one has none
        self.used_ms = now
        self.events = []
        self.news = []  # faults that are not judged, or that the console has not been told of

    def export_state(self):
        """Return what an update hands over: what is planned for each ward, and events."""
        self.settle()
        now = self.now()
        rows = [ward.packed(now) for ward in self.wards]
        events = [pack(_EVENT, ms, self.number(name), *rest) for ms, name, *rest in self.events]
        return b"".join(rows + events)

    def import_state(self, _version, state):
        """Go on with what an earlier version knew."""
        at = 0
        now = self.now()
        for ward in self.wards:
            at = ward.unpack(state, at, now)
        for place in range(at, len(state), calcsize(_EVENT)):
            event = unpack_from(_EVENT, state, place)
            name = self.wards[event[1] - 1].name if event[1] else BOARD
            self.events.append((event[0], name) + event[2:])

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

    def note(self, now, ward, kind, generation, delay_ms):
        """Make an event of a fault; the oldest gives way, and is counted."""
        events = self.events
        if len(events) == _EVENTS_MAX:
            first = events.pop(0)
            lost = first[4] if first[2] == LOST else 1
            events[0] = (now, BOARD, LOST, 0, lost + 1)
        self.events.append((now, ward.name, kind, generation, delay_ms))

    def settle(self):
        """Judge the faults after which a service was started at once; return whether any were."""
        news = self.news
        for now, ward, kind, generation in news:
            self.note(now, ward, kind, generation, ward.failed(now, kind))
            ward.started(now)
        had_any = bool(news)
        news.clear()
        return had_any

    def forgive(self, late_ms):
        """Take it that for so long nobody could make progress."""
        for ward in self.watched:
            ward.progress_ms += late_ms

    def plan(self, at_ms):
        """See that what is due at that time is not missed."""
        self.due_ms = min(self.due_ms, at_ms)
        self.next_ms = min(self.next_ms, at_ms)

    def plan_all(self, now):
        """Find when something is due next."""
        self.due_ms = now + _FAR_MS
        self.next_ms = self.look_ms if self.watched else self.due_ms
        for ward in self.wards:
            if ward.is_due:
                self.plan(ward.due_ms)


def keep_house(task, house):
    """Do what is due: tell of faults, start services, look for hung ones."""
    now = house.now()
    if house.settle():
        yield from tell_console(task)
        house.plan_all(now)
    if now >= house.due_ms:
        yield from start_due(task, house, now)
        house.plan_all(now)
    late_ms = now - house.look_ms
    if house.watched and late_ms >= 0:
        if late_ms >= _STOOD_MS:  # nothing ran meanwhile: it is no service's fault
            house.forgive(late_ms)
        yield from stop_hung(task, house, now)
        house.look_ms = min([ward.look_ms for ward in house.watched])
    house.next_ms = min(house.look_ms, house.due_ms) if house.watched else house.due_ms


def start_due(task, house, now):
    """Start the services that are due, once those they come after serve."""
    kernel = task.cap("kernel")
    one_closes = False
    for ward in house.wards:
        if ward.is_due and now >= ward.due_ms:
            wait_ms = 0
            if ward.is_stopping or ward.fate():  # those that fell together start in their order
                yield task.inspect(kernel, ward.number)
                one_closes = one_closes or state_of(task.arg) == CLOSING
                wait_ms = _CLOSING_MS if one_closes else 0
            if ward.after() and not wait_ms:
                wait_ms = yield from time_to_wait(task, house, ward)
            if wait_ms:
                ward.plan(now + wait_ms)
            else:
                if ward.is_renewed:  # it has gone on so far
                    ward.is_renewed = False
                    ward.is_stopping = (yield task.stop(kernel, ward.number)) == OK
                ward.tried(now, (yield task.start(kernel, ward.number)))


def time_to_wait(task, house, ward):
    """Return in how many ms to look again whether a ward may be started, 0 if it may now.

    What it comes after has to wait for something itself, or to have ended as it should.
    """
    for number in ward.after():
        other = house.wards[number - 1]
        yield task.inspect(task.cap("kernel"), number)
        state = state_of(task.arg)
        has_ended = state == FAULTED and kind_of(task.arg) == RETURNED
        if state not in _SERVING and not (has_ended and not other.wants(RETURNED)):
            return LOOK_MS if other.rests else _AFTER_MS
    return 0


def adopt(task, house):
    """Leave running what an earlier incarnation of the supervisor has started, and itself."""
    kernel = task.cap("kernel")
    now = house.now()
    rests = task.arg if (yield task.unstash()) == OK else bytes(len(SERVICES))
    fallen = []
    for ward in house.wards:
        yield task.inspect(kernel, ward.number)
        state = state_of(task.arg)
        if state not in (DORMANT, FAULTED, CLOSING):
            ward.started(now)
            if task.arg[SAFE_SINCE]:  # it was to be started anew
                ward.renew(now)
        elif state == FAULTED:
            ward.is_due = ward.wants(kind_of(task.arg))
        if state in (FAULTED, CLOSING):
            fallen.append(ward)
        if rests[ward.number - 1]:
            ward.rest(rests[ward.number - 1])
    for ward in [one for one in fallen if one.is_due]:  # what falls along may have been left alone
        yield from share_fate(task, house, ward)
    yield task.stash(rests)


def keep_rests(task, house):
    """Stash what is held or given up."""
    yield task.stash(bytes([ward.rests for ward in house.wards]))


def stop_hung(task, house, now):
    """Fault every service that makes no progress; tell of one that had no processor for it."""
    kernel = task.cap("kernel")
    yield task.read_words(kernel, 0, RECORD)
    head = task.arg
    is_calm = not head[READY_BITS] and not head[OUTER]
    now_us = head[NOW]
    yield task.read_words(kernel, head[STEPPED], len(house.wards) + 1)
    stepped = task.arg
    percents = None
    for ward in house.watched:
        if ward.look_ms - now > ward.heartbeat_ms >> 1:  # many are looked at together
            continue
        stepped_us = stepped[ward.number]
        if stepped_us == WAITED and is_calm:
            ward.saw_wait(now)
            continue
        ward.saw_step(now, stepped_us, now_us - stepped_us & TIME_MASK)
        if not ward.is_late(now):
            continue
        yield task.inspect(kernel, ward.number)
        state = state_of(task.arg)
        if not ward.is_hung(now, state):
            continue
        ward.look_ms = now + LOOK_MS
        if state in WAITING:
            state = yield from state_of_last(task, task.arg)
        if state in (READY, RUNNING):
            if percents is None:
                percents = yield from spent(task, house)
            if not percents:  # who has the processor shows at the next look
                continue
            # One in the midst of a step may have been put aside for others, or compute itself.
            if state == READY or above(house, percents, ward.priority) > _MOST_PERCENT:
                if not ward.is_starved:
                    ward.is_starved = True
                    percent = max(percents)
                    had = percents.index(percent) + 1 << _TASK_SHIFT | percent
                    house.note(now, ward, STARVED, had, now - ward.progress_ms)
                    yield from tell_console(task)
                continue
        yield task.stop(kernel, ward.number, HEARTBEAT)


def take_fault(task, house):
    """Take the next fault from the kernel; start the service again at once, or plan to.

    What can wait, judging and telling the console, waits until what is started has begun. When
    there are more faults the kernel notifies again.
    """
    kernel = task.cap("kernel")
    number = yield task.next_fault(kernel)
    if number == 0:
        return
    kind, generation = task.badge(), task.bits()
    ward = house.wards[number - 1]
    if ward.is_free:
        ward.is_free = False
        status = yield task.start(kernel, number)
        if status == OK:
            now = house.now()
            house.news.append((now, ward, kind, generation))
            house.next_ms = now + _NEWS_MS
            return
    house.settle()
    now = house.now()
    delay_ms = ward.failed(now, kind)
    house.note(now, ward, kind, generation, delay_ms)
    if delay_ms != STAYS_DOWN:
        yield from share_fate(task, house, ward)
    yield from tell_console(task)
    house.plan_all(now)


def share_fate(task, house, ward):
    """Stop what is started again along with a ward, or is given up along with it.

    A hard driver is not stopped before it is started anew: its outputs are made safe, and it goes
    on attending to its interrupts, an emergency stop's for one.
    """
    kernel = task.cap("kernel")
    if ward.rests and ward.resets():
        yield task.reset_board(kernel, ward.number, GIVEN_UP)
    for number in reversed(ward.fate()):
        other = house.wards[number - 1]
        if other.rests:
            continue
        goes_on = other.is_hard and other.wants(0) and not ward.rests
        if goes_on and (yield task.make_safe(kernel, number)) == OK:
            other.renew(ward.due_ms)
        else:
            other.is_stopping = (yield task.stop(kernel, number)) == OK
            if ward.rests:
                other.rest(DEGRADED)
            elif other.wants(0) or not other.is_stopping:
                other.plan(ward.due_ms)
    if ward.rests:
        yield from keep_rests(task, house)


def tell_console(task):
    """Notify the console that there are events, in whatever incarnation it is."""
    console = task.cap("console")
    if (yield task.notify(console, EVENTS_BIT)) != OK:
        yield task.reopen(console)
        yield task.notify(console, EVENTS_BIT)


def answer(task, house, operation):
    """Answer one call. Whatever comes with it, a client cannot fault the supervisor."""
    request = task.arg
    if operation in (EVENT, INJECT, CONTROL):
        if task.badge() in house.controllers:
            yield from answer_controller(task, house, operation, request)
        else:
            yield task.reply(NO_RIGHT)
    elif operation == ROWS:
        if type(request) is not int or not 0 < request <= len(house.wards):
            yield task.reply(UNKNOWN)
            return
        yield task.reply(OK, (yield from rows(task, house.wards, request)))
    elif operation == EXCUSE and is_number(request, EXCUSE_MS_MAX):
        if 0 < task.badge() <= len(house.wards):
            house.wards[task.badge() - 1].excused_ms = house.now() + request
        yield task.reply(OK)
    else:
        yield from answer_reader(task, house, operation, request)


def answer_controller(task, house, operation, request):
    """Answer a call that takes the right to control."""
    kernel = task.cap("kernel")
    if operation == EVENT:
        event = house.events.pop(0) if house.events else None
        yield task.reply(OK if event else EMPTY, event)
        return
    if not is_pair(request, _INJECTION_MAX):
        yield task.reply(REFUSED)
        return
    name, verb = request
    ward = house.named(name)
    if operation == CONTROL and name == BOARD and verb == RESET:
        yield task.reset_board(kernel, task.badge(), ORDERED)
    if ward is None:
        status = UNKNOWN
    elif operation == CONTROL:
        status = yield from control(task, house, ward, verb)
    else:
        status = yield task.inject(kernel, ward.number, verb)
    yield task.reply(OK if status == OK else BUSY if status == FULL else UNKNOWN)


def answer_reader(task, house, operation, request):
    """Answer a call for what the kernel keeps of faults, steps and capabilities."""
    kernel = task.cap("kernel")
    if operation == FAULT_TEXT and is_pair(request, _OFFSET_MAX):
        number = house.number(request[0])
        if number > 0:
            yield task.fault_text(kernel, number, request[1])
        elif number == 0:
            yield task.read_fault(kernel)
            task.arg = crash_piece(task.arg, request[1], SERVICES)
        yield task.reply(OK if number >= 0 else UNKNOWN, task.arg)
    elif operation == FAULT and type(request) is str:
        number = house.number(request)
        yield task.read_fault(kernel)
        record = fault(task.arg, number) if number >= 0 else None
        yield task.reply(OK if record else UNKNOWN, record)
    elif operation == TRACE and is_number(request, _CPU_US_MASK):
        yield task.reply(OK, (yield from trace(task, kernel, request)))
    elif operation == CAPABILITIES and type(request) is str:
        number = house.number(request)
        found = b""
        if number > 0:
            found = yield from capabilities(task, kernel, number, len(SERVICES))
        yield task.reply(OK if number > 0 else UNKNOWN, found)
    else:
        yield task.reply(REFUSED)


def is_number(value, most):
    """Tell whether a value is a whole number from 0 to `most`."""
    return type(value) is int and 0 <= value <= most


def is_pair(value, most):
    """Tell whether a value is a name and a whole number up to `most`."""
    if type(value) is not tuple or len(value) != 2:
        return False
    return type(value[0]) is str and is_number(value[1], most)


def control(task, house, ward, verb):
    """Hold a service, release it, or restart it; return the status.

    These are no faults, and count as none. The caller itself is not held: it would not hear the
    answer, and nobody could release it.
    """
    if house.settle():
        yield from tell_console(task)
    now = house.now()
    yield task.inspect(task.cap("kernel"), ward.number)
    state = state_of(task.arg)
    is_down = state in (DORMANT, FAULTED)
    if verb == RELEASE and (is_down or state == CLOSING):
        ward.release(now)
        for number in ward.fate():  # it does not run beside one that is given up, or paused
            other = house.wards[number - 1]
            if other.is_due or other.rests == DEGRADED:
                other.release(now)
    elif verb == HOLD and ward.number != task.badge():
        if not is_down and (yield task.stop(task.cap("kernel"), ward.number)) != OK:
            return UNKNOWN
        ward.rest(HELD)
    elif verb == RESTART and not is_down:
        if (yield task.stop(task.cap("kernel"), ward.number)) != OK:
            return UNKNOWN
        ward.is_stopping = True
        ward.plan(now)
        yield from share_fate(task, house, ward)
    else:
        return UNKNOWN
    yield from keep_rests(task, house)
    house.plan_all(now)
    return OK
