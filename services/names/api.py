"""Operations of the names service, and how a client finds another service in one line.

    led = yield from find(task, "led")

The client's manifest has `names = ["call"]` and room for what it finds, `slots = 1` or more.
"""

from bulkhead import DEAD, OK
from micropython import const

FIND = const(1)  # arg: (name, least version, ms to wait for it) -> OK, grants it; or one of these
UNKNOWN_NAME = const(1)  # no public service is called that
OLD_VERSION = const(2)  # arg: the version there is
NOT_RUNNING = const(3)  # it has failed, and was not started again in time
NO_ROOM = const(4)  # the caller did not accept, or its table is full

WAIT_MS_MAX = const(60_000)  # a longer wait is REFUSED
_ANSWER_MS = const(500)  # beyond the wait


def find(task, name, version=1, wait_ms=6_000):
    """Return a handle on a public service, 0 if there is none.

    Waits for one that is being started again. What was found before and is of no more use has to
    be deleted first, or it keeps its slot; a slot takes 63 capabilities, and others after
    `task.recycle()`. Ask with FIND to know why there is none.
    """
    names = task.cap("names")
    request = (name, version, wait_ms)
    for _ in range(2):
        task.accept()
        status = yield task.call(names, FIND, request, wait_ms + _ANSWER_MS)
        if status == OK:
            return task.granted()
        if status != DEAD or (yield task.reopen(names)) != OK:
            return 0
    return 0
