"""Wait for one service or another, and keep what came of it, for the host to ask."""

from bulkhead import NOTIFIED, OK

from services.button import api as button
from services.clock import api as clock
from services.gpio import api as gpio
from services.names import api as names
from services.patient.api import ALARM, BYTES, EDGE, FIND_LED, PUSH, RESULT
from services.uart import api as uart

_LONG_MS = 30_000
_SERVICES = {FIND_LED: "names", PUSH: "button", BYTES: "uart", ALARM: "clock", EDGE: "gpio"}


def main(task):
    """Serve `api`."""
    result = None
    while True:
        operation = yield task.recv()
        value = task.arg
        if operation == NOTIFIED:
            result = task.bits()
        elif operation == RESULT:
            yield task.reply(OK, result)
        else:
            yield task.reply(OK)
            status, came = yield from wait(task, operation, value)
            result = "%d %r" % (status, came)


def wait(task, operation, value):
    """Do one wait; return its status and what came."""
    service = task.cap(_SERVICES[operation])
    yield task.reopen(service)  # it was crashed
    if operation == FIND_LED:
        task.accept()
        status = yield task.call(service, names.FIND, ("led", 1, _LONG_MS), _LONG_MS)
        return status, task.granted() != 0
    if operation == ALARM:
        yield task.call(service, clock.TIME)
        status = yield task.call(service, clock.ALARM, (task.arg + value, 4))
    elif operation == PUSH:
        status = yield task.call(service, button.WAIT, None, _LONG_MS)
    elif operation == BYTES:
        status = yield task.call(service, uart.READ, (20, _LONG_MS), _LONG_MS)
    else:
        status = yield task.call(service, gpio.SUBSCRIBE, (1, 8))
    return status, task.arg
