"""Use every driver, and log what each call gave: `step: status value`."""

from services.adc import api as adc
from services.button import api as button
from services.gpio import api as gpio
from services.i2c import api as i2c
from services.logger.api import INFO
from services.neopixel import api as neopixel
from services.pwm import api as pwm
from services.spi import api as spi

# Step, driver, operation, operand. `led` is gp10 and `wire` gp11, which the test joins to it.
_STEPS = (
    ("led mode", "gpio", gpio.MODE, (0, gpio.OUTPUT)),
    ("led on", "gpio", gpio.WRITE, (0, 1)),
    ("wire on", "gpio", gpio.READ, 1),
    ("led toggled", "gpio", gpio.TOGGLE, 0),
    ("wire off", "gpio", gpio.READ, 1),
    ("no pin", "gpio", gpio.READ, 3),
    ("no line", "gpio", gpio.EDGES, 1),
    ("no right", "gpio", gpio.SUBSCRIBE, (2, 1)),
    ("no bits", "gpio", gpio.SUBSCRIBE, (2, -1)),
    ("no level", "gpio", gpio.WRITE, (0, 2)),
    ("wave", "pwm", pwm.SET, (0, 1000, 16384)),
    ("no wave", "pwm", pwm.SET, (0, 7, 0)),
    ("no pulse", "pwm", pwm.PULSE, (0, 50, 20_001)),
    ("no wave pin", "pwm", pwm.SET, (1, 1000, 0)),
    ("volts", "adc", adc.READ, 0),
    ("mean", "adc", adc.MEAN, (0, 10)),
    ("millivolts", "adc", adc.MILLIVOLTS, (0, 10)),
    ("no mean", "adc", adc.MEAN, (0, 101)),
    ("no input", "adc", adc.READ, 1),
    ("scan", "i2c", i2c.SCAN, None),
    ("i2c write", "i2c", i2c.WRITE, (0x48, b"\x01\x02\x03")),
    ("i2c read", "i2c", i2c.READ, (0x48, 3)),
    ("register", "i2c", i2c.WRITE_READ, (0x48, b"\x01", 2)),
    ("nobody", "i2c", i2c.READ, (0x49, 3)),
    ("i2c nonsense", "i2c", i2c.WRITE, (0x48, "text")),
    ("spi mode", "spi", spi.SET_UP, (0, 4_000_000, 3)),
    ("spi", "spi", spi.TRANSFER, (0, b"\x00\x01\xfe")),
    ("too slow", "spi", spi.SET_UP, (0, 1999, 0)),
    ("no chip", "spi", spi.TRANSFER, (1, b"")),
    ("fill", "neopixel", neopixel.FILL, (2, 1, 2, 3)),
    ("light", "neopixel", neopixel.SET, (2, 255, 0, 128)),
    ("no light", "neopixel", neopixel.SET, (256, 0, 0, 0)),
    ("show", "neopixel", neopixel.SHOW, None),
    ("wave ends", "pwm", pwm.OFF, 0),
    ("push", "button", button.WAIT, None),
    ("down", "button", button.IS_DOWN, None),
    ("push again", "button", button.WAIT, None),
    ("held", "button", button.WAIT, None),
    ("presses", "button", button.PRESSES, None),
    ("holds", "button", button.HOLDS, None),
    ("no button", "button", 99, None),
)
_CALL_MS = 3000


def main(task):
    """Take each step, and log what it gave."""
    logger = task.cap("logger")
    for step, driver, operation, operand in _STEPS:
        if operation == button.WAIT and driver == "button":
            yield task.send(logger, INFO, "hand: now")
        status = yield task.call(task.cap(driver), operation, operand, _CALL_MS)
        text = "%s: %d %r" % (step, status, task.arg if status == 0 else None)
        yield task.send(logger, INFO, text)
        yield task.sleep(2)
    yield task.send(logger, INFO, "end: all done")
    while True:
        yield task.recv()
