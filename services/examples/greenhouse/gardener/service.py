"""Decide: water when the soil is dry, at most once in PAUSE_MS; air when it is hot."""

import time

from bulkhead import DEAD, NOTIFIED, OK, REFUSED, TIMEOUT

from services.climate.api import READ as READ_CLIMATE
from services.clock.api import ALARM, TIME
from services.display.api import SHOW
from services.fan.api import SET as SET_FAN
from services.gardener.api import ALARM_BITS, NO_WATER, STATE, WATER
from services.logger.api import INFO, WARNING
from services.pump.api import RUN
from services.settings.api import ALL, ask
from services.soil.api import READ as READ_SOIL
from services.watchdog.api import ALIVE

PERIOD_MS = 1000
PAUSE_MS = 60_000  # water has to sink in
DAY_MS = 86_400_000


class Garden:
    """What is known, and what is done."""

    def __init__(self):
        self.moisture = None
        self.temperature = None
        self.humidity = None
        self.fan = 0
        self.waterings = 0
        self.watered_ms = None
        self.next_ms = time.ticks_ms()
        self.has_alarm = False

    def export_state(self):
        """Return what an update hands over."""
        return (
            self.moisture,
            self.temperature,
            self.humidity,
            self.fan,
            self.waterings,
            self.watered_ms,
            self.next_ms,
            self.has_alarm,
        )

    def import_state(self, _version, state):
        """Go on where the last version has stopped."""
        (
            self.moisture,
            self.temperature,
            self.humidity,
            self.fan,
            self.waterings,
            self.watered_ms,
            self.next_ms,
            self.has_alarm,
        ) = state

    def may_water(self):
        """Tell whether the last water has had time to sink in."""
        return (
            self.watered_ms is None
            or time.ticks_diff(time.ticks_ms(), self.watered_ms) >= PAUSE_MS
        )


def main(task):
    """Serve `api`, and look at the garden every second."""
    garden = Garden()
    if not task.carry_over(garden) and (yield task.unstash()) == OK:
        garden.waterings, garden.watered_ms = task.arg
    logger = task.cap("logger")
    yield task.send(logger, INFO, "the gardener is up")
    while True:
        operation = yield task.recv(max(0, time.ticks_diff(garden.next_ms, time.ticks_ms())))
        caller = task.caller()
        if operation == TIMEOUT:
            garden.next_ms = time.ticks_add(garden.next_ms, PERIOD_MS)
            yield from look(task, garden)
            yield task.send(task.cap("watchdog"), ALIVE)
        elif operation == NOTIFIED:
            garden.has_alarm = False
            yield task.send(logger, INFO, "good morning")
            yield from water(task, garden)
        elif operation == STATE:
            yield task.reply(
                OK,
                (
                    garden.moisture,
                    garden.temperature,
                    garden.humidity,
                    garden.fan,
                    garden.waterings,
                ),
            )
        elif operation == WATER:
            status = yield from water(task, garden)
            yield task.reply_to(caller, OK if status == OK else NO_WATER)
        else:
            yield task.reply(REFUSED)


def look(task, garden):
    """Read the sensors, decide, show."""
    if (yield from ask(task, "settings", ALL)) != OK:
        return
    moist_low, _water_s, fan_from, fan_full, wake_at = task.arg
    status = yield from ask(task, "soil", READ_SOIL)
    garden.moisture = task.arg if status == OK else None
    status = yield from ask(task, "climate", READ_CLIMATE)
    garden.temperature, garden.humidity = task.arg if status == OK else (None, None)
    if garden.temperature is not None:
        share = (garden.temperature - fan_from) * 1000 // max(1, fan_full - fan_from)
        speed = max(0, min(1000, share))
        if speed != garden.fan and (yield from ask(task, "fan", SET_FAN, speed)) == OK:
            garden.fan = speed
    if garden.moisture is not None and garden.moisture < moist_low and garden.may_water():
        yield from water(task, garden)
    if not garden.has_alarm:
        yield from set_alarm(task, garden, wake_at)
    yield from show(task, 0, "soil %s" % percent(garden.moisture))
    t = garden.temperature
    yield from show(
        task,
        1,
        "air %s %s"
        % (
            "--.- C" if t is None else "%d.%d C" % (t // 100, t % 100 // 10),
            percent(garden.humidity),
        ),
    )
    yield from show(task, 2, "fan %s" % percent(garden.fan))
    yield from show(task, 3, "watered %d times" % garden.waterings)


def percent(per_mille):
    """Return a share as it is shown."""
    return "--" if per_mille is None else "%d %%" % (per_mille // 10)


def show(task, row, text):
    """Show a row, and forget it while the display starts anew."""
    display = task.cap("display")
    if (yield task.send(display, SHOW, (row, text))) == DEAD:
        yield task.reopen(display)


def set_alarm(task, garden, wake_at):
    """Have the clock wake us at the next time of day; none while nobody has set it."""
    if (yield from ask(task, "clock", TIME)) != OK:
        return
    now = task.arg
    at = now - now % DAY_MS + wake_at * 1000
    if at <= now:
        at += DAY_MS
    garden.has_alarm = (yield from ask(task, "clock", ALARM, (at, ALARM_BITS))) == OK


def water(task, garden):
    """Run the pump for as long as is set."""
    status = yield from ask(task, "settings", ALL)
    if status != OK:
        return status
    status = yield from ask(task, "pump", RUN, task.arg[1])
    garden.watered_ms = time.ticks_ms()
    if status == OK:
        garden.waterings += 1
        yield task.stash((garden.waterings, garden.watered_ms))
    else:
        yield task.send(task.cap("logger"), WARNING, "no water: %d" % status)
    return status
