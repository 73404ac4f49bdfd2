"""Plan the next journey of the motor: much work of the least importance.

It computes, allocates, sorts and collects garbage for ever, which must not keep the motor, and
never the emergency stop, from what they do.
"""

import gc

from bulkhead import DEAD, OK
from micropython import const

from services.logger.api import INFO
from services.motor.api import SPEED

_WAYS = const(200)
_JOURNEY_MS = const(100)


def main(task):
    """Send the motor on one journey after another, as long as it has power."""
    motor, logger = task.cap("motor"), task.cap("logger")
    seed = 1
    was_moving = False
    while True:
        speed, seed = plan(seed)
        status = yield task.call(motor, SPEED, speed)
        if status == DEAD:
            yield task.reopen(motor)
        is_moving = status == OK
        if is_moving and not was_moving:
            yield task.send(logger, INFO, "on the way")
        was_moving = is_moving
        yield task.sleep(_JOURNEY_MS)


def plan(seed):
    """Return the speed of the best of many ways, in per mille of the full one, and a new seed."""
    ways = []
    for _ in range(_WAYS):
        seed = (seed * 1103515245 + 12345) & 0x3FFFFFFF
        ways.append((seed >> 8) % 700 + 300)
    ways.sort()
    best = ways[-1]
    ways = None
    gc.collect()
    return best, seed
