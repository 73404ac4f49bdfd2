"""Operations of the patient client: each is answered at once, then it waits for a service."""

from micropython import const

FIND_LED = const(1)
PUSH = const(2)
BYTES = const(3)
ALARM = const(4)  # arg: in how many ms
EDGE = const(5)
RESULT = const(9)  # -> OK, arg: the status of the wait and what came, or the bits notified
