"""Operations of the supervisor service. It answers; it never sends."""

from micropython import const

ROW = const(1)  # arg: task number -> OK, arg: (abi.INSPECT_FORMAT bytes, restarts, name); UNKNOWN
EVENT = const(2)  # -> OK, arg: (ms since boot, name, fault kind, generation, delay_ms); EMPTY
INJECT = const(3)  # arg: (name, injection) -> OK; UNKNOWN
FAULT_TEXT = const(4)  # arg: name -> OK, arg: the end of its last traceback; UNKNOWN
CONTROL = const(5)  # arg: (name, HOLD, RELEASE or RESTART of `bulkhead.link`) -> OK; UNKNOWN

UNKNOWN = const(1)
EMPTY = const(2)

# Notified to the console when EVENT has something to give.
EVENTS_BIT = const(2)
