"""Who may control services, by the manifests; who has the processor, by the kernel's accounts."""

from kernel.abi import CALLING, MAY_CONTROL, SENDING, SERVED
from kernel.layout import CPU_US, PEER, RECORD_SHIFT
from micropython import const

from services.supervisor.telling import state_of

# Who is in such a state waits for another.
WAITING = (CALLING, SENDING, SERVED)

LOOK_MS = const(250)  # between two looks who has the processor that a service lacks
_OLD_MS = const(2000)
_CPU_US_MASK = const(0x3FFFFFFF)
_USES = const(5)  # of a row of SERVICES
_CHAIN_MAX = const(16)


def controllers(rows):
    """Return the badges of those whose manifests let them control services."""
    found = []
    for row in rows:
        found += controlling(row)
    return found


def controlling(row):
    """Return the badges with which a row of the system's table may control services."""
    uses = row[_USES]
    return [use[3] for use in uses if use[1] == "supervisor" and use[2] & MAY_CONTROL]


def state_of_last(task, words):
    """Return the state of the one that others wait for, by the words of the first.

    It runs at their priority: one that does not get the processor keeps all of them from going on.
    """
    for _ in range(_CHAIN_MAX):
        peer = words[PEER] >> RECORD_SHIFT
        if state_of(words) not in WAITING or not peer:
            break
        yield task.inspect(task.cap("kernel"), peer)
        words = task.arg
    return state_of(words)


def used(task, house):
    """Return the processor that each service has used since boot, in us modulo 2**30."""
    found = []
    for ward in house.wards:
        yield task.inspect(task.cap("kernel"), ward.number)
        found.append(task.arg[CPU_US])
    return found


def spent(task, house):
    """Return the percent that each service has had the processor since the last look at that.

    There are none yet where that was just now, or long ago: a step counts when it has ended.
    """
    before_us, ms = house.used_us, house.now() - house.used_ms
    if before_us is not None and ms < LOOK_MS:
        return ()
    house.used_us = yield from used(task, house)
    house.used_ms += ms
    if before_us is None or ms > _OLD_MS:
        return ()
    percents = []
    for index, after_us in enumerate(house.used_us):
        spent_us = (after_us - before_us[index]) & _CPU_US_MASK
        percents.append(min(spent_us // (10 * ms), 100))
    return percents


def above(house, percents, priority):
    """Return the percent that all together have had who are more important than that."""
    return sum([percents[ward.number - 1] for ward in house.wards if ward.priority < priority])
