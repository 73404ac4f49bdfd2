"""Put an image on a board: bootloader, drive, copy, and the board's port again.

    the port's board --machine.bootloader()--> a drive with INFO_UF2.TXT --UF2--> the port again

A USB board is known again by its serial number, since its port may get another name. A port that
is not USB (the emulated board's) keeps its name.
"""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from serial.tools import list_ports

from bulkhead_host.errors import (
    BulkheadError,
    DeviceBusy,
    DeviceNotFound,
    DeviceTimeout,
    UsageError,
)
from bulkhead_host.image.bootloader import (
    HOLD_BOOTSEL,
    check_that_it_opens,
    enter_bootloader,
)
from bulkhead_host.image.cache import Progress, quiet
from bulkhead_host.image.key_slot import uf2_with_key
from bulkhead_host.image.uf2 import (
    BOARD_IDS,
    FLASH_BYTES,
    RP2040_FAMILY,
    RP2350_FAMILY,
    family_of,
    read_uf2,
)
from bulkhead_host.image.volumes import INFO_FILE, board_id, bootloader_volumes, check_volume
from bulkhead_host.link.key import device_key
from bulkhead_host.link.ports import Address, UsbPort, find_address, usb_ports

RASPBERRY_PI_VID = 0x2E8A
MICROPYTHON_PID = 0x0005

_VOLUME_TIMEOUT_S = 30.0
_RETURN_TIMEOUT_S = 30.0
_POLL_S = 0.1
_FLASH_BYTES = {RP2040_FAMILY: FLASH_BYTES, RP2350_FAMILY: 2 * FLASH_BYTES}

_Value = TypeVar("_Value")


@dataclass(frozen=True, kw_only=True)
class Flashed:
    """What was done. `port` is where the board is now, empty when nothing tells."""

    volume: Path
    port: str
    bytes_written: int
    seconds: float


class Desk:
    """What flashing needs of the machine: ports, drives and time. A test brings its own."""

    def boards(self) -> list[UsbPort]:
        """Return the ports of the USB boards that run MicroPython on an RP2040."""
        return rp2040_boards()

    def volumes(self) -> list[Path]:
        """Return the bootloader drives that are mounted."""
        return bootloader_volumes()

    def enter_bootloader(self, address: Address) -> None:
        """Send the board at a port to its bootloader."""
        enter_bootloader(address)

    def is_open_to_us(self, address: Address) -> bool:
        """Tell whether a port can be opened."""
        try:
            check_that_it_opens(address)
        except BulkheadError:
            return False
        return True

    def clock_s(self) -> float:
        """Return a time that only grows."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        time.sleep(seconds)


def rp2040_boards() -> list[UsbPort]:
    """Return the ports of the USB boards that run MicroPython on an RP2040."""
    rp2040 = {
        info.device
        for info in list_ports.comports()
        if (info.vid, info.pid) == (RASPBERRY_PI_VID, MICROPYTHON_PID)
    }
    return [port for port in usb_ports() if port.device in rp2040]


def flash_image(
    image: Path,
    *,
    port: str | None = None,
    drive: Path | None = None,
    desk: Desk | None = None,
    progress: Progress = quiet,
) -> Flashed:
    """Program a board with a UF2 and wait until it is back.

    `port` chooses the board, in mpremote's forms; without one it is the only RP2040 there is.
    `drive` is the bootloader's drive where it is not found by itself; one that is there already
    is used as it is. The board gets this user's device key. The image is checked before the board
    is touched. Raises the exceptions of
    `errors`.
    """
    desk = desk or Desk()
    checked = _checked_content(image)
    content = uf2_with_key(checked, device_key())
    started = desk.clock_s()
    known = desk.boards()
    board = None if port is None else find_address(port, list_usb=lambda: known)
    family = family_of(checked)
    volume = _waiting_volume(desk, port, drive, known, family)
    if volume is None:
        if port is None and not known:
            raise DeviceNotFound("no RP2040 with MicroPython is plugged in", HOLD_BOOTSEL)
        board = board or find_address(list_usb=lambda: known)
        volume = _reach_bootloader(desk, board, drive, progress)
    check_volume(volume, family)
    progress(f"copying {len(content)} bytes to {volume}")
    _copy(content, volume / image.name)
    _wait(
        desk,
        lambda: not board_id(volume),
        _RETURN_TIMEOUT_S,
        f"{volume} is still there: the board did not take the image",
    )
    back = _await_return(desk, board, known, progress) if board or drive is None else ""
    seconds = desk.clock_s() - started
    return Flashed(volume=volume, port=back, bytes_written=len(content), seconds=seconds)


def _checked_content(image: Path) -> bytes:
    try:
        content = image.read_bytes()
    except OSError as error:
        raise UsageError(f"{image} cannot be read: {error.strerror}", "bulkhead build") from error
    family = family_of(content)
    read_uf2(content, flash_bytes=_FLASH_BYTES[family], family=family)
    return content


def _waiting_volume(
    desk: Desk, port: str | None, drive: Path | None, known: Sequence[UsbPort], family: int
) -> Path | None:
    """Return the drive of a board that is in its bootloader already, if that is the one meant.

    The image is for one chip, so that a drive of another is not what is meant where both wait.
    """
    if drive is not None:
        return drive if (drive / INFO_FILE).exists() else None
    volumes = desk.volumes()
    if port is not None or not volumes:
        return None
    volumes = [one for one in volumes if board_id(one) == BOARD_IDS[family]] or volumes[:1]
    if len(volumes) > 1 or known:
        names = ", ".join([*map(str, volumes), *(board.device for board in known)])
        raise DeviceNotFound(f"several boards: {names}", "choose one with --drive or --port")
    return volumes[0]


def _reach_bootloader(desk: Desk, board: Address, drive: Path | None, progress: Progress) -> Path:
    before = set(desk.volumes()) if drive is None else set()

    def appeared() -> Path | None:
        if drive is not None:
            return drive if board_id(drive) else None
        return next((volume for volume in desk.volumes() if volume not in before), None)

    progress(f"sending the board at {board.url} to its bootloader")
    desk.enter_bootloader(board)
    return _wait(
        desk,
        appeared,
        _VOLUME_TIMEOUT_S,
        f"no drive with {INFO_FILE} appeared",
        "mount the drive RPI-RP2 (udisksctl mount -b /dev/disk/by-label/RPI-RP2), or "
        + HOLD_BOOTSEL,
    )


def _copy(content: bytes, target: Path) -> None:
    """Write the UF2. The bootloader restarts the board at the last block, under our feet."""
    try:
        with target.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except PermissionError as error:
        raise DeviceBusy(
            f"this user may not write to {target.parent}", "mount it as you"
        ) from error
    except OSError as error:
        if board_id(target.parent):
            raise BulkheadError(f"writing {target} failed: {error}", HOLD_BOOTSEL) from error


def _await_return(
    desk: Desk, board: Address | None, known: Sequence[UsbPort], progress: Progress
) -> str:
    progress("waiting for the board to come back")

    def returned() -> str:
        if board and not board.serial_number:
            return board.url if desk.is_open_to_us(board) else ""
        for found in desk.boards():
            is_it = found.serial_number == board.serial_number if board else found not in known
            if is_it:
                return found.device
        return ""

    return _wait(
        desk,
        returned,
        _RETURN_TIMEOUT_S,
        "the image was written, but the board's port did not come back",
        "unplug the board and plug it in again",
    )


def _wait(
    desk: Desk,
    condition: Callable[[], _Value | None],
    timeout_s: float,
    complaint: str,
    next_step: str = HOLD_BOOTSEL,
) -> _Value:
    """Return what `condition` returns once that is true; raise `DeviceTimeout` after a time."""
    deadline = desk.clock_s() + timeout_s
    while not (value := condition()):
        if desk.clock_s() >= deadline:
            raise DeviceTimeout(f"{complaint} within {timeout_s:.0f} s", next_step)
        desk.sleep(_POLL_S)
    return value
