"""The emergency stop: an edge on the mushroom's pin takes the motor's power away.

It is the only one that moves the enable pin. The power comes with the key, pressed while the
mushroom is out, and with nothing else: not with a start of the board, not with a restart of this
service, which the motor's failures are too. In the loop nothing allocates: it runs within the
hardware interrupt.
"""

from bulkhead_system import PINS
from machine import Pin

from services.motor.api import POWER_OFF, POWER_ON

_PRESSED, _KEY = 1, 2  # the lines of the manifest, in their order
_MUSHROOM = 15


def main(task):
    """Serve the two lines."""
    motor, pressed, released = task.cap("motor"), task.cap("pressed"), task.cap("released")
    power = Pin(dict(PINS)["stop"][0], Pin.OUT, value=0)
    power_off, power_on = power.off, power.on  # bound once: a bound method allocates
    is_out = Pin(_MUSHROOM).value
    yield task.acknowledge(pressed)
    yield task.acknowledge(released)
    while True:
        yield task.recv()
        power_off()  # before it is asked which line it was: that takes 20 us
        bits = task.bits()
        if bits == _KEY and is_out():  # a blow that comes with it counts, whichever was first
            power_on()
        yield task.notify(motor, POWER_ON if power() else POWER_OFF)
        if bits & _PRESSED:
            yield task.acknowledge(pressed)
        if bits & _KEY:
            yield task.acknowledge(released)
