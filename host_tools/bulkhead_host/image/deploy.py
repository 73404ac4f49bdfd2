"""Put a folder of modules on a board's file system, with the user's own tools."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bulkhead_host.errors import BulkheadError, DeviceBusy, DeviceNotFound, DeviceTimeout
from bulkhead_host.image.cache import Progress, quiet

TOOLS = ("mpremote", "ampy")
TIMEOUT_S = 300

# main.py starts the kernel: it arrives when all it needs is there.
_LAST = ("boot.py", "main.py")


def deploy(
    port: str,
    folder: Path,
    via: str = "mpremote",
    *,
    timeout_s: float = TIMEOUT_S,
    progress: Progress = quiet,
) -> None:
    """Copy all in `folder` to the root of the board's file system, then reset the board.

    `via` is `mpremote`, which skips what the board has already, or `ampy`. Raises
    `DeviceNotFound`, `DeviceBusy`, `DeviceTimeout`, or `BulkheadError` with the tool's words.
    """
    entries = _in_order(folder)
    progress(f"copying {len(entries)} files and folders to {port} with {via}")
    for command in _commands(port, entries, via):
        try:
            done = subprocess.run(
                [sys.executable, "-m", *command],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise DeviceTimeout(
                f"{via} did not end within {timeout_s:.0f} s", "unplug the board, and try again"
            ) from error
        if done.returncode:
            raise _failure(port, via, done.stdout)


def _in_order(folder: Path) -> list[str]:
    entries = sorted(entry.name for entry in folder.iterdir())
    return sorted(entries, key=lambda name: _LAST.index(name) if name in _LAST else -1)


def _commands(port: str, entries: Sequence[str], via: str) -> list[list[str]]:
    if via == "ampy":
        ampy = ["ampy.cli", "--port", port]
        return [*([*ampy, "put", entry] for entry in entries), [*ampy, "reset", "--hard"]]
    copy = ["fs", "--no-verbose", "--recursive", "cp", *entries, ":"]
    return [["mpremote", "connect", port, *copy, "+", "reset"]]


def _failure(port: str, via: str, output: str) -> BulkheadError:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    words = lines[-1] if lines else "no reason given"
    if "Permission denied" in output or "in use by another program" in output:
        return DeviceBusy(f"{port} is in use or not permitted: {words}", "close what uses it")
    if "failed to access" in output or "No such file or directory" in output:
        return DeviceNotFound(f"there is no board at {port}: {words}", "bulkhead doctor")
    return BulkheadError(f"{via} failed: {words}", "reset the board, and try again")
