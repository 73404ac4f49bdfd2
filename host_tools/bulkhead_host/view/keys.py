"""Single keys from a terminal, without waiting for them and without echo."""

import os
import select
import sys
from typing import Any, Self

try:
    import termios
    import tty
except ImportError:  # not a POSIX system
    termios = None  # type: ignore[assignment]

UP, DOWN, ENTER = "up", "down", "enter"

_SEQUENCES = {
    "\x1b[A": UP,
    "\x1bOA": UP,
    "\x1b[B": DOWN,
    "\x1bOB": DOWN,
    "\r": ENTER,
    "\n": ENTER,
}
_READ_SIZE = 64


class Keys:
    """The keyboard while the block runs; Ctrl-C stays what it is.

    Where the system has no such terminals (Windows), no key is ever pressed.
    """

    def __init__(self) -> None:
        self._before: list[Any] | None = None

    def __enter__(self) -> Self:
        if termios is not None and sys.stdin.isatty():
            self._before = termios.tcgetattr(sys.stdin)
            tty.setcbreak(sys.stdin.fileno())
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._before)

    def pressed(self) -> list[str]:
        """Return the keys pressed since the last call: letters, or `UP`, `DOWN`, `ENTER`."""
        if self._before is None or not select.select([sys.stdin], [], [], 0)[0]:
            return []
        return parse_keys(os.read(sys.stdin.fileno(), _READ_SIZE).decode(errors="ignore"))


def parse_keys(text: str) -> list[str]:
    """Return the keys that a terminal's text stands for."""
    found = []
    while text:
        sequence = next((one for one in _SEQUENCES if text.startswith(one)), "")
        found.append(_SEQUENCES[sequence] if sequence else text[0])
        text = text[len(sequence) or 1 :]
    return found
