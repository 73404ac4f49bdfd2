"""Runs Python source on a board through MicroPython's raw REPL.

Protocol: Ctrl-A enters, Ctrl-D ends the source, `OK` comes back, then output and traceback, each
ended by Ctrl-D (MicroPython documentation, "The MicroPython Interactive Interpreter Mode").
"""

from bulkhead_host.emulator.board import EmulatedBoard
from bulkhead_host.errors import DeviceException

PROMPT = b">>> "

_ENTER, _END, _LEAVE = b"\r\x01", b"\x04", b"\x02"
_READY = b"raw REPL; CTRL-B to exit\r\n>"
_HANDSHAKE_MS = 1000


def wait_for_prompt(board: EmulatedBoard, *, timeout_ms: float = 3000) -> None:
    """Advance until the board's REPL waits for a line, for example after a start or a reset."""
    board.run_until(PROMPT, timeout_ms=timeout_ms)


def execute(board: EmulatedBoard, source: str, *, timeout_ms: float = 5000) -> str:
    """Run `source` at the board's prompt and return what it printed.

    Raise DeviceException with the traceback when it raised, DeviceTimeout after `timeout_ms` of
    device time. The board is at its prompt before and after.
    """
    board.read()
    board.write(_ENTER)
    board.run_until(_READY, timeout_ms=_HANDSHAKE_MS)
    board.write(source.encode() + _END)
    board.run_until(b"OK", timeout_ms=timeout_ms)
    output = board.run_until(_END, timeout_ms=timeout_ms)[:-1]
    traceback = board.run_until(_END, timeout_ms=_HANDSHAKE_MS)[:-1]
    board.write(_LEAVE)
    board.run_until(PROMPT, timeout_ms=_HANDSHAKE_MS)
    if traceback:
        raise DeviceException(traceback.decode("utf-8", "replace").replace("\r\n", "\n").strip())
    return output.decode("utf-8", "replace").replace("\r\n", "\n")
