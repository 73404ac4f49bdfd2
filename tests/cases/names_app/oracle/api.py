"""Operations of the oracle service."""

from micropython import const

WHO = const(1)  # -> OK, arg: the badge it was called with
FAIL = const(2)  # raise
