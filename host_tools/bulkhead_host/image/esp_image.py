"""What an image for an ESP32 must be before it is written: for this chip, and whole.

Formats as Espressif documents them: "Firmware Image Format" of esptool (a header of 24 bytes,
segments, a checksum at the end of a block of 16 bytes, a SHA-256) and "Partition Tables" of
ESP-IDF. MicroPython's images have the bootloader first, the table at 0x8000 and the application
where the table says.
"""

import hashlib
import struct
from collections.abc import Iterator

from bulkhead_host.errors import UsageError
from bulkhead_host.system.boards import Board

CHIP_IDS = {"esp32": 0, "esp32s2": 2, "esp32c3": 5, "esp32s3": 9, "esp32c6": 13}
"""The numbers of chips in an image's header, by esptool's names."""

TABLE_OFFSET = 0x8000
TABLE_BYTES = 0xC00

_MAGIC = 0xE9
_HEADER = struct.Struct("<BB8xxxH9xB")  # magic, segments; chip, whether a SHA-256 follows
_SEGMENT = struct.Struct("<II")
_ENTRY = struct.Struct("<2sBBII20x")  # magic, type, subtype, offset, size
_ENTRY_MAGIC = b"\xaa\x50"
_APPLICATION = 0
_CHECKSUM_BLOCK = 16
_CHECKSUM_SEED = 0xEF
_DIGEST_BYTES = 32


def check_image(content: bytes, board: Board, name: str) -> None:
    """Raise `UsageError` when `content` is no whole image for a board of esptool's.

    `name` is what it is called.
    """
    offset = int(board.flash["offset"])
    next_step = f"bulkhead build --board {board.name} --official fetches MicroPython's own"
    if len(content) < _HEADER.size or content[0] != _MAGIC:
        raise UsageError(f"{name} is no image for an ESP32", next_step)
    chip = _chip_name(_HEADER.unpack_from(content)[2])
    if chip != board.flash["esptool_chip"]:
        raise UsageError(
            f"{name} is for an {chip}, and the board {board.name} has an {board.chip}", next_step
        )
    if offset + len(content) > board.flash_bytes:
        raise UsageError(
            f"{name} has {len(content)} bytes, more than the flash of {board.name} has room for",
            next_step,
        )
    problem = _problem(content, offset)
    if problem:
        raise UsageError(f"{name} is not whole: {problem}", f"get it again: {next_step}")


def _problem(content: bytes, offset: int) -> str:
    """Return why an image cannot start, empty if it can."""
    if problem := _damage(content, 0):
        return f"its bootloader {problem}"
    starts = [start - offset for start in _applications(content[TABLE_OFFSET - offset :])]
    if not starts:
        return f"it has no partition table at {TABLE_OFFSET:#x} that names an application"
    problem = _damage(content, starts[0])
    return problem and f"its application {problem}"


def _damage(content: bytes, start: int) -> str:
    """Return what is wrong with the program that starts there."""
    if len(content) < start + _HEADER.size or content[start] != _MAGIC:
        return "is missing"
    _, segments, _, has_digest = _HEADER.unpack_from(content, start)
    end = start + _HEADER.size
    checksum = _CHECKSUM_SEED
    for _ in range(segments):
        if len(content) < end + _SEGMENT.size:
            return "is cut off"
        _, size = _SEGMENT.unpack_from(content, end)
        end += _SEGMENT.size
        for byte in content[end : end + size]:
            checksum ^= byte
        end += size
    end += _CHECKSUM_BLOCK - (end - start) % _CHECKSUM_BLOCK
    if len(content) < end + _DIGEST_BYTES * has_digest:
        return "is cut off"
    if content[end - 1] != checksum:
        return "has a wrong checksum"
    digest = hashlib.sha256(content[start:end]).digest()
    if has_digest and content[end : end + _DIGEST_BYTES] != digest:
        return "has a wrong SHA-256"
    return ""


def _applications(table: bytes) -> Iterator[int]:
    """Yield where in the flash the applications of a partition table begin."""
    for at in range(0, min(len(table), TABLE_BYTES) - _ENTRY.size + 1, _ENTRY.size):
        magic, kind, _, offset, _ = _ENTRY.unpack_from(table, at)
        if magic != _ENTRY_MAGIC:
            return
        if kind == _APPLICATION:
            yield offset


def _chip_name(number: int) -> str:
    return next((name for name, one in CHIP_IDS.items() if one == number), f"chip {number}")
