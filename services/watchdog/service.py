"""Feed the hardware watchdog while every critical service makes progress; else reset the board.

`[watchdog]` in system.toml says which are critical, and in what time each has to make progress.
One that makes none is given `timeout_ms` more, in which the supervisor may mend it; then the
board is reset in its name, by the kernel, which keeps the cause. The hardware, which waits 8.3 s
at most, is there for when this service cannot run: a longer timeout is counted here, and the
hardware fed meanwhile. What is held by a person is excused. In development mode nothing is
reset: the log says what would be.
"""

import sys as interpreter
from struct import calcsize, pack, unpack_from

from bulkhead.uptime import Uptime
from bulkhead_system import SERVICES, WATCHDOG
from kernel.abi import ATTENDING, DORMANT, NO_PROGRESS, RECEIVING
from kernel.layout import GENERATION, STATE, STEPS
from machine import WDT, mem32
from micropython import const

from services.logger.api import WARNING
from services.watchdog.api import ALIVE

_HARDWARE_MS_MAX = const(8_388)
# The hardware fires this long after the kernel should have reset the board.
_GRACE_MS = const(400)
_FEEDS = const(4)  # in the time that the hardware waits
_LOOK_MS = const(100)  # between two looks at what is late

# The RP2040's watchdog, datasheet 4.7: the control register, at the address that clears bits.
_CONTROL_CLEAR = const(0x4005B000)
_ENABLE = const(0x40000000)

_CRITICAL = "<BiBBi"  # (number, steps, is_late, is_told, for how long it has been due)
_AGE_MAX = const(0x3FFFFFFF)  # ms


class Critical:
    """One critical service: when it has to have made progress, and since when it is late."""

    def __init__(self, now, number, period_ms, reports):
        self.number = number
        self.period_ms = period_ms
        self.reports = reports
        self.steps = -1
        self.is_late = self.is_told = False
        self.due_ms = now + period_ms

    def gets_on(self, now):
        """Note progress."""
        self.is_late = self.is_told = False
        self.due_ms = now + self.period_ms

    def look(self, now, state, generation, steps):
        """See whether it has made progress without a report, or is held by a person."""
        waits = state in (RECEIVING, ATTENDING)
        is_held = state == DORMANT and generation > 1
        if is_held or not self.reports and (waits or steps != self.steps):
            self.steps = steps
            self.gets_on(now)
        self.is_late = now >= self.due_ms

    def late_ms(self, now):
        """Return for how long it has been late."""
        return now - self.due_ms if self.is_late else 0

    def left_ms(self, now):
        """Return in how many ms to look at it."""
        return _LOOK_MS if self.is_late else self.due_ms - now


class Watch:
    """All that is critical, for an update to hand over: who was late stays so."""

    def __init__(self, rows):
        self.now = Uptime().now
        self.critical = [Critical(self.now(), *row) for row in rows]

    def export_state(self):
        """Return what is known of each."""
        now = self.now()
        rows = []
        for one in self.critical:
            age_ms = min(now - one.due_ms, _AGE_MAX)
            rows.append(pack(_CRITICAL, one.number, one.steps, one.is_late, one.is_told, age_ms))
        return b"".join(rows)

    def import_state(self, _version, state):
        """Take over what an earlier version knew."""
        for at in range(0, len(state), calcsize(_CRITICAL)):
            number, steps, is_late, is_told, age_ms = unpack_from(_CRITICAL, state, at)
            for one in self.critical:
                if one.number == number:
                    one.steps, one.is_late, one.is_told = steps, is_late, is_told
                    one.due_ms = self.now() - age_ms


class Hardware:
    """The chip's watchdog, None in development mode: once started MicroPython cannot stop it."""

    def __init__(self, timeout_ms):
        self.wait_ms = min(timeout_ms + _GRACE_MS, _HARDWARE_MS_MAX)
        self.last_ms = timeout_ms + _GRACE_MS - self.wait_ms  # of lateness, that is fed
        self.chip = WDT(timeout=self.wait_ms)

    def feed(self, late_ms):
        """Feed it, unless a service is so late that it may fire."""
        if late_ms <= self.last_ms:
            self.chip.feed()

    def stop(self):
        """Let it fire no more, where the chip can be told so."""
        if interpreter.platform == "rp2":
            mem32[_CONTROL_CLEAR] = _ENABLE


def main(task):
    """Watch until stopped on purpose: then nobody feeds, and the hardware must not fire."""
    is_development, timeout_ms, rows = WATCHDOG or (True, _HARDWARE_MS_MAX, ())
    watch = Watch(rows)
    task.carry_over(watch)
    critical = watch.critical
    hardware = None if is_development else Hardware(timeout_ms)
    try:
        while True:
            now = watch.now()
            late_ms = yield from look(task, critical, now)
            if late_ms >= timeout_ms:
                yield from give_up(task, critical, now, is_development)
            if hardware:
                hardware.feed(late_ms)
            yield from listen(task, watch, hardware, now)
    except GeneratorExit:
        if hardware:
            hardware.stop()
        raise


def look(task, critical, now):
    """Look at each service that may be late; return for how long the latest is."""
    latest_ms = 0
    for one in critical:
        if now >= one.due_ms:
            yield task.inspect(task.cap("kernel"), one.number)
            one.look(now, *[task.arg[index] for index in (STATE, GENERATION, STEPS)])
        latest_ms = max(latest_ms, one.late_ms(now))
    return latest_ms


def give_up(task, critical, now, is_development):
    """Reset the board in the name of what is latest, or say in the log that it would be."""
    one = max(critical, key=lambda each: each.late_ms(now))
    if not is_development:
        yield task.reset_board(task.cap("kernel"), one.number, NO_PROGRESS)
    if not one.is_told:
        one.is_told = True
        text = "%s makes no progress: the board would be reset" % SERVICES[one.number - 1][0]
        yield task.send(task.cap("logger"), WARNING, text)


def listen(task, watch, hardware, now):
    """Take reports until it is time to look or to feed."""
    left_ms = hardware.wait_ms // _FEEDS if hardware else _HARDWARE_MS_MAX
    for one in watch.critical:
        left_ms = min(left_ms, max(one.left_ms(now), 1))
    end_ms = now + left_ms
    while left_ms > 0:
        operation = yield task.recv(left_ms)
        now = watch.now()
        if operation == ALIVE and not task.caller():
            for one in watch.critical:
                if one.number == task.badge():
                    one.gets_on(now)
        elif task.caller():
            yield task.reply_fault()
        left_ms = end_ms - now
