"""Operations of the crasher service: each commits the failure it is named after."""

from micropython import const

RAISE = const(1)  # raises an exception
SPIN = const(2)  # runs for ever
SLEEP = const(3)  # sleeps for ever, the caller unanswered
LEAK = const(4)  # allocates without end
NEVER_REPLY = const(5)  # leaves the caller without an answer
PING = const(6)  # arg: anything -> OK, arg: the same
