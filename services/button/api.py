"""Operations of the button service."""

from micropython import const

PRESSES = const(1)  # -> OK, arg: presses since the service started
HOLDS = const(2)  # -> OK, arg: how many of them lasted HOLD_MS
WAIT = const(3)  # -> at the next press, or when it is held: OK, arg: (presses, holds); BUSY
IS_DOWN = const(4)  # -> OK, arg: bool
BUSY = const(1)  # as many clients wait as may

# A contact that bounces longer than this is worn out: a press is known this long after its edge.
SETTLE_MS = const(10)
HOLD_MS = const(800)  # a press that lasts so long is a hold
WAITERS_MAX = const(4)  # clients
