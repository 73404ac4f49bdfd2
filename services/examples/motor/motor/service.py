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


class Motor:
    """The speed there is and the speed that is wanted, which an update leaves as they are."""

    def __init__(self):
        self.speed = self.wanted = 0
        self.has_power = False
        self.next_ms = time.ticks_ms()

    def export_state(self):
        """Return all of it."""
        return (self.speed, self.wanted, self.has_power, self.next_ms)

    def import_state(self, _version, state):
        """Go on in the ramp where the last version has stopped."""
        self.speed, self.wanted, self.has_power, self.next_ms = state

    def stop(self, has_power):
        """Take it that the power came or went."""
        self.has_power = has_power
        self.speed = self.wanted = 0

    def step(self):
        """Make a step of the ramp."""
        self.speed += max(min(self.wanted - self.speed, _RAMP_STEP), -_RAMP_STEP)
        self.next_ms = time.ticks_add(time.ticks_ms(), _RAMP_MS)


def main(task):
    """Serve `api`."""
    logger = task.cap("logger")
    place = dict(PINS)["motor"][0]
    motor = Motor()
    if task.carry_over(motor):
        wave = PWM(Pin(place))  # as it is
    else:
        wave = PWM(Pin(place, Pin.OUT, value=0), freq=_WAVE_HZ, duty_u16=0)
        yield task.send(logger, INFO, "the motor waits for its key")
    while True:
        left_ms = max(time.ticks_diff(motor.next_ms, time.ticks_ms()), 0)
        operation = yield task.recv(left_ms if motor.speed != motor.wanted else None)
        if operation == NOTIFIED:
            motor.stop(not task.bits() & POWER_OFF)
            wave.duty_u16(0)
            text = "power on" if motor.has_power else "EMERGENCY STOP"
            yield task.send(logger, INFO if motor.has_power else WARNING, text)
        elif operation == TIMEOUT:
            motor.step()
            wave.duty_u16(65535 * motor.speed // _FULL)
        elif operation != SPEED or type(task.arg) is not int or not 0 <= task.arg <= _FULL:
            yield task.reply(REFUSED)
        elif not motor.has_power:
            yield task.reply(NO_POWER)
        else:
            motor.wanted = task.arg
            yield task.reply(OK)
