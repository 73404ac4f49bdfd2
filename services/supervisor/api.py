"""Operations of the supervisor service. It answers; it never sends."""

from micropython import const

ROW = const(1)  # arg: task number -> OK, arg: (abi.INSPECT_FORMAT bytes, restarts, name); UNKNOWN
EVENT = const(2)  # -> OK, arg: (ms since boot, name, fault kind, generation, delay_ms); EMPTY
INJECT = const(3)  # arg: (name, injection) -> OK; UNKNOWN
FAULT_TEXT = const(4)  # arg: (name, offset) -> OK, arg: bytes of its traceback; UNKNOWN
CONTROL = const(5)  # arg: (name, HOLD, RELEASE or RESTART of `bulkhead.link`) -> OK; UNKNOWN
#                    or (BOARD, RESET), in the name of the caller
FAULT = const(6)  # arg: name -> OK, arg: abi.FAULT_FORMAT bytes of its newest fault; UNKNOWN
TRACE = const(7)  # arg: position -> OK, arg: what `sys.read_trace` gives
CAPABILITIES = const(8)  # arg: name -> OK, arg: abi.CAPABILITY_FORMAT bytes of each; UNKNOWN

# An event's delay_ms where there will be no next start.
STAYS_DOWN = const(-1)  # the manifest wants none
GIVEN_UP = const(-2)

UNKNOWN = const(1)
EMPTY = const(2)

# Name that stands for the board: what ended its last run.
BOARD = ""

# Notified to the console when EVENT has something to give.
EVENTS_BIT = const(2)
