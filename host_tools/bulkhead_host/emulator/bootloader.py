"""The boot ROM's USB drive: a folder that takes a UF2, as a Pico held in BOOTSEL does.

The ROM takes blocks of its own family that lie in the flash, ignores all others, and restarts
once it has every block of a file (RP2040 datasheet 2.8.4). One difference is deliberate: the ROM
programs each block as it comes and so ruins the old image when a copy breaks off. Here nothing is
programmed before the last block is there.
"""

import shutil
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from bulkhead_host.emulator.chip import FLASH_SECTOR, FLASH_SIZE
from bulkhead_host.errors import UsageError
from bulkhead_host.files import write_text
from bulkhead_host.image.uf2 import BLOCK_BYTES, FLASH_BASE, PAYLOAD_BYTES, RP2040_FAMILY

INFO = "UF2 Bootloader v3.0\nModel: Raspberry Pi RP2\nBoard-ID: RPI-RP2\n"
INDEX = """\
<html><head><meta http-equiv="refresh" content="0;URL='https://raspberrypi.com/device/RP2'"/></head>
<body>Redirecting to <a href="https://raspberrypi.com/device/RP2">raspberrypi.com</a></body></html>
"""
STALLED_AFTER_S = 2.0
"""A copy that has not grown for this long, in host time, is called broken off."""

_HEADER = struct.Struct("<8I")
_MAGIC = (0x0A324655, 0x9E5D5157)
_MAGIC_END = struct.pack("<I", 0x0AB16F30)
_FLAG_NOT_MAIN_FLASH = 0x1
_FLAG_FAMILY = 0x2000


@dataclass
class Blocks:
    """The blocks of a UF2 file, complete or not, that the ROM would take."""

    pages: dict[int, bytes] = field(default_factory=dict)
    announced: int = 0
    numbers: set[int] = field(default_factory=set)
    has_others: bool = False

    @classmethod
    def read(cls, content: bytes) -> "Blocks":
        """Collect the blocks in `content`, passing over what the ROM passes over."""
        blocks = cls()
        for start in range(0, len(content) - BLOCK_BYTES + 1, BLOCK_BYTES):
            blocks._take(content[start : start + BLOCK_BYTES])
        return blocks

    @property
    def is_complete(self) -> bool:
        """True when every announced block is there."""
        return 0 < self.announced == len(self.numbers)

    def program(self, flash: memoryview) -> None:
        """Write the pages, erasing the sectors they lie in."""
        for sector in {offset // FLASH_SECTOR for offset in self.pages}:
            start = sector * FLASH_SECTOR
            flash[start : start + FLASH_SECTOR] = b"\xff" * FLASH_SECTOR
        for offset, page in self.pages.items():
            flash[offset : offset + PAYLOAD_BYTES] = page

    def _take(self, block: bytes) -> None:
        magic0, magic1, flags, address, size, number, count, family = _HEADER.unpack_from(block)
        if (magic0, magic1) != _MAGIC or block[-4:] != _MAGIC_END or flags & _FLAG_NOT_MAIN_FLASH:
            return
        if not flags & _FLAG_FAMILY or family != RP2040_FAMILY:
            self.has_others = True
            return
        offset = address - FLASH_BASE
        is_page = size == PAYLOAD_BYTES and offset % PAYLOAD_BYTES == 0
        if not is_page or not 0 <= offset < FLASH_SIZE or number >= count:
            return
        self.announced = count
        self.numbers.add(number)
        self.pages[offset] = block[32 : 32 + PAYLOAD_BYTES]


def report_on_stderr(message: str) -> None:
    """Print what happened on the drive for a person."""
    print(f"bulkhead: {message}", file=sys.stderr, flush=True)


class BootloaderDrive:
    """The folder, while the board is in its bootloader.

    `folder` None means a new one below the system's folder for temporary files. A given folder
    must not hold anything before: it is removed, with all in it, when the board leaves the
    bootloader.
    """

    def __init__(
        self,
        folder: Path | None,
        *,
        report: Callable[[str], None] = report_on_stderr,
    ) -> None:
        if folder is not None and folder.exists() and not _is_ours(folder):
            raise UsageError(
                f"the drive's folder {folder} already holds other files",
                "name a folder that does not exist",
            )
        self.folder: Path | None = None
        self._wanted = folder
        self._report = report
        self._seen: dict[Path, tuple[int, int]] = {}
        self._changed_at: dict[Path, float] = {}
        self._judged: set[Path] = set()

    def mount(self) -> None:
        """Make the folder appear."""
        if self.folder is not None:
            return
        folder = self._wanted or Path(tempfile.mkdtemp(prefix="bulkhead-")) / "RPI-RP2"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        write_text(folder / "INDEX.HTM", INDEX)
        # Last, because tools take it as the sign that the drive is there.
        write_text(folder / "INFO_UF2.TXT", INFO)
        self.folder = folder
        self._report(f"the board is in its bootloader; copy a UF2 to {folder}")

    def unmount(self) -> None:
        """Make the folder vanish; does nothing when it is not there."""
        if self.folder is None:
            return
        # At once: tools take one file of it as the sign that the drive is there.
        with suppress(FileNotFoundError), _folder_beside(self.folder) as gone:
            self.folder.rename(Path(gone) / self.folder.name)
        if self._wanted is None:
            shutil.rmtree(self.folder.parent, ignore_errors=True)
        self.folder = None
        self._seen.clear()
        self._changed_at.clear()
        self._judged.clear()

    def poll(self) -> Blocks | None:
        """Return the blocks of a file that is complete, None while there is none."""
        if self.folder is None or not self.folder.is_dir():
            return None
        for file in sorted(self.folder.iterdir()):
            if file.name not in ("INDEX.HTM", "INFO_UF2.TXT"):
                blocks = self._look_at(file)
                if blocks is not None:
                    return blocks
        return None

    def _look_at(self, file: Path) -> Blocks | None:
        try:
            status = file.stat()
            now = time.monotonic()
            if self._seen.get(file) != (status.st_size, status.st_mtime_ns):
                self._seen[file] = (status.st_size, status.st_mtime_ns)
                self._changed_at[file] = now
                self._judged.discard(file)
            elif file in self._judged or now - self._changed_at[file] < STALLED_AFTER_S:
                return None
            blocks = Blocks.read(file.read_bytes())
        except OSError:
            return None  # being written, renamed or removed; the next look will tell
        if blocks.is_complete:
            return blocks
        if now - self._changed_at[file] >= STALLED_AFTER_S:
            self._judged.add(file)
            self._report(f"{_why_refused(file, blocks)}; the board keeps its image")
        return None


def _folder_beside(folder: Path) -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(
        prefix=".bulkhead-", dir=folder.parent, ignore_cleanup_errors=True
    )


def _why_refused(file: Path, blocks: Blocks) -> str:
    if blocks.numbers:
        return f"{file.name} is truncated: {len(blocks.numbers)} of {blocks.announced} blocks"
    if blocks.has_others:
        return f"{file.name} is for another chip, not the RP2040"
    return f"{file.name} is not a UF2 file"


def _is_ours(folder: Path) -> bool:
    """Say whether a folder may be replaced: it is empty, or a drive that a crash left behind."""
    if not folder.is_dir() or folder.is_mount():
        return False
    return not any(folder.iterdir()) or (folder / "INFO_UF2.TXT").is_file()
