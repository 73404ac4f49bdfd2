"""Callbacks at times of the board's clock; one alarm of the emulator serves all of them."""

import heapq
import itertools
from collections.abc import Callable
from typing import Any

_NS_PER_MS = 1_000_000
_SOON_NS = 1.0  # less may not move a clock that counts nanoseconds in a float


class Event:
    """Something that is to happen; `cancel` may come at any time."""

    __slots__ = ("action",)

    def __init__(self, action: Callable[[], None]) -> None:
        self.action: Callable[[], None] | None = action

    def cancel(self) -> None:
        """Let it not happen."""
        self.action = None


class Events:
    """What is to happen, by the clock of `board.chip`; what is due at once keeps its order."""

    def __init__(self, clock: Any) -> None:
        self._clock = clock
        self._alarm = clock.create_alarm(self._fire)
        self._waiting: list[tuple[float, int, Event]] = []
        self._number = itertools.count()

    @property
    def now_ms(self) -> float:
        """Milliseconds of device time since the board was made."""
        return float(self._clock.nanos) / _NS_PER_MS

    def after(self, delay_ms: float, action: Callable[[], None]) -> Event:
        """Have something done after a time of the board's."""
        event = Event(action)
        due_ns = self._clock.nanos + delay_ms * _NS_PER_MS
        heapq.heappush(self._waiting, (due_ns, next(self._number), event))
        self._plan()
        return event

    def clear(self) -> None:
        """Forget all of it."""
        self._waiting.clear()
        self._alarm.cancel()

    def _plan(self) -> None:
        if self._waiting:
            self._alarm.schedule(max(self._waiting[0][0] - self._clock.nanos, _SOON_NS))

    def _fire(self) -> None:
        now_ns = self._clock.nanos
        while self._waiting and self._waiting[0][0] <= now_ns:
            event = heapq.heappop(self._waiting)[2]
            if event.action is not None:
                event.action()
        self._plan()
