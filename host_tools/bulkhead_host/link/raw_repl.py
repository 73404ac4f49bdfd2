"""Runs Python source on a board at any line, through MicroPython's raw REPL.

Ctrl-C stops what runs, Ctrl-A enters it, Ctrl-D runs what was sent: `OK` comes back, then output
and traceback, each ended by Ctrl-D ("The MicroPython interactive interpreter mode", in
MicroPython's reference manual). A Ctrl-D with nothing before it is a soft reset, after which the
board is in the raw REPL again and has run no program of its own.

`emulator.repl` does the same for a board of this process, to the cycle.
"""

import re

from bulkhead_host.errors import BulkheadError, DeviceException, DeviceTimeout
from bulkhead_host.link.transport import Transport

READY = b"raw REPL; CTRL-B to exit\r\n>"
"""What the raw REPL says when it is entered, by Ctrl-A or after a soft reset."""

ENTER_S = 20.0
_ASK_AGAIN_S = 2.0
_READ_S = 0.1
_CHUNK = 256  # of a serial port's input buffer, on boards that are not USB devices
_STOP_AND_ENTER = b"\r\x03\x03\r\x01"
_END, _LEAVE = b"\x04", b"\x02"


class RawRepl:
    """The raw REPL of the board at a line; `enter` comes first."""

    def __init__(self, line: Transport) -> None:
        self._line = line
        self._received = b""

    def enter(self, *, timeout_s: float = ENTER_S, next_step: str = "") -> None:
        """Stop the program on the board, and reach its prompt; raise `DeviceTimeout`."""
        deadline_s = self._line.clock_s() + timeout_s
        while self._line.clock_s() < deadline_s:
            self._received = b""
            self._line.write(_STOP_AND_ENTER)
            if self._came(READY, min(deadline_s, self._line.clock_s() + _ASK_AGAIN_S)):
                self._received = b""
                return
        raise DeviceTimeout(
            f"{self._line.name} gave no prompt within {timeout_s:.0f} s",
            next_step or "unplug the board and plug it in again",
        )

    def soft_reset(self, *, timeout_s: float = ENTER_S) -> None:
        """Have the interpreter begin anew, with an empty heap and nothing imported."""
        self._received = b""
        self._line.write(_END)
        self._take(READY, timeout_s, "the soft reset")

    def execute(self, source: str, *, timeout_s: float) -> str:
        """Run a program to its end and return what it printed.

        Raises `DeviceException` with the traceback when it raised, and `DeviceTimeout` when it
        did not end within `timeout_s` of the line's clock.
        """
        self._received = b""
        self.send(source)
        self._take(b"OK", timeout_s, "a program")
        output = self._take(_END, timeout_s, "a program")
        traceback = self._take(_END + b">", timeout_s, "a program")
        if traceback:
            raise DeviceException(_text(traceback).strip())
        return _text(output)

    def send(self, source: str) -> None:
        """Start a program whose end nobody waits for."""
        data = source.encode()
        for start in range(0, len(data), _CHUNK):
            self._line.write(data[start : start + _CHUNK])
        self._line.write(_END)

    def leave(self) -> None:
        """Go back to the prompt for people."""
        self._line.write(_LEAVE)

    def _take(self, marker: bytes, timeout_s: float, what: str) -> bytes:
        """Return what comes before a marker, and drop both."""
        if not self._came(marker, self._line.clock_s() + timeout_s):
            raise DeviceTimeout(
                f"{what} did not end within {timeout_s:g} s; the board's last words are "
                f"{self._received[-200:]!r}"
            )
        found, _, self._received = self._received.partition(marker)
        return found

    def _came(self, marker: bytes, deadline_s: float) -> bool:
        while marker not in self._received:
            if self._line.clock_s() >= deadline_s:
                return False
            self._received += self._line.read(_READ_S)
        return True


def numbers(said: str, count: int) -> list[int]:
    """Return the whole numbers that a program has printed; raise `BulkheadError` for others."""
    words = said.split()
    if len(words) != count or not all(word.removeprefix("-").isdecimal() for word in words):
        raise BulkheadError(f"the board's answer is none: {said[-200:]!r}")
    return [int(word) for word in words]


def _text(data: bytes) -> str:
    return re.sub("\r\n", "\n", data.decode("utf-8", "replace"))
