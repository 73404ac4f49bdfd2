"""What ended the last run, for ports whose memory outlasts it: kept without the heap."""

from struct import calcsize, pack_into, unpack_from

from bulkhead.terms import FAULT_FORMAT
from kernel.layout import GENERATION, RECORD_SHIFT, RESULT, RUNNING_TASK, STATE


def pack_crash(record, at, w, cause, uptime_ms):
    """Write a cause, and what runs by the kernel's words, into a buffer in `terms.FAULT_FORMAT`.

    It allocates nothing: the heap may be full, or locked where the tick gives up.
    """
    task = w[RUNNING_TASK]
    number, generation = task >> RECORD_SHIFT & 0xFF, w[task + GENERATION] & 0xFFFF
    state, operation = w[task + STATE] & 0xFF, w[task + RESULT] & 0xFF
    pack_into(
        FAULT_FORMAT, record, at,
        number, cause, state, operation, 0, 0, generation, uptime_ms,
    )  # fmt: skip


class CrashMemory:
    """What is kept of a crash where only the process's own memory is there for it."""

    def __init__(self):
        self.record = bytearray(calcsize(FAULT_FORMAT))
        self.is_kept = False

    def keep(self, w, cause, uptime_ms):
        """Keep a cause, and what runs by the kernel's words."""
        pack_crash(self.record, 0, w, cause, uptime_ms)
        self.is_kept = True

    def take(self):
        """Return once what was kept, in the order of `terms.FAULT_FORMAT`, or None."""
        if not self.is_kept:
            return None
        self.is_kept = False
        return unpack_from(FAULT_FORMAT, self.record)
