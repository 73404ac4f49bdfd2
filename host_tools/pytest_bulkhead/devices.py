"""The boards behind the fixtures: one emulated in this process, or one at a port."""

import subprocess
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

from bulkhead_host.desk.desk import furnish
from bulkhead_host.emulator.board import EmulatedBoard
from bulkhead_host.emulator.snapshot import Snapshot
from bulkhead_host.errors import (
    BulkheadError,
    DeviceBusy,
    DeviceNotFound,
    DeviceTimeout,
    UsageError,
)
from bulkhead_host.link.client import Client
from bulkhead_host.link.emulated import BoardTransport
from bulkhead_host.link.ports import find_address, find_again, open_address
from bulkhead_host.link.tool import command as tool_command
from bulkhead_host.link.transport import Transport
from pytest_bulkhead.locks import port_lock

_BOOT_MS = 1000
"""Device time that an emulated board gets before the first test, or the first after a reset."""
_RETURN_TIMEOUT_S = 20.0
_RETRY_S = 0.2
_RESET_TIMEOUT_S = 30.0


class Device(Protocol):
    """A board for as long as the test run has it."""

    @property
    def transport(self) -> Transport:
        """The line to it; another one after `restart`."""

    @property
    def emulated(self) -> EmulatedBoard | None:
        """The emulated board, None for another."""

    def restart(self, desk: Path | None = None) -> Any:
        """Boot it afresh; with a desk's file, around an emulated board, return what it gives."""

    def reboot(self) -> None:
        """Boot it with what its flash holds; power that has failed is back."""

    def close(self) -> None:
        """Give it back."""


class EmulatedDevice:
    """A board that is made here; a fresh boot is a new one, with nothing on its pins.

    The image boots once: what `restart` brings is a copy of the board as it was then. A board with
    a desk around it boots by itself, for its drivers look for their chips then.
    """

    def __init__(self, image: Path) -> None:
        self._image = image
        self._board = self._made()
        self._booted = _snapshot(self._board)

    @property
    def transport(self) -> Transport:
        """The console of the board."""
        return BoardTransport(self._board)

    @property
    def emulated(self) -> EmulatedBoard | None:
        """The board."""
        return self._board

    def restart(self, desk: Path | None = None) -> Any:
        """Take a new board; with a desk's file return what its `furnish` has."""
        self._board.stop()
        things = None
        if desk is not None:
            board = EmulatedBoard(image=self._image, seed=0)
            things = furnish(desk, board)[1]
            self._board = _started(board)
        else:
            self._board = self._booted.board() if self._booted else self._made()
        return things

    def reboot(self) -> None:
        """Switch the board off and on."""
        self._board.stop()
        self._board.start()

    def close(self) -> None:
        """Switch the board off."""
        self._board.stop()

    def _made(self) -> EmulatedBoard:
        return _started(EmulatedBoard(image=self._image, seed=0))


class PortDevice:
    """A board at a port, for this test run alone; found again by its USB serial number."""

    emulated = None

    def __init__(self, name: str, *, wait_s: float) -> None:
        self._address = find_address(name)
        self._held = ExitStack()
        identity = self._address.serial_number or _canonical(self._address.url)
        self._held.enter_context(port_lock(identity, wait_s=wait_s))
        try:
            self.transport: Transport = open_address(self._address)
        except BaseException:
            self._held.close()
            raise

    def restart(self, desk: Path | None = None) -> Any:
        """Reset the board by way of its REPL, and wait until it answers again.

        Raises `UsageError` for a desk, which is around an emulated board.
        """
        if desk is not None:
            raise UsageError("a desk is around an emulated board", "--bulkhead-target emu")
        self.transport.close()
        url = find_again(self._address).url
        command = [*tool_command("mpremote"), "connect", url, "reset"]
        begun_s = time.monotonic()
        done = subprocess.run(
            command,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            timeout=_RESET_TIMEOUT_S,
        )
        if done.returncode:
            raise BulkheadError(
                f"the board at {url} could not be reset: {done.stderr.strip()}",
                "reset it by hand, and see what bulkhead doctor says",
            )
        self._await_return(begun_s)

    def reboot(self) -> None:
        """Reset the board: its flash stays as it is."""
        self.restart()

    def close(self) -> None:
        """Close the port and let others have it."""
        self.transport.close()
        self._held.close()

    def _await_return(self, begun_s: float) -> None:
        deadline_s = begun_s + _RETURN_TIMEOUT_S
        while True:
            try:
                self.transport = open_address(find_again(self._address))
                uptime_ms = Client(self.transport).hello().uptime_ms
                if uptime_ms <= 1000 * (time.monotonic() - begun_s):
                    return
                self.transport.close()
            except (DeviceNotFound, DeviceBusy, DeviceTimeout):
                self.transport.close()
            if time.monotonic() >= deadline_s:
                raise DeviceTimeout(
                    f"the board was not back {_RETURN_TIMEOUT_S:g} s after its reset",
                    "reset it by hand, and see what bulkhead doctor says",
                )
            time.sleep(_RETRY_S)


def _started(board: EmulatedBoard) -> EmulatedBoard:
    """Switch a board on, and give it its time to boot."""
    board.start()
    board.run_for(ms=_BOOT_MS)
    return board


def _snapshot(board: EmulatedBoard) -> Snapshot | None:
    """Return the board as it is; None where it has not booted, and waits in its bootloader."""
    return None if board.holds else Snapshot(board)


def _canonical(url: str) -> str:
    return url if "://" in url else str(Path(url).resolve())
