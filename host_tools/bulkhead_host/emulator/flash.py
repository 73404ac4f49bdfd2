"""The flash memory's file: loaded at power-on, locked while in use, never left half written.

Beside `FILE` lies `FILE.lock`, which is locked while a board uses the flash, and holds the digest
of the image that was last programmed into it. So an image is programmed when the flash is new or
the image has changed, and a flash that was given another image through the bootloader drive
keeps that one.
"""

import hashlib
import os
from dataclasses import replace
from pathlib import Path

from bulkhead_host.emulator.chip import FLASH_SECTOR, FLASH_SIZE, FLASH_START
from bulkhead_host.errors import DeviceBusy, UsageError
from bulkhead_host.files import write_whole
from bulkhead_host.image.key_slot import with_key
from bulkhead_host.image.uf2 import Uf2, read_uf2

try:
    import fcntl
except ImportError:  # not a POSIX system: flash files cannot be locked there
    fcntl = None  # type: ignore[assignment]


def load_image(path: Path, *, key: bytes) -> Uf2:
    """Read an image for the RP2040 and put the device key in.

    Raises UsageError that says what is wrong with it.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"cannot read the image {path}: {error.strerror}",
            "build one with: bulkhead build --board pico",
        ) from error
    image = read_uf2(content, flash_bytes=FLASH_SIZE)
    return replace(image, data=with_key(image.data, key))


def program(flash: memoryview, image: Uf2) -> None:
    """Erase the sectors that `image` covers and write it; the rest of the flash stays."""
    start = image.address - FLASH_START
    end = start + len(image.data)
    first = start - start % FLASH_SECTOR
    last = -(-end // FLASH_SECTOR) * FLASH_SECTOR
    flash[first:last] = b"\xff" * (last - first)
    flash[start:end] = image.data


def digest(image: Uf2) -> str:
    """Return a name for the contents of an image."""
    return hashlib.sha256(image.address.to_bytes(4, "little") + image.data).hexdigest()


class FlashFile:
    """A flash memory in a file of 2 MiB, owned by one board at a time.

    Raises DeviceBusy when another board has it, UsageError when it cannot be a flash.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock_path = path.with_name(path.name + ".lock")
        self._lock = self._take_lock()

    def load(self) -> bytes | None:
        """Return the contents, or None when there is no file yet."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise UsageError(
                f"cannot read the flash file {self.path}: {error.strerror}"
            ) from error
        if len(content) != FLASH_SIZE:
            raise UsageError(
                f"{self.path} is no flash file: it has {len(content)} bytes, not {FLASH_SIZE}",
                "name a file that does not exist yet",
            )
        return content

    @property
    def programmed_digest(self) -> str:
        """The digest of the image last programmed, empty when unknown."""
        return os.pread(self._lock, 64, 0).decode("ascii", "replace")

    def save(self, content: bytes | memoryview, *, programmed_digest: str) -> None:
        """Replace the file at once: a reader, or a crash, sees the old contents or the new."""
        write_whole(self.path, content, is_synced=True)
        os.pwrite(self._lock, programmed_digest.encode(), 0)

    def close(self) -> None:
        """Let go of the file; does nothing the second time."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _take_lock(self) -> int:
        if fcntl is None:
            raise UsageError("this system cannot lock a flash file", "leave out --flash")
        try:
            descriptor = os.open(self._lock_path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise UsageError(
                f"cannot write beside the flash file {self.path}: {error.strerror}",
                "name a file in a folder that is there and may be written to",
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise DeviceBusy(
                f"the flash file {self.path} is in use by another emulated board",
                "stop that one, or name another file with --flash",
            ) from error
        return descriptor
