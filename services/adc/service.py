"""Driver of the analogue inputs."""

from bulkhead import OK, REFUSED
from bulkhead_system import PINS
from machine import ADC, Pin
from micropython import const

from services.adc.api import MEAN, MILLIVOLTS, NO_PIN, READ

_READINGS_MAX = const(100)
_FULL = const(65535)
_REFERENCE_MV = const(3300)


def main(task):
    """Serve `api`."""
    inputs = [ADC(Pin(place)) for place in dict(PINS)[task.name()]]
    operation = yield task.recv()
    while True:
        status, value = answer(inputs, operation, task.arg)
        operation = yield task.reply_recv(status, value)


def answer(inputs, operation, arg):
    """Do what one call asks; return the status and the value of the reply."""
    index, count = arg if type(arg) is tuple and len(arg) == 2 else (arg, 1)
    if (
        operation not in (READ, MEAN, MILLIVOLTS)
        or type(index) is not int
        or type(count) is not int
    ):
        return REFUSED, None
    if not 0 <= index < len(inputs):
        return NO_PIN, None
    if not 1 <= count <= _READINGS_MAX:
        return REFUSED, None
    total = 0
    for _ in range(count):
        total += inputs[index].read_u16()
    mean = (total + count // 2) // count
    return OK, (mean * _REFERENCE_MV + _FULL // 2) // _FULL if operation == MILLIVOLTS else mean
