"""Driver of the motor: a wave whose share of high time is the speed, changed in a ramp.

After an emergency stop the wave ends, and speeds are refused until the power is back. What holds
the motor is not this service but the enable pin, which is `stop`'s alone.
"""

import time

from bulkhead import NOTIFIED, OK, REFUSED, TIMEOUT
from bulkhead_system import PINS
from machine import PWM, Pin
from micropython import const

from services.logger.api import INFO, WARNING
from services.motor.api import NO_POWER, POWER_OFF, SPEED

_WAVE_HZ = const(20_000)
_FULL = const(1000)
_RAMP_MS = const(10)  # a step of the ramp
_RAMP_STEP = const(50)


def main(sys):
    """Serve `api`."""
    logger = sys.cap("logger")
    place = dict(PINS)["motor"][0]
    wave = PWM(Pin(place, Pin.OUT, value=0), freq=_WAVE_HZ, duty_u16=0)
    speed = wanted = 0
    has_power = False
    yield sys.send(logger, INFO, "the motor waits for its key")
    next_ms = time.ticks_ms()
    while True:
        left_ms = max(time.ticks_diff(next_ms, time.ticks_ms()), 0)
        operation = yield sys.recv(left_ms if speed != wanted else None)
        if operation == NOTIFIED:
            has_power = not sys.bits() & POWER_OFF
            speed = wanted = 0
            wave.duty_u16(0)
            text = "power on" if has_power else "EMERGENCY STOP"
            yield sys.send(logger, INFO if has_power else WARNING, text)
        elif operation == TIMEOUT:
            speed += max(min(wanted - speed, _RAMP_STEP), -_RAMP_STEP)
            wave.duty_u16(65535 * speed // _FULL)
            next_ms = time.ticks_add(time.ticks_ms(), _RAMP_MS)
        elif operation != SPEED or type(sys.arg) is not int or not 0 <= sys.arg <= _FULL:
            yield sys.reply(REFUSED)
        elif not has_power:
            yield sys.reply(NO_POWER)
        else:
            wanted = sys.arg
            yield sys.reply(OK)
