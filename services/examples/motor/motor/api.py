"""Operations of the motor service, and the bits by which the emergency stop notifies it."""

from micropython import const

SPEED = const(1)  # arg: per mille of the full speed -> OK; NO_POWER
NO_POWER = const(1)  # the emergency stop was pressed, and its key not turned since

POWER_OFF = const(1)
POWER_ON = const(2)
