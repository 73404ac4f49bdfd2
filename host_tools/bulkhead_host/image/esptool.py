"""Put an image on an ESP32, by Espressif's esptool as a program of its own.

It is called, not imported: it is under the GPL, and what it says is as stable as its interface.
"""

import importlib.util
import os
import re
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bulkhead_host.errors import (
    BulkheadError,
    DeviceBusy,
    DeviceNotFound,
    DeviceTimeout,
    UsageError,
)
from bulkhead_host.image.bootloader import check_that_it_opens
from bulkhead_host.image.cache import Progress, quiet
from bulkhead_host.image.esp_image import check_image
from bulkhead_host.link.ports import AUTO, find_address
from bulkhead_host.system.boards import Board, board_named, board_names

BAUD_RATE = 460_800
"""After the stub flasher runs; the ROM is spoken to at 115,200."""

HOLD_BOOT = "hold BOOT, press and release EN (RST), release BOOT, and flash again"

_SHARE = re.compile(r"^Writing at 0x[0-9a-f]+ .*?(\d+\.\d)%")
_FATAL = re.compile(r"(?:fatal error occurred|serial exception error occurred): (.*)")
_WRONG_CHIP = re.compile(r"This chip is ([A-Z0-9-]+), not ")
_LAST_LINES = 12

Share = Callable[[float], None]
"""Gets how much is written, from 0 to 1."""


@dataclass(frozen=True, kw_only=True)
class EspFlashed:
    """What was done."""

    port: str
    bytes_written: int
    seconds: float


def flash_esp(
    image: Path,
    board: Board,
    *,
    port: str | None = None,
    progress: Progress = quiet,
    on_share: Share = lambda _share: None,
) -> EspFlashed:
    """Write an image to an ESP32 from its board's offset on, have it verified, and reset it.

    The image is checked before the port is opened. Raises `UsageError` for an image or a board
    that is not the chip's, `DeviceTimeout` when no loader answers, `DeviceNotFound` when there is
    no port or it goes away, and `DeviceBusy` when another program has it.
    """
    try:
        content = image.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{image} cannot be read: {error.strerror}",
            f"bulkhead build --board {board.name} --official",
        ) from error
    check_image(content, board, str(image))
    if importlib.util.find_spec("esptool") is None:
        raise BulkheadError("esptool is not installed", 'pip install "bulkhead[esp32]"')
    address = find_address(port or AUTO)
    check_that_it_opens(address)
    started_s = time.monotonic()
    progress(f"asking for an {board.chip} at {address.url}")
    said = _run(_command(board, address.url, image), progress, on_share)
    if said is not None:
        raise _why(said, board, address.url)
    seconds = time.monotonic() - started_s
    return EspFlashed(port=address.url, bytes_written=len(content), seconds=seconds)


def _command(board: Board, url: str, image: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "esptool", "--chip", str(board.flash["esptool_chip"])),
        *("--port", url, "--baud", str(BAUD_RATE), "--after", "hard-reset"),
        *("write-flash", hex(int(board.flash["offset"])), str(image)),
    ]


def _run(command: list[str], progress: Progress, on_share: Share) -> list[str] | None:
    """Run esptool; return None when it succeeds, else its last lines."""
    last: deque[str] = deque(maxlen=_LAST_LINES)
    is_writing = False
    with _started(command) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                last.append(line.rstrip())
                share = _SHARE.match(line)
                if share is not None:
                    is_writing = True
                    on_share(float(share[1]) / 100)
                elif line.startswith(("Uploading", "Verifying")):
                    progress(line.rstrip(" .\n").lower())
            return None if process.wait() == 0 else [*last]
        except KeyboardInterrupt:
            if is_writing:
                progress("the flash is half written: the board starts when it is flashed again")
            raise


@contextmanager
def _started(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        env={**os.environ, "NO_COLOR": "1", "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"},
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def _why(said: list[str], board: Board, url: str) -> BulkheadError:
    """Return the error that esptool's last lines tell of."""
    found = [match[1] for line in said if (match := _FATAL.search(line))]
    cause = (
        found[0] if found else next((line for line in reversed(said) if line), "it said nothing")
    )
    wrong = _WRONG_CHIP.search(cause)
    if wrong is not None:
        return UsageError(
            f"the board at {url} has an {wrong[1]}, not an {board.chip}", _by(wrong[1])
        )
    if "Failed to connect" in cause:
        return DeviceTimeout(f"no ESP32 answers at {url}: {cause.partition(': ')[2]}", HOLD_BOOT)
    if "busy" in cause or "Permission" in cause:
        return DeviceBusy(f"esptool could not use {url}: {cause}", "bulkhead doctor")
    if "could not open port" in cause or "disconnected" in cause or "Input/output" in cause:
        return DeviceNotFound(
            f"{url} went away, and the flash is half written", f"plug it in again; {HOLD_BOOT}"
        )
    if "MD5" in cause:
        return BulkheadError(
            "what is in the flash is not what was sent: the flash or the cable is bad",
            "try once more, with another cable",
        )
    return BulkheadError(f"esptool: {cause}", HOLD_BOOT)


def _by(chip: str) -> str:
    """Return how to flash a board with the chip that esptool calls so."""
    wanted = chip.lower().replace("-", "")
    names = [
        name for name in board_names() if board_named(name).flash.get("esptool_chip") == wanted
    ]
    return f"--board {names[0]}, and its image" if names else "see board_configs/README.md"
