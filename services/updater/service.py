"""Replace the code of running services, and put the old back when the new is no good.

What the host sends is checked against its signature and stored in a slot that is not in use.
COMMIT has the kernel load it beside the old code, put it in place where each service rests at a
`recv`, and waits until each has received for the first time. Then the new code is on probation:
whoever crashes too often brings the old code of all back. Only after that is the record written
that makes it the code of the next boot, so a reset, for whatever reason, brings the old back too.

Nothing is recorded that has not run: what is down has the supervisor start it, with the new code,
as the probation begins, and what is held is not updated.
"""

import time
from struct import unpack, unpack_from

from bulkhead import DEAD, FULL, NOTIFIED, OK, REFUSED, TIMEOUT
from bulkhead.link import RELEASE
from bulkhead_key import KEY
from bulkhead_slots import BadHead, folder, read_record, write_record
from bulkhead_system import IMAGE, SERVICES
from kernel.abi import (
    ASK, ATTENDING, CLOSING, DORMANT, FAULTED, HEARTBEAT, HELD, LOAD, RECEIVING, RETURNED,
    REVERT, SETTLE, SLEEPING, SWAP,
)  # fmt: skip
from kernel.layout import ENDING, FAULT, GENERATION, LAST_STEP, RECORD, STATE
from micropython import const

from services.logger import api as logger_api
from services.supervisor import api as supervisor_api
from services.updater import api
from services.updater.orders import ENOSPC, Order, Present, listed

_REST_MS = const(2000)  # within which a service has to rest at a `recv`
_START_MS = const(1000)  # from the swap to the first `recv` of the new code
_OFTEN_MS = const(20)  # at first each millisecond, then after this long
_LOOK_MS = const(50)
_CRASHES_MAX = const(2)  # in the probation
_PROBATION_MS = const(5000)
_TRIES = const(500)
_LENT_MAX = const(360)
_SELF = "updater"
# Of a row of `bulkhead_system.SERVICES`, and of its policy: when it is started again, and who
# falls with it.
_POLICY = const(7)
_RESTART = const(0)
_FATE = const(8)
_ORDERING = (api.ADD, api.COMMIT, api.ROLLBACK, api.AGAIN)
# What a service does that has got through its beginning.
_SERVING = (RECEIVING, SLEEPING, ATTENDING)


class Update:
    """The transaction: its orders, how far it is, and what was refused since the start."""

    def __init__(self):
        self.orders = []
        self.phase = api.IDLE
        self.reason = ""
        self.refused = 0
        self.probation_ms = _PROBATION_MS
        self.takes_older = 0
        self.lent = bytearray(_LENT_MAX)

    def fail(self, reason):
        """End it for a reason."""
        self.close()
        self.phase = api.FAILED
        self.reason = reason

    def close(self):
        """Leave no file open."""
        for order in self.orders:
            order.close()


def main(task):
    """Serve `api`."""
    update = Update()
    yield from clear_trials(task)
    while True:
        yield from attend(task, update, None)
        if update.phase == api.STARTING:
            reason = yield from start_all(task, update)
            if not reason:
                update.phase = api.PROBATION
                reason = yield from prove_all(task, update)
            if reason:
                yield from take_back_all(task, update)
                update.fail(reason)
            else:
                update.phase = api.KEPT
            yield from tell(task, update)


def clear_trials(task):
    """Take back what an earlier incarnation of this service has left on trial."""
    for number, row in enumerate(SERVICES, 1):
        if row[0] != _SELF:
            yield from take_back(task, number)


def attend(task, update, for_ms):
    """Answer what is asked, for a time; without one, once."""
    end_ms = time.ticks_add(time.ticks_ms(), for_ms or 0)
    left_ms = for_ms
    while True:
        operation = yield task.recv(left_ms)
        if operation not in (TIMEOUT, NOTIFIED) and task.caller():
            data = update.lent
            status = yield task.lease_read(0, data)
            data = memoryview(data)[: task.count() if status == OK else 0]
            status, value = answer(update, operation, data)
            if status == OK and operation in _ORDERING:
                value = yield from why_not(task, update)
                status = api.HELD if value else OK
            if status in (api.REFUSED_BY, api.HELD):
                update.refused += 1
            yield task.reply(status, value)
        if for_ms is None:
            return
        left_ms = time.ticks_diff(end_ms, time.ticks_ms())
        if left_ms <= 0:
            return


def answer(update, operation, data):
    """Do what one call asks; return the status and the value of the reply."""
    if operation == api.STATE:
        head = bytes((update.phase, 0, update.refused & 0xFF, update.refused >> 8 & 0xFF))
        return OK, head + update.reason.encode()[:200]
    if operation == api.LIST:
        return listed(data)
    if update.phase in (api.STARTING, api.PROBATION):
        return api.BUSY, None
    try:
        change(update, operation, data)
    except (BadHead, OSError) as error:
        update.fail(str(error) if isinstance(error, BadHead) else flash_says(error))
        update.orders = []
        return api.REFUSED_BY, update.reason
    except (ValueError, IndexError):  # what is lent is not what it should be
        return REFUSED, None
    return OK, None


def change(update, operation, data):
    """Do one step of putting an update together. Raises BadHead, OSError or ValueError."""
    if operation == api.BEGIN:
        update.close()
        update.orders = []
        update.reason = ""
        update.phase = api.TAKING
        update.probation_ms, options = unpack(api.BEGIN_FORMAT, data)
        update.takes_older = options & api.OLDER
    elif operation == api.ADD and update.phase == api.TAKING:
        signed = bytes(data)
        if update.orders and update.orders[-1].signed == signed:
            return  # it comes a second time
        order = Order(signed, KEY)
        if order.head.name in [other.head.name for other in update.orders]:
            raise BadHead("%s is in the update twice" % order.head.name)
        if order.version < order.old_version and not update.takes_older:
            text = "%s has version %d here, and the update is the older version %d"
            raise BadHead(text % (order.name, order.old_version, order.version))
        order.open()
        update.orders.append(order)
    elif operation == api.DATA and update.phase == api.TAKING and update.orders:
        update.orders[-1].take(unpack_from("<I", data)[0], data[4:])
    elif operation == api.COMMIT and update.phase == api.TAKING and update.orders:
        for order in update.orders:
            order.check()
        update.phase = api.STARTING
    elif operation in (api.ROLLBACK, api.AGAIN):
        update.close()
        update.reason = ""
        update.probation_ms = unpack_from("<H", data)[0]
        names = str(data[2:], "utf-8").split("\0")
        update.orders = [Present(name, KEY, operation == api.ROLLBACK) for name in names]
        update.phase = api.STARTING
    else:
        raise ValueError


def why_not(task, update):
    """Refuse an update of what is held, which would not run; return why, or None."""
    for order in update.orders[-1:] if update.phase == api.TAKING else update.orders:
        if (yield from is_held(task, order)):
            update.fail("%s is held: its new code would not run" % order.name)
            update.orders = []
            return update.reason
    return None


def is_held(task, order):
    """Ask the supervisor whether a service is held; one that closes shows that after it has."""
    for _ in range(_TRIES):
        status = yield from ask(task, supervisor_api.ROWS, order.number)
        state = task.arg[supervisor_api.STATE_AT] if status == OK else None
        if state != CLOSING:
            break
        yield task.sleep(1)
    return state == HELD


def ask(task, operation, value):
    """Call the supervisor, in whatever incarnation it is; return the status."""
    supervisor = task.cap("supervisor")
    status = yield task.call(supervisor, operation, value)
    if status == DEAD:
        yield task.reopen(supervisor)
        status = yield task.call(supervisor, operation, value)
    return status


def start_all(task, update):
    """Load all new code, put each in place, start what is down; return why that failed."""
    kernel = task.cap("kernel")
    for order in update.orders:
        yield from look(task, order)
        place = folder(order.name, order.slot)
        waited_ms = 0
        while True:
            status = yield task.replace(kernel, order.number, LOAD, place)
            if status != FULL or waited_ms > _REST_MS:  # another service is being loaded
                break
            waited_ms += yield from pause(task, update, waited_ms)
        if status != OK:
            return "%s does not load: %s" % (order.name, task.arg or "another does")
        yield from attend(task, update, 2)  # what waited meanwhile goes on before the swap
    for order in update.orders:
        waited_ms = 0
        while True:
            yield from look(task, order)
            status = yield task.replace(kernel, order.number, SWAP, order.old_version)
            if status != FULL or waited_ms > _REST_MS:
                break
            waited_ms += yield from pause(task, update, waited_ms)
        if status != OK:
            why = task.arg or "it does not rest at a recv"
            return "%s cannot be replaced: %s" % (order.name, why)
    for order in update.orders:
        waited_ms = 0
        while True:
            status = yield task.replace(kernel, order.number, ASK)
            if status != FULL or waited_ms > _START_MS:
                break
            waited_ms += yield from pause(task, update, waited_ms)
        if status != OK:
            why = "it failed" if status == DEAD else "it did not come to a recv"
            return "%s did not start: %s" % (order.name, why)
    for order in update.orders:
        if order.was_down:
            why = yield from start(task, update, order)
            if why:
                return "%s did not start: %s" % (order.name, why)
    return None


def look(task, order):
    """Note how a service is before it gets its new code."""
    yield task.inspect(task.cap("kernel"), order.number)
    order.was_down = is_down(task.arg) or closes(task.arg)
    order.generation = task.arg[GENERATION]


def start(task, update, order):
    """Have the supervisor start what was down, with the new code; return why it does not run."""
    if (yield from is_held(task, order)):
        return "it is held"
    yield from ask(task, supervisor_api.CONTROL, (order.name, RELEASE))
    waited_ms = 0
    while waited_ms <= _START_MS:
        yield task.inspect(task.cap("kernel"), order.number)
        if task.arg[GENERATION] != order.generation:
            return None if has_done(order, task.arg) else "it failed"
        if task.arg[STATE] in _SERVING:
            return None
        waited_ms += yield from pause(task, update, waited_ms)
    return "it did not come to a recv"


def pause(task, update, waited_ms):
    """Wait a little, and longer after long waiting; return how long, in ms."""
    for_ms = 1 if waited_ms < _OFTEN_MS else _OFTEN_MS
    yield from attend(task, update, for_ms)
    return for_ms


def prove_all(task, update):
    """Watch the new code for a while, then keep it; return why it is not kept."""
    kernel = task.cap("kernel")
    end_ms = time.ticks_add(time.ticks_ms(), update.probation_ms)
    while True:
        left_ms = time.ticks_diff(end_ms, time.ticks_ms())
        yield from attend(task, update, max(0, min(left_ms, _LOOK_MS)))
        for order in update.orders:
            yield task.inspect(kernel, order.number)
            crashes = task.arg[GENERATION] - order.generation & 0xFFFF
            if crashes > _CRASHES_MAX:
                return "%s failed %d times" % (order.name, crashes)
            if left_ms <= 0 and is_down(task.arg) and not has_done(order, task.arg):
                return "%s is down" % order.name
        if left_ms <= 0:
            break
    record = read_record(IMAGE)
    new = [order for order in update.orders if order.is_new]
    for order in new:
        record[order.name] = (order.slot, order.old_slot)
    try:
        if new:
            write_record(IMAGE, record)
    except OSError as error:
        return flash_says(error)
    for order in update.orders:
        yield task.replace(kernel, order.number, SETTLE)
    return None


def take_back_all(task, update):
    """Put the old code of every service of the update in place again."""
    for order in update.orders:
        yield from take_back(task, order.number, order.was_down)


def take_back(task, number, was_down=False):
    """Put the old code of one service in place again, if it has new code on trial.

    Unless it `was_down` before, it is started.
    """
    kernel = task.cap("kernel")
    for _ in range(_TRIES):
        status = yield task.replace(kernel, number, REVERT)
        if status != FULL:
            break
        yield task.sleep(1)
    if status == FULL:  # it runs on and on: it starts afresh
        yield task.stop(kernel, number, HEARTBEAT)
        status = yield task.replace(kernel, number, REVERT)
    is_whole = is_grouped(SERVICES[number - 1])  # a group starts as a whole
    if status == OK and not was_down and not is_whole:
        yield task.inspect(kernel, number)
        if closes(task.arg) or task.arg[STATE] == FAULTED:
            yield task.start(kernel, number)


def is_grouped(row):
    """Tell whether the supervisor starts others along with the service of a row."""
    return row[_POLICY][_FATE]


def closes(words):
    """Tell whether a task has ended but for its last step."""
    return words[RECORD + ENDING] & LAST_STEP


def is_down(words):
    """Tell whether a task has ended, and made its last step."""
    return words[STATE] in (DORMANT, FAULTED) and not closes(words)


def has_done(order, words):
    """Tell whether what was down has run its new code to the end, where it may end."""
    ended = may_end(SERVICES[order.number - 1]) and words[RECORD + FAULT] == RETURNED
    return order.was_down and ended


def may_end(row):
    """Tell whether a service, by its row, is left alone when its `main` has returned."""
    return row[_POLICY][_RESTART] != "permanent"


def flash_says(error):
    """Return what an OSError of the file system means."""
    return "the flash is full" if error.errno == ENOSPC else "the flash: %s" % error


def tell(task, update):
    """Log how an update has ended."""
    logger = task.cap("logger")
    names = ", ".join(["%s %s" % (o.name, o.version) for o in update.orders])
    if update.phase == api.KEPT:
        level, text = logger_api.INFO, "updated: " + names
    else:
        level, text = logger_api.WARNING, "took back %s: %s" % (names, update.reason)
    if (yield task.send(logger, level, text[:200])) == DEAD:
        yield task.reopen(logger)
        yield task.send(logger, level, text[:200])
