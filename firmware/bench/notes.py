"""What the victims of `restarts` remember across their incarnations.

A restarted service's own module is loaded afresh; this one is not.
"""

from micropython import const

# The victims fault this far apart, each at another phase of the tick.
_FIRST_MS = const(60)
_APART_MS = const(41)
_PHASE_STEP_US = const(237)


class Notes:
    """Plans the faults of a run and keeps the times of all."""

    def __init__(self):
        self.raised_us = None  # when a victim raised that has not come back yet
        self.restarts_us = []
        self.planned = 0
        self.victims = 0
        self.finish = None

    def begin(self, victims):
        """Begin a run."""
        self.planned = 0
        self.victims = victims

    def next_delay_ms(self):
        """Return how long the next victim to ask waits before it raises."""
        self.planned += 1
        return _FIRST_MS + _APART_MS * self.planned

    def phase_us(self):
        """Return how long the next victim to raise computes first."""
        return len(self.restarts_us) * _PHASE_STEP_US % 1000

    def end_ms(self):
        """Return when the run is over."""
        return _FIRST_MS + _APART_MS * (self.victims + 1)


NOTES = Notes()
