"""Driver of the RP2040's temperature sensor, channel 4 of its ADC.

T = 27 - (V - 0.706) / 0.001721 degrees Celsius (RP2040 datasheet, 4.9.5); the ADC's 16-bit
reading stands for 0 to 3.3 V.
"""

from bulkhead import OK, REFUSED
from machine import ADC
from micropython import const

from services.thermometer.api import READ

_SENSOR = const(4)
_AT_27_C_UV = const(706_000)
_NV_PER_HUNDREDTH = const(17_210)


def centidegrees(reading):
    """Return the temperature for a 16-bit ADC reading, in hundredths of a degree Celsius."""
    microvolts = reading * 50 + reading * 3548 // 10000  # 3.3 V / 65535 = 50.3548 uV
    return 2700 - (microvolts - _AT_27_C_UV) * 1000 // _NV_PER_HUNDREDTH


def main(task):
    """Serve `api`."""
    sensor = ADC(_SENSOR)
    operation = yield task.recv()
    while True:
        if operation == READ:
            operation = yield task.reply_recv(OK, centidegrees(sensor.read_u16()))
        else:
            operation = yield task.reply_recv(REFUSED)
