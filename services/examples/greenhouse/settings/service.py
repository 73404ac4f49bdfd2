"""Settings with limits; the store keeps them."""

from bulkhead import OK, REFUSED

from services.logger.api import INFO
from services.settings.api import ALL, GET, NAMES, NO_SETTING, NOT_KEPT, OUT_OF_RANGE, SET
from services.store.api import SAVE, get, put
from services.store.api import ask as ask_store

# name: default, least, most
LIMITS = {
    "moist_low": (350, 0, 900),  # per mille: water below
    "water_s": (5, 1, 30),
    "fan_from": (2600, 0, 6000),  # hundredths of a degree
    "fan_full": (3200, 0, 6000),
    "wake_at": (6 * 3600, 0, 86399),  # seconds of the day
}


def main(task):
    """Serve `api`."""
    values = {}
    for name in NAMES:
        values[name] = yield from get(task, name, LIMITS[name][0])
    yield task.send(task.cap("logger"), INFO, "settings: %s" % (values,))
    while True:
        operation = yield task.recv()
        arg, caller = task.arg, task.caller()
        if operation == GET:
            if arg in values:
                yield task.reply(OK, values[arg])
            else:
                yield task.reply(NO_SETTING)
        elif operation == ALL:
            yield task.reply(OK, tuple(values[name] for name in NAMES))
        elif operation == SET and type(arg) is tuple and len(arg) == 2:
            name, value = arg
            if name not in LIMITS:
                status = NO_SETTING
            elif type(value) is not int or not LIMITS[name][1] <= value <= LIMITS[name][2]:
                status = OUT_OF_RANGE
            else:
                values[name] = value
                status = yield from put(task, name, value)
                if status == OK:
                    status = yield from ask_store(task, SAVE)
                status = OK if status == OK else NOT_KEPT
            yield task.reply_to(caller, status)
        else:
            yield task.reply(REFUSED)
