"""Operations of the settings service: what the owner wants, checked, and kept over power cuts."""

from bulkhead import DEAD, OK
from micropython import const

GET = const(1)  # arg: name -> OK, arg: value; NO_SETTING
SET = const(2)  # arg: (name, value) -> OK: it is in the flash; NO_SETTING, OUT_OF_RANGE, NOT_KEPT
ALL = const(3)  # -> OK, arg: all values, in the order of NAMES
NO_SETTING = const(1)
OUT_OF_RANGE = const(2)
NOT_KEPT = const(3)

NAMES = ("moist_low", "water_s", "fan_from", "fan_full", "wake_at")


def ask(task, name, operation, arg=None):
    """Call a service, once more if it has just been started again; return the status."""
    service = task.cap(name)
    status = yield task.call(service, operation, arg)
    if status == DEAD and (yield task.reopen(service)) == OK:
        status = yield task.call(service, operation, arg)
    return status
