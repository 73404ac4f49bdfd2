"""Find the drive that a Pico shows in its bootloader, by the `INFO_UF2.TXT` on it."""

import string
import sys
from collections.abc import Iterable
from pathlib import Path

from bulkhead_host.errors import BulkheadError, UsageError
from bulkhead_host.image.uf2 import BOARD_IDS, RP2040_FAMILY

INFO_FILE = "INFO_UF2.TXT"

# Where desktops mount a removable drive: below a folder of the user's, or of their own.
_MOUNT_PATTERNS = {
    "linux": ("/media/*/*", "/media/*", "/run/media/*/*", "/mnt/*"),
    "darwin": ("/Volumes/*",),
}


def mount_points() -> list[Path]:
    """Return the folders where this system may have mounted a removable drive."""
    if sys.platform == "win32":
        return [Path(f"{letter}:/") for letter in string.ascii_uppercase]
    patterns = _MOUNT_PATTERNS.get(sys.platform, _MOUNT_PATTERNS["linux"])
    return [path for pattern in patterns for path in sorted(Path("/").glob(pattern[1:]))]


def bootloader_volumes(candidates: Iterable[Path] | None = None) -> list[Path]:
    """Return those of the folders that are a bootloader's drive, of an RP2040 or RP2350.

    `candidates` are the system's mount points unless others are given.
    """
    found = mount_points() if candidates is None else candidates
    return [path for path in found if board_id(path) in BOARD_IDS.values()]


def board_id(volume: Path) -> str:
    """Return the board name on a bootloader drive, or nothing when it is none (any more)."""
    try:
        lines = (volume / INFO_FILE).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() == "Board-ID":
            return value.strip()
    return ""


def check_volume(volume: Path, family: int = RP2040_FAMILY) -> None:
    """Raise unless the folder is the bootloader's drive of a chip of that family."""
    found = board_id(volume)
    if not found:
        raise BulkheadError(
            f"{volume} is no bootloader drive: it has no {INFO_FILE} that names a board",
            "hold BOOTSEL while plugging the board in",
        )
    if found != BOARD_IDS[family]:
        raise UsageError(f"{volume} is the drive of another chip: {found}", "give another --drive")
