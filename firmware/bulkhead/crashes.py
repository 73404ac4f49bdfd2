"""What ended a run of the board, in words."""

from bulkhead.terms import CRASH_NAMES
from micropython import const

_NAME = const(0)  # of a row of the system's table


def crash_text(crash, rows):
    """Return what `crash`, in the order of `terms.FAULT_FORMAT`, says, by the system's table."""
    number, kind = crash[:2]
    name = rows[number - 1][_NAME] if 0 < number <= len(rows) else "the kernel"
    names = CRASH_NAMES
    return name + " " + names[kind if kind < len(names) else 0]
