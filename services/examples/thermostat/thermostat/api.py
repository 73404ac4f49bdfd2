"""Operations of the thermostat service. Temperatures are hundredths of a degree Celsius."""

from micropython import const

SET = const(1)  # arg: the temperature that is wanted, 500 to 3500 -> OK; OUT_OF_RANGE
STATE = const(2)  # -> OK, arg: (temperature, or None without a sensor; the wanted one; heats?)
OUT_OF_RANGE = const(1)

LOWEST = const(500)
HIGHEST = const(3500)
