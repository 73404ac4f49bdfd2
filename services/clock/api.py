"""Operations of the clock service. Times are milliseconds since 1970, UTC."""

from micropython import const

TIME = const(1)  # -> OK, arg: the time; NOT_SET
SET = const(2)  # arg: the time -> OK
ALARM = const(3)  # arg: (time, bits) -> OK: notifies the caller of `bits` then; NO_RIGHT, NO_ROOM
CANCEL = const(4)  # arg: bits -> OK, arg: how many alarms of the caller with these bits there were
NOT_SET = const(1)  # nobody has set the time since the board got power
NO_RIGHT = const(2)  # the clock's manifest does not let it notify the caller
NO_ROOM = const(3)  # ALARMS_MAX are waiting

ALARMS_MAX = const(16)  # of all clients
