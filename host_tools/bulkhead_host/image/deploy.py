"""Put a folder of modules on a board's file system, with the user's own tools."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bulkhead_host.errors import BulkheadError, DeviceTimeout
from bulkhead_host.image.bootloader import check_that_it_opens
from bulkhead_host.image.cache import Progress, quiet
from bulkhead_host.image.key_slot import MODULE, with_key
from bulkhead_host.link.key import device_key
from bulkhead_host.link.ports import find_address

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

    `port` is in mpremote's forms. `via` is `mpremote`, which skips what the board has
    already, or `ampy`. The board gets this user's device key. Raises `DeviceNotFound`,
    `DeviceBusy`, `DeviceTimeout`, or `BulkheadError` with the tool's words.
    """
    address = find_address(port)
    check_that_it_opens(address)  # the tools do not tell a missing port from a busy one
    with tempfile.TemporaryDirectory() as made:
        keyed = _with_key(folder, Path(made) / folder.name)
        entries = _in_order(keyed)
        progress(f"copying {len(entries)} files and folders to {address.url} with {via}")
        for command in _commands(address.url, entries, via):
            _run(command, keyed, via, timeout_s)


def _run(command: Sequence[str], folder: Path, via: str, timeout_s: float) -> None:
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
        raise _failure(via, done.stdout)


def _with_key(folder: Path, made: Path) -> Path:
    """Return a copy of a folder of modules in which the device key is this user's."""
    shutil.copytree(folder, made)
    slot = (made / MODULE).with_suffix(".mpy")
    if slot.exists():
        slot.write_bytes(with_key(slot.read_bytes(), device_key()))
    return made


def _in_order(folder: Path) -> list[str]:
    entries = sorted(entry.name for entry in folder.iterdir())
    return sorted(entries, key=lambda name: _LAST.index(name) if name in _LAST else -1)


def _commands(port: str, entries: Sequence[str], via: str) -> list[list[str]]:
    if via == "ampy":
        ampy = ["ampy.cli", "--port", port]
        return [*([*ampy, "put", entry] for entry in entries), [*ampy, "reset", "--hard"]]
    copy = ["fs", "--no-verbose", "--recursive", "cp", *entries, ":"]
    return [["mpremote", "connect", port, *copy, "+", "reset"]]


def _failure(via: str, output: str) -> BulkheadError:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    words = lines[-1] if lines else "no reason given"
    return BulkheadError(f"{via} failed: {words}", "reset the board, and try again")
