"""Operations of the led service."""

from micropython import const

SET = const(1)  # arg: 0 or 1 -> OK
TOGGLE = const(2)  # -> OK, arg: the new level
STATE = const(3)  # -> OK, arg: the level
