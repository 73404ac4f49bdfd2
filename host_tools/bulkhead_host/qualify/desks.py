"""The board that is looked at, with its line: one at a port, or one emulated in this process."""

import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from bulkhead_host.emulator.board import NO_FAULTS, EmulatedBoard
from bulkhead_host.emulator.planted import Planted
from bulkhead_host.errors import BulkheadError, DeviceBusy, DeviceNotFound, DeviceTimeout
from bulkhead_host.image.bootloader import check_that_it_opens
from bulkhead_host.image.cache import Progress
from bulkhead_host.image.flash import flash_image
from bulkhead_host.link.emulated import BoardTransport
from bulkhead_host.link.ports import find_address, find_again, open_address
from bulkhead_host.link.raw_repl import RawRepl
from bulkhead_host.link.transport import LinkLost, Transport

CASE_S = 20.0
"""Of an emulated board's own time: more than any program here takes on a board."""
CASE_WALL_S = 90.0
"""Of the wall clock, beside which a served emulated board may be twenty times slower."""

_RETURN_S = 30.0
_RETRY_S = 0.25
_BOOT_S = 0.5
_RESET_S = 10.0
_PROMPT = b">>> "


class Desk(Protocol):
    """A board at a desk. `line` is another one after a reset."""

    limit_s: float

    @property
    def name(self) -> str:
        """What a person calls it."""

    @property
    def port(self) -> str:
        """Where other programs have it; empty where they cannot."""

    @property
    def line(self) -> Transport:
        """The line to the board."""

    def check(self) -> None:
        """Raise what keeps the board from being looked at, before anything is built for it."""

    def clock_s(self) -> float:
        """Return a time that only grows, by which the whole is bounded."""

    def flash(self, image: Path) -> None:
        """Put an image on the board, and have it boot."""

    def returned(self) -> RawRepl:
        """Return the prompt of a board that has just reset itself."""

    def close(self) -> None:
        """Give the board back."""


class EmulatedDesk:
    """An emulated board of this process: its time goes by only as it is waited for."""

    name = "the emulated board"
    port = ""
    limit_s = CASE_S

    def __init__(
        self, *, faults: Planted = NO_FAULTS, wires: Sequence[tuple[int, int]] = ()
    ) -> None:
        self._faults = faults
        self._wires = wires
        self._board: EmulatedBoard | None = None
        self._passed_s = 0.0

    @property
    def board(self) -> EmulatedBoard:
        """The board; raise `DeviceNotFound` before it has an image."""
        if self._board is None:
            raise DeviceNotFound("the emulated board has no image yet")
        return self._board

    @property
    def line(self) -> Transport:
        """The console of the board."""
        return BoardTransport(self.board)

    def check(self) -> None:
        """Do nothing: the board is made as it is flashed."""

    def clock_s(self) -> float:
        """Return the time that its boards have had."""
        return self._passed_s + (self._board.desk_s if self._board is not None else 0.0)

    def flash(self, image: Path) -> None:
        """Take a new board with that image."""
        self.close()
        board = self._board = EmulatedBoard(image=image, seed=0, faults=self._faults)
        for first, second in self._wires:
            board.pin(first).wire_to(board.pin(second))
        board.start()
        board.run_for(ms=1000 * _BOOT_S)

    def returned(self) -> RawRepl:
        """Return the prompt, once the board has booted."""
        self.board.run_for(ms=1000 * _BOOT_S)
        repl = RawRepl(self.line)
        repl.enter()
        return repl

    def close(self) -> None:
        """Switch the board off."""
        if self._board is not None:
            self._passed_s += self._board.desk_s
            self._board.stop()
            self._board = None


class PortDesk:
    """A board at a port, found again by its serial number where it has one."""

    limit_s = CASE_WALL_S

    def __init__(self, port: str, *, drive: Path | None, progress: Progress) -> None:
        self._address = find_address(port)
        self._drive = drive
        self._progress = progress
        self._line: Transport | None = None

    @property
    def port(self) -> str:
        """What the board is called now; a reset may change it."""
        return self._address.url

    @property
    def name(self) -> str:
        """The port."""
        return self.port

    @property
    def line(self) -> Transport:
        """The open port."""
        if self._line is None:
            self._line = self._opened()
        return self._line

    def check(self) -> None:
        """Raise `DeviceNotFound` or `DeviceBusy` for a port that is not there, or not ours."""
        check_that_it_opens(find_again(self._address))

    def clock_s(self) -> float:
        """Return the computer's clock."""
        return time.monotonic()

    def flash(self, image: Path) -> None:
        """Flash the board by its bootloader's drive."""
        self.close()
        port = find_again(self._address).url
        flash_image(image, port=port, drive=self._drive, progress=self._progress)
        self._line = self._opened()

    def returned(self) -> RawRepl:
        """Return the prompt, once the port is there and answers."""
        until_s = time.monotonic() + _RETURN_S
        self._await_departure()
        while True:
            self.close()
            try:
                repl = RawRepl(self.line)
                repl.enter()
                return repl
            except (LinkLost, DeviceNotFound, DeviceBusy, DeviceTimeout):
                if time.monotonic() >= until_s:
                    raise
            time.sleep(_RETRY_S)

    def close(self) -> None:
        """Close the port, so that another program can have it."""
        if self._line is not None:
            self._line.close()
            self._line = None

    def _await_departure(self) -> None:
        """Wait until the port goes away, or the board says at one that stays that it has booted.

        A Ctrl-C before that would end the program that the reset is to end.
        """
        until_s = time.monotonic() + _RESET_S
        said = b""
        with suppress(LinkLost):
            while _PROMPT not in said and time.monotonic() < until_s:
                said += self.line.read(_RETRY_S)

    def _opened(self) -> Transport:
        until_s = time.monotonic() + _RETURN_S
        while True:
            try:
                self._address = find_again(self._address)
                return open_address(self._address)
            except (DeviceNotFound, DeviceBusy) as error:
                if time.monotonic() >= until_s:
                    raise BulkheadError(error.cause, error.next_step) from error
            time.sleep(_RETRY_S)
