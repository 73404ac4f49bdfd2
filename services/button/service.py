"""Driver of a push button: edge interrupts, debounced by leaving the line masked meanwhile."""

import time

from bulkhead import NOTIFIED, OK, REFUSED, TIMEOUT
from bulkhead_board import BUTTON
from machine import Pin

from services.button.api import (
    BUSY,
    HOLD_MS,
    HOLDS,
    IS_DOWN,
    PRESSES,
    SETTLE_MS,
    WAIT,
    WAITERS_MAX,
)


class Button:
    """What the button has done, and when there is cause to look at it."""

    def __init__(self, is_down):
        self.presses = 0
        self.holds = 0
        self.is_down = is_down
        self.is_settling = False
        self.is_held = is_down  # one that is down at the start is no press
        self.settles_ms = self.held_ms = time.ticks_ms()
        self.waiters = {}  # tokens by badge: who asks again waits once

    def export_state(self):
        """Return what an update hands over: what was counted, what it is at, and who waits."""
        waiters = [word for pair in self.waiters.items() for word in pair]
        level = (self.is_down, self.is_settling, self.is_held, self.settles_ms, self.held_ms)
        return (self.presses, self.holds) + level + tuple(waiters)

    def import_state(self, _version, state):
        """Go on where the last version has stopped."""
        self.presses, self.holds, self.is_down, self.is_settling, self.is_held = state[:5]
        self.settles_ms, self.held_ms = state[5:7]
        self.waiters = {state[at]: state[at + 1] for at in range(7, len(state), 2)}

    def pause_ms(self):
        """Return the milliseconds until it is time to look, None while there is no cause to."""
        if self.is_settling:
            due_ms = self.settles_ms
        elif self.is_down and not self.is_held:
            due_ms = self.held_ms
        else:
            return None
        return max(0, time.ticks_diff(due_ms, time.ticks_ms()))

    def settle(self):
        """Take an edge: the level counts once it has had time to settle."""
        self.is_settling = True
        self.settles_ms = time.ticks_add(time.ticks_ms(), SETTLE_MS)

    def take(self, is_down):
        """Take the settled level; return whether it is a press."""
        self.is_settling = False
        is_press = is_down and not self.is_down
        self.is_down = is_down
        if is_press:
            self.presses += 1
            self.is_held = False
            self.held_ms = time.ticks_add(self.settles_ms, HOLD_MS - SETTLE_MS)
        return is_press

    def hold(self):
        """Take it that the button is down for so long."""
        self.is_held = True
        self.holds += 1


def main(task):
    """Serve `api`."""
    edge = task.cap("edge")
    pin = Pin(BUTTON)
    button = Button(pin.value() == 0)
    task.carry_over(button)
    if not button.is_settling:
        yield task.acknowledge(edge)
    while True:
        pause_ms = button.pause_ms()
        operation = TIMEOUT if pause_ms == 0 else (yield task.recv(pause_ms))
        if operation == NOTIFIED:
            button.settle()
        elif operation == TIMEOUT and button.is_settling:
            yield task.acknowledge(edge)  # before the look: a later edge is not forgotten
            if button.take(pin.value() == 0):
                yield from tell(task, button)
        elif operation == TIMEOUT:
            button.hold()
            yield from tell(task, button)
        elif operation == WAIT:
            badge = task.badge()
            if len(button.waiters) < WAITERS_MAX or badge in button.waiters:
                button.waiters[badge] = task.caller()
            else:
                yield task.reply(BUSY)
        else:
            status, value = answer(button, operation)
            yield task.reply(status, value)


def tell(task, button):
    """Answer those who wait."""
    waiters = button.waiters
    button.waiters = {}
    for token in waiters.values():
        yield task.reply_to(token, OK, (button.presses, button.holds))


def answer(button, operation):
    """Return the status and the value that answer a question."""
    if operation == PRESSES:
        return OK, button.presses
    if operation == HOLDS:
        return OK, button.holds
    if operation == IS_DOWN:
        return OK, button.is_down
    return REFUSED, None
