"""A rotary encoder with a button, as a hand turns it."""

from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bulkhead_host.desk.desk import Desk

# Levels of A and B at the four quarters of a detent, both contacts open at rest (pulled up).
_QUARTERS = ((0, 1), (0, 0), (1, 0), (1, 1))


class RotaryEncoder:
    """Two contacts to ground, a quarter apart, and with `button` a third."""

    def __init__(self, desk: "Desk", *, a: int, b: int, button: int | None = None) -> None:
        self._desk = desk
        self._a, self._b = desk.pin(a), desk.pin(b)
        self._button = None if button is None else desk.pin(button)
        self._set(1, 1)

    def turn(self, detents: int, *, ms: float = 20) -> None:
        """Turn it, clockwise where `detents` is positive; each takes `ms` of the board's time."""
        quarters = _QUARTERS if detents > 0 else [(b, a) for a, b in _QUARTERS]
        for index in range(4 * abs(detents)):
            levels = quarters[index % 4]
            self._desk.at((index + 1) * ms / 4, partial(self._set, *levels))

    def press(self, *, ms: float = 50) -> None:
        """Push the button."""
        if self._button is not None:
            self._button.press(ms=ms)

    def _set(self, a: int, b: int) -> None:
        self._a.drive(a)
        self._b.drive(b)
