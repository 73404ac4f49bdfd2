"""Operations of the heater service."""

from micropython import const

HEAT = const(1)  # arg: True or False -> OK; heat ends by itself HOLD_MS after the last True

HOLD_MS = const(3_000)
