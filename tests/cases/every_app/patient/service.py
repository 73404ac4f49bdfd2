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


def main(sys):
    """Serve `api`."""
    result = None
    while True:
        operation = yield sys.recv()
        value = sys.arg
        if operation == NOTIFIED:
            result = sys.bits()
        elif operation == RESULT:
            yield sys.reply(OK, result)
        else:
            yield sys.reply(OK)
            status, came = yield from wait(sys, operation, value)
            result = "%d %r" % (status, came)


def wait(sys, operation, value):
    """Do one wait; return its status and what came."""
    service = sys.cap(_SERVICES[operation])
    yield sys.reopen(service)  # it was crashed
    if operation == FIND_LED:
        sys.accept()
        status = yield sys.call(service, names.FIND, ("led", 1, _LONG_MS), _LONG_MS)
        return status, sys.granted() != 0
    if operation == ALARM:
        yield sys.call(service, clock.TIME)
        status = yield sys.call(service, clock.ALARM, (sys.arg + value, 4))
    elif operation == PUSH:
        status = yield sys.call(service, button.WAIT, None, _LONG_MS)
    elif operation == BYTES:
        status = yield sys.call(service, uart.READ, (20, _LONG_MS), _LONG_MS)
    else:
        status = yield sys.call(service, gpio.SUBSCRIBE, (1, 8))
    return status, sys.arg
