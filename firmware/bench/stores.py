"""What makes the pins of benchmarks' tasks safe: stores as the build made them for the LED's."""

from array import array

from bulkhead_board import LED
from bulkhead_system import SERVICES
from kernel.layout import ROW_NAME, ROW_OUTPUTS
from micropython import const

_FIRST = const(2)
_PINS = const(8)


def led_low():
    """Return the stores that make the LED's pin low."""
    for name in SERVICES:
        if name[ROW_NAME] == "led":
            return name[ROW_OUTPUTS]
    raise ValueError("the system has no led")


def eight_pins():
    """Return the stores for eight pins from 2 on: those of the LED's with seven more pins each."""
    words = list(array("I", led_low()))
    plain, controls = words[3 : words[0]], words[words[0] : words[1]]
    masks, pad = plain[:-2], plain[-2:]
    for number in range(_FIRST, _FIRST + _PINS):
        masks += [pad[0] + 4 * (number - LED), pad[1]]
    found = [3 + len(masks), 0, 0] + masks
    for number in range(_FIRST, _FIRST + _PINS):
        found += [controls[0] + 8 * (number - LED), controls[1]]
    found[1] = found[2] = len(found)
    return array("I", found)
