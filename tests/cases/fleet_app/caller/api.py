"""Operations of the caller service."""

from micropython import const

COUNTS = const(1)  # -> OK, arg: (calls so far, those that were not answered)
