"""A fan on a PWM pin; it does not start below a fifth of its speed."""

import time

from bulkhead import DEAD, OK, REFUSED, TIMEOUT

from services.fan.api import SET, STATE
from services.pwm.api import SET as PWM_SET

HZ = 25_000
STEP = 100
STEP_MS = 50
LEAST = 200


class Fan:
    """How fast it turns, and how fast it is to turn."""

    def __init__(self):
        self.speed = 0
        self.wanted = 0
        self.next_ms = time.ticks_ms()

    def export_state(self):
        """Return what an update hands over."""
        return (self.speed, self.wanted, self.next_ms)

    def import_state(self, _version, state):
        """Go on where the last version has stopped."""
        self.speed, self.wanted, self.next_ms = state

    def pause_ms(self):
        """Return the milliseconds until the next step of the ramp, None where it has ended."""
        if self.speed == self.wanted:
            return None
        return max(0, time.ticks_diff(self.next_ms, time.ticks_ms()))

    def step(self):
        """Come nearer to the speed that is wanted."""
        self.speed += max(min(self.wanted - self.speed, STEP), -STEP)
        self.next_ms = time.ticks_add(time.ticks_ms(), STEP_MS)


def main(task):
    """Serve `api`."""
    fan = Fan()
    if not task.carry_over(fan):
        yield from drive(task, 0)
    while True:
        operation = yield task.recv(fan.pause_ms())
        arg = task.arg
        if operation == TIMEOUT:
            fan.step()
            yield from drive(task, fan.speed)
        elif operation == SET and type(arg) is int and 0 <= arg <= 1000:
            fan.wanted = 0 if arg < LEAST else arg
            yield task.reply(OK)
        elif operation == STATE:
            yield task.reply(OK, (fan.speed, fan.wanted))
        else:
            yield task.reply(REFUSED)


def drive(task, speed):
    """Have the wave carry a speed."""
    pwm = task.cap("pwm")
    status = yield task.call(pwm, PWM_SET, (0, HZ, speed * 65535 // 1000))
    if status == DEAD and (yield task.reopen(pwm)) == OK:
        status = yield task.call(pwm, PWM_SET, (0, HZ, speed * 65535 // 1000))
    return status
