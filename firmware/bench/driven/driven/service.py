"""Drive a pin high, another by PWM, one low and one against its pull, and end as asked.

The marker's pin rises just before.
"""

from machine import PWM, Pin

_RAISE, _RETURN, _SPIN, _CATCH, _FILL, _TRAP, _HANG = range(1, 8)


def main(task):
    """Serve one operation: none comes back from it."""
    mark = Pin(2, Pin.OUT, value=0).on
    Pin(16, Pin.OUT, value=1)
    PWM(Pin(17), freq=20_000, duty_u16=65535)
    Pin(18, Pin.OUT, value=0)
    Pin(19, Pin.OUT, value=1)
    operation = yield task.recv()
    kept = []
    mark()
    if operation == _RETURN:
        return
    if operation == _TRAP:
        yield 31 << 8
    if operation == _HANG:
        yield task.sleep(task.arg)
    while operation == _SPIN:
        pass
    while operation == _CATCH:
        try:
            while True:
                pass
        except KeyboardInterrupt:
            pass
    while operation == _FILL:
        kept.append(bytes(4096))
    raise ValueError
