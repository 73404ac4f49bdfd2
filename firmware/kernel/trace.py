"""The trace: a ring of the last things that happened, always on.

A record is two words: when, and what: an event of `abi`, the task it is about, its detail, and how
often it happened in a row. Most are steps: a step's record tells when it ended, with which trap,
so a task ran from the record before to its own. `note` is pasted into the dispatcher where modules
are compiled for an image; there it costs 0.7 us a step.
"""

from kernel.layout import *
from kernel.limits import TRACE_REPEATS_MAX
from micropython import const
import micropython

_SAME = const((1 << 24) - 1)  # all of TRACE_WHAT below the repeats
_WORDS = const(128)  # TRACE_RECORD * TRACE_RECORDS


@micropython.viper
def note(w: ptr32, what: int, now: int):
    """Record `what` at the time `now`. Allocates nothing."""
    newest = w[TRACE_AT]
    if w[newest + TRACE_WHAT] & _SAME == what and (
        w[newest + TRACE_WHAT] < TRACE_REPEATS_MAX << TRACE_REPEAT_SHIFT
    ):
        w[newest + TRACE_WHAT] += 1 << TRACE_REPEAT_SHIFT
    else:
        newest += TRACE_RECORD
        if newest == w[TRACE_END]:
            newest -= _WORDS
            w[TRACE_LAPS] += 1
        w[TRACE_AT] = newest
        w[newest + TRACE_WHAT] = what
    w[newest + TRACE_TIME] = now


def note_event(kernel, event, task, detail):
    """Record an event that is no step, at the present time."""
    what = event << TRACE_EVENT_SHIFT | task << TRACE_TASK_SHIFT - RECORD_SHIFT | detail
    note(kernel.words, what, kernel.now())
