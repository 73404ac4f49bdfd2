"""Blink the LED; each press of the button picks the next pace."""

from bulkhead import DEAD, OK

from services.button import api as button_api
from services.led import api as led_api
from services.logger import api as logger_api
from services.thermometer import api as thermometer_api

_HALF_PERIODS_MS = (500, 250, 100)
_REPORT_EVERY = 20


def main(task):
    """Toggle the LED for ever, and tell the temperature now and then."""
    led = task.cap("led")
    button = task.cap("button")
    thermometer = task.cap("thermometer")
    logger = task.cap("logger")
    presses = 0
    toggles = 0
    while True:
        status = yield task.call(led, led_api.TOGGLE)
        if status == DEAD:
            yield task.reopen(led)
        status = yield task.call(button, button_api.PRESSES)
        if status == DEAD:
            yield task.reopen(button)
        elif status == OK and task.arg != presses:
            presses = task.arg
            yield task.send(logger, logger_api.INFO, "button pressed, next pace")
        if toggles % _REPORT_EVERY == 0:
            status = yield task.call(thermometer, thermometer_api.READ)
            if status == DEAD:
                yield task.reopen(thermometer)
                toggles -= 1  # ask it at the next toggle
            elif status == OK:
                text = "the chip is at %d.%02d C" % (task.arg // 100, task.arg % 100)
                status = yield task.send(logger, logger_api.INFO, text)
        if status == DEAD:
            yield task.reopen(logger)
        toggles += 1
        yield task.sleep(_HALF_PERIODS_MS[presses % len(_HALF_PERIODS_MS)])
