"""A fake board on a real pseudo-terminal, and the `bulkhead` program to use it with."""

import os
import select
import subprocess
import sys
import termios
import time
from dataclasses import dataclass
from pathlib import Path

from fake_board import FakeBoard

PROGRAM = str(Path(sys.executable).parent / "bulkhead")
WAIT_S = 300


@dataclass(frozen=True)
class Desk:
    """A fake board and where it is served."""

    board: FakeBoard
    port: str


def bulkhead(
    *arguments: str, port: str | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the program to its end, without a terminal."""
    given = {name: value for name, value in os.environ.items() if name != "BULKHEAD_PORT"}
    return subprocess.run(
        [PROGRAM, *arguments, *(["--port", port] if port else [])],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=WAIT_S,
        env={**given, **environment},
        check=False,
    )


def read_until(descriptor: int, text: bytes) -> bytes:
    """Return what a terminal shows, up to `text`."""
    shown = b""
    deadline_s = time.monotonic() + WAIT_S
    while text not in shown:
        left_s = max(deadline_s - time.monotonic(), 0)
        assert select.select([descriptor], [], [], left_s)[0], shown[-2000:]
        shown += os.read(descriptor, 65536)
    return shown


def wait_until_raw(descriptor: int) -> None:
    """Return when the program at a terminal takes its keys as they come, Ctrl-C too."""
    deadline_s = time.monotonic() + WAIT_S
    while termios.tcgetattr(descriptor)[3] & termios.ISIG:
        assert time.monotonic() < deadline_s, "the terminal stays as it was"
        time.sleep(0.01)


def read_to_end(descriptor: int) -> bytes:
    """Return what a terminal shows until its program has ended."""
    shown = b""
    while select.select([descriptor], [], [], WAIT_S)[0]:
        try:
            data = os.read(descriptor, 65536)
        except OSError:  # how Linux tells that the other side is closed
            break
        if not data:
            break
        shown += data
    return shown
