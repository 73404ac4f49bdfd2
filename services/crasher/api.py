"""Operations of the crasher service: each commits the failure it is named after."""

from micropython import const

RAISE = const(1)
SPIN = const(2)
SLEEP = const(3)
LEAK = const(4)
NEVER_REPLY = const(5)
PING = const(6)  # arg: anything -> OK, arg: the same
