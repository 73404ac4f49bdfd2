"""Operations of the supervisor service. It answers; it never sends.

Who may call it reads. What takes the right to control, `supervisor = ["call", "control"]` in a
manifest, says so below, and is answered NO_RIGHT without.
"""

from micropython import const

ROWS = const(1)  # arg: task number -> OK, arg: bytes: rows from that task on, as many as they
#                  hold; UNKNOWN
EVENT = const(2)  # -> OK, arg: (ms since boot, name, fault kind, generation, delay_ms); EMPTY
#                   Each is given once: takes the right to control
INJECT = const(3)  # arg: (name, injection) -> OK; UNKNOWN, BUSY. Takes the right to control
FAULT_TEXT = const(4)  # arg: (name, offset) -> OK, arg: bytes of its traceback; UNKNOWN
CONTROL = const(5)  # arg: (name, HOLD, RELEASE or RESTART of `bulkhead.link`) -> OK; UNKNOWN
#                    or (BOARD, RESET), in the name of the caller. Takes the right to control
FAULT = const(6)  # arg: name -> OK, arg: terms.FAULT_FORMAT bytes of its newest fault; UNKNOWN
TRACE = const(7)  # arg: position -> OK, arg: records in TRACE_FORMAT after their number
CAPABILITIES = const(8)  # arg: name -> OK, arg: terms.CAPABILITY_FORMAT bytes of each; UNKNOWN
EXCUSE = const(9)  # arg: ms, at most EXCUSE_MS_MAX -> OK: the caller is not hung for so long
EXCUSE_MS_MAX = const(600_000)  # ten minutes

# An event's fault kind where a service has had no processor: its delay_ms is for how long, its
# generation tells who has: task number from bit 7, percent below.
STARVED = const(0x80)
# Where events were lost, since nobody asked for them while more came than are kept: it comes
# before the next, its name is BOARD and its delay_ms is how many.
LOST = const(0x81)

# An event's delay_ms where there will be no next start.
STAYS_DOWN = const(-1)  # the manifest wants none
GIVEN_UP = const(-2)  # it was restarted too often

# A row: its length as a byte, which counts, too; terms.INSPECT_FORMAT; how often the task was
# started again, as u16; its name.
STATE_AT = const(2)  # bytes into a row
RESTARTS_AT = const(33)

UNKNOWN = const(1)  # no service has that name or number
EMPTY = const(2)  # there is no event
NO_RIGHT = const(3)  # the caller has no right to control
BUSY = const(4)  # not now: it is in the midst of a step, a module is loaded, or memory is short

# Name that stands for the board: what ended its last run.
BOARD = ""

# Notified to the console when EVENT has something to give.
EVENTS_BIT = const(2)


def row_places(rows):
    """Return where each row begins in what ROWS has answered."""
    places = []
    at = 0
    while at < len(rows):
        places.append(at)
        at += rows[at]
    return places
