"""Operations of echo."""

from micropython import const

ECHO = const(1)  # arg: any value -> OK, arg: the same
