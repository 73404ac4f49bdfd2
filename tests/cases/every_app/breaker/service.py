"""Crash every service that ships in turn, with calls on their way to it; log what became of all.

A server is made to keep its next caller waiting, so that one call is being served and one is
queued when it crashes.
"""

from struct import unpack_from

from bulkhead import DEAD, OK
from bulkhead_system import SERVICES
from bulkhead.terms import CRASH, LATE_REPLY
from kernel.abi import DORMANT, FAULTED
from kernel.layout import CLIENTS, DROPPED, FAULT_WORDS, GENERATION, RECORD, STATE
from kernel.limits import FAULTS_KEPT
from micropython import const

from services.breaker.api import ANSWERED, GO, SERVERS
from services.logger.api import INFO

_CALLERS = const(2)
_BEFORE_MS = const(700)  # for all to have begun
_CALL_MS = const(10)  # for the callers to have called
_CALL_TRIES = const(10)
_LOOK_MS = const(5)
_LINE_MS = const(20)
_BACK_MS = const(2_000)  # for the service to be back
_MINE = ("breaker", "caller_a", "caller_b", "patient")

# Fields of what `states` finds.
_STATE = const(0)
_CLIENTS = const(1)
_GENERATION = const(2)
_DROPPED = const(3)


def main(task):
    """Crash each, then say what became of all: a logger that crashes loses its records.

    In a run of the board that follows a crash of it, do nothing.
    """
    yield task.sleep(_BEFORE_MS)
    found = []
    yield task.read_fault(task.cap("kernel"))
    while unpack_from("<i", task.arg, 4 * (FAULT_WORDS * FAULTS_KEPT + 1))[0]:  # its cause
        yield task.recv()
    for number, row in enumerate(SERVICES, 1):
        if row[0] not in _MINE:
            found.append((yield from crash(task, number, row[0])))
    for text in found:
        yield from log(task, text)
    yield from log(task, "all done")
    while True:
        yield task.recv()


def crash(task, number, name):
    """Crash one, wait for it to be back, and return what became of it and of the others."""
    before = yield from states(task)
    waiting = 0
    if name in SERVERS:
        yield from inject(task, number, LATE_REPLY)
        for caller in ("caller_a", "caller_b"):
            yield task.notify(task.cap(caller), GO + SERVERS.index(name))
        for _ in range(_CALL_TRIES):
            yield task.sleep(_CALL_MS)
            waiting = (yield from states(task))[number][_CLIENTS]
            if waiting >= _CALLERS:
                break
    yield from inject(task, number, CRASH)
    took_ms = yield from wait_until_back(task, number, before[number][_GENERATION])
    answers = []
    if name in SERVERS:
        for _ in range(_CALLERS):
            if (yield task.recv(_BACK_MS)) == ANSWERED:
                answers.append("%d then %d" % task.arg)
    after = yield from states(task)
    times = after[number][_GENERATION] - before[number][_GENERATION]
    others = [other for other in before if other != number]
    touched = [o for o in others if before[o][_GENERATION] != after[o][_GENERATION]]
    dropped = [o for o in others if before[o][_DROPPED] != after[o][_DROPPED]]
    found = (name, times, took_ms, waiting, ", ".join(answers), touched, dropped)
    return "%s: restarts %d in %d ms, waiting %d, answers [%s], touched %s, dropped %s" % found


def inject(task, number, kind):
    """Inject, once what is preempted goes on."""
    while (yield task.inject(task.cap("kernel"), number, kind)) != OK:
        yield task.sleep(1)


def states(task):
    """Return the state of each task by its number."""
    found = {}
    for number in range(1, len(SERVICES) + 1):
        yield task.inspect(task.cap("kernel"), number)
        found[number] = fields(task.arg)
    return found


def fields(words):
    """Return a task's state, clients, generation and what its mailbox dropped."""
    places = (STATE, CLIENTS, GENERATION, RECORD + DROPPED)
    return [words[place] for place in places]


def wait_until_back(task, number, generation):
    """Wait for a later incarnation of a task; return for how long, in ms, -1 if in vain."""
    for waited_ms in range(0, _BACK_MS, _LOOK_MS):
        yield task.inspect(task.cap("kernel"), number)
        row = fields(task.arg)
        if row[_GENERATION] != generation and row[_STATE] not in (DORMANT, FAULTED):
            return waited_ms
        yield task.sleep(_LOOK_MS)
    return -1


def log(task, text):
    """Log a line, slowly enough for the logger and the console to keep up."""
    logger = task.cap("logger")
    yield task.sleep(_LINE_MS)
    if (yield task.send(logger, INFO, text)) == DEAD:
        yield task.reopen(logger)
        yield task.send(logger, INFO, text)
