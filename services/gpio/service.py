"""Driver of plain pins: levels in and out, no interrupts (`button` has those)."""

from bulkhead import OK, REFUSED
from bulkhead_system import PINS
from machine import Pin

from services.gpio.api import MODE, NO_PIN, READ, TOGGLE, WRITE

# In the order of the api's modes.
_MODES = (
    (Pin.IN, None),
    (Pin.IN, Pin.PULL_UP),
    (Pin.IN, Pin.PULL_DOWN),
    (Pin.OUT, None),
    (Pin.OPEN_DRAIN, None),
)


def main(sys):
    """Serve `api`."""
    pins = [Pin(place, Pin.IN) for place in dict(PINS)[sys.name()]]
    operation = yield sys.recv()
    while True:
        status, value = answer(pins, operation, sys.arg)
        operation = yield sys.reply_recv(status, value)


def answer(pins, operation, arg):
    """Do what one call asks; return the status and the value of the reply."""
    index, value = arg if type(arg) is tuple and len(arg) == 2 else (arg, None)
    if type(index) is not int:
        return REFUSED, None
    if not 0 <= index < len(pins):
        return NO_PIN, None
    pin = pins[index]
    if operation == READ:
        return OK, pin.value()
    if operation == WRITE and value in (0, 1):
        pin.value(value)
    elif operation == TOGGLE:
        pin.toggle()
        return OK, pin.value()
    elif operation == MODE and type(value) is int and 0 <= value < len(_MODES):
        pin.init(*_MODES[value])
    else:
        return REFUSED, None
    return OK, None
