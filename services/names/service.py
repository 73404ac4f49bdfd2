"""Give callers a capability to a public service, by its name and least version.

Public is what this service's manifest may grant. The copy that a caller gets has the caller's own
badge, so the service tells its clients apart as if their manifests had named it. Who asks for a
service that has failed waits until it is started again; the others are answered meanwhile. A
service that has not been started yet is found: a call to it waits for its start.
"""

import time
from struct import calcsize, pack, unpack_from

from bulkhead import FULL, OK, REFUSED, TIMEOUT
from bulkhead_system import SERVICES, VERSIONS
from kernel.abi import MAY_CALL, MAY_GRANT, MAY_NOTIFY, MAY_SEND
from micropython import const

from services.names.api import (
    FIND,
    NO_ROOM,
    NOT_RUNNING,
    OLD_VERSION,
    UNKNOWN_NAME,
    WAIT_MS_MAX,
)

_LOOK_MS = const(10)  # between two looks whether what has failed runs again
_USES = const(5)  # field of a row of SERVICES: (handle, target, rights, badge)
_CALLER = "<IBBI"
_PUBLIC = const(MAY_CALL | MAY_SEND | MAY_NOTIFY)

NAMES = tuple([row[0] for row in SERVICES])


def public():
    """Return the version and the rights of each public service, by name."""
    services = {}
    for row in SERVICES:
        if row[0] == "names":
            services = granted_by(row)
    for index, version in enumerate(VERSIONS):
        name = SERVICES[index][0]
        if name in services:
            services[name] = (version, services[name])
    return services


def granted_by(row):
    """Return the rights that a row of the system's table may grant, by service."""
    return {target: rights & _PUBLIC for _, target, rights, _ in row[_USES] if rights & MAY_GRANT}


class Waiting:
    """Callers that wait: (token, badge, name, when to give up); each is in it once."""

    def __init__(self):
        self.callers = []

    def export_state(self):
        """Return them, for the next version to answer."""
        rows = []
        for token, badge, name, until in self.callers:
            rows.append(pack(_CALLER, token, badge, NAMES.index(name), until))
        return b"".join(rows)

    def import_state(self, _version, state):
        """Take over those that an earlier version has left."""
        for at in range(0, len(state), calcsize(_CALLER)):
            token, badge, index, until = unpack_from(_CALLER, state, at)
            self.callers.append((token, badge, NAMES[index], until))


def main(task):
    """Serve `api`."""
    services = public()
    waiting = Waiting()
    task.carry_over(waiting)
    while True:
        callers = waiting.callers
        operation = yield task.recv(_LOOK_MS if callers else None)
        if operation == TIMEOUT:
            for _ in range(len(callers)):
                caller = callers.pop(0)
                if not (yield from answer(task, services, *caller)):
                    callers.append(caller)
        elif operation == FIND and is_request(task.arg):
            name, version, wait_ms = task.arg
            if name not in services:
                yield task.reply(UNKNOWN_NAME)
            elif services[name][0] < version:
                yield task.reply(OLD_VERSION, services[name][0])
            else:
                until = time.ticks_add(time.ticks_ms(), wait_ms)
                caller = (task.caller(), task.badge(), name, until)
                waiting.callers = [other for other in callers if other[1] != caller[1]]
                if not (yield from answer(task, services, *caller)):
                    waiting.callers.append(caller)
        elif task.caller():
            yield task.reply(REFUSED)


def is_request(arg):
    """Tell whether a value is what FIND takes."""
    return (
        type(arg) is tuple
        and len(arg) == 3
        and type(arg[0]) is str
        and type(arg[1]) is int
        and type(arg[2]) is int
        and 0 <= arg[2] <= WAIT_MS_MAX
    )


def answer(task, services, token, badge, name, until):
    """Answer a caller, and return True; or return False if it has to wait."""
    handle = task.cap(name)
    if (yield task.reopen(handle)) != OK:
        if time.ticks_diff(until, time.ticks_ms()) > 0:
            return False
        yield task.reply_to(token, NOT_RUNNING)
        return True
    # A copy that may be granted needs that right itself, which what is granted never has.
    rights = services[name][1] | MAY_GRANT
    if (yield task.mint(handle, rights, badge)) == FULL:
        yield task.recycle()  # it keeps no handle of a copy
        yield task.mint(handle, rights, badge)
    copy = task.arg
    if (yield task.reply_granting(OK, copy, None, token)) != OK:
        yield task.reply_to(token, NO_ROOM)
    yield task.delete(copy)
    return True
