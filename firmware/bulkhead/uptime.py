"""A clock for ages: MicroPython's ticks wrap after 12.4 days, and compare for half of that."""

from time import ticks_diff, ticks_ms


class Uptime:
    """Milliseconds, as an int that grows for good: two of them may be any time apart.

    Counts from the ticks that there were when it was made. It has to be asked once in six days,
    since it adds what has passed since it was asked last: whoever has one waits for no longer.
    """

    def __init__(self):
        self.ticks = ticks_ms()
        self.ms = int(self.ticks)  # type: ignore[call-overload]

    def now(self):
        """Return the time. Allocates once it is above 2**30, after 12.4 days."""
        ticks = ticks_ms()
        self.ms += ticks_diff(ticks, self.ticks)
        self.ticks = ticks
        return self.ms
