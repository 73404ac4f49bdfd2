"""Blink the LED; each press of the button picks the next pace."""

from bulkhead import DEAD, OK

from services.button import api as button_api
from services.led import api as led_api
from services.logger import api as logger_api
from services.thermometer import api as thermometer_api

_HALF_PERIODS_MS = (500, 250, 100)
_REPORT_EVERY = 20


def main(sys):
    """Toggle the LED for ever, and tell the temperature now and then."""
    led = sys.cap("led")
    button = sys.cap("button")
    thermometer = sys.cap("thermometer")
    logger = sys.cap("logger")
    presses = 0
    toggles = 0
    while True:
        status = yield sys.call(led, led_api.TOGGLE)
        if status == DEAD:
            yield sys.reopen(led)
        status = yield sys.call(button, button_api.PRESSES)
        if status == DEAD:
            yield sys.reopen(button)
        elif status == OK and sys.arg != presses:
            presses = sys.arg
            yield sys.send(logger, logger_api.INFO, "button pressed, next pace")
        if toggles % _REPORT_EVERY == 0:
            status = yield sys.call(thermometer, thermometer_api.READ)
            if status == DEAD:
                yield sys.reopen(thermometer)
                toggles -= 1  # ask it at the next toggle
            elif status == OK:
                text = "the chip is at %d.%02d C" % (sys.arg // 100, sys.arg % 100)
                status = yield sys.send(logger, logger_api.INFO, text)
        if status == DEAD:
            yield sys.reopen(logger)
        toggles += 1
        yield sys.sleep(_HALF_PERIODS_MS[presses % len(_HALF_PERIODS_MS)])
