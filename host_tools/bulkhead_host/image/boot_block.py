"""The block by which the boot ROM of an RP2350 knows an image: RP2350 datasheet, 5.1.5 and 5.9.

A loop of blocks begins within the first 4 KiB of the flash. Each is a marker, items, the last
item with the number of words of the others, how far on the next block is, and another marker.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from bulkhead_host.errors import BulkheadError

START, END = 0xFFFFDED3, 0xAB123579
SEARCHED_BYTES = 4096
IMAGE_TYPE, LAST = 0x42, 0xFF
ARM_SECURE_EXECUTABLE = 0x1021
"""Of IMAGE_TYPE (5.9.3.1): an executable, 0x1; secure, 0x20; for an Arm, 0x000; RP2350, 0x1000."""


@dataclass(frozen=True, kw_only=True)
class BootBlock:
    """A block: where it is in the image, its items' contents by type, and where the next is."""

    offset: int
    items: Mapping[int, bytes]
    next_offset: int


def find_boot_block(data: bytes) -> BootBlock:
    """Return the first block of an image; raise `BulkheadError` where its boot ROM finds none."""
    for offset in range(0, min(len(data), SEARCHED_BYTES) - 4, 4):
        if _word(data, offset) == START:
            return _block(data, offset)
    raise BulkheadError(f"the image has no boot block in its first {SEARCHED_BYTES} bytes")


def check_boot_block(data: bytes) -> None:
    """Raise `BulkheadError` unless an RP2350 starts an image as Arm code, secure.

    The loop of blocks has to come back to the first.
    """
    first = block = find_boot_block(data)
    image_type = int.from_bytes(first.items.get(IMAGE_TYPE, b"")[2:4], "little")
    if image_type != ARM_SECURE_EXECUTABLE:
        raise BulkheadError(f"the image's type is 0x{image_type:04x}, not Arm, secure, RP2350")
    seen = {first.offset}
    while block.next_offset != first.offset:
        if block.next_offset in seen:
            raise BulkheadError("the boot blocks lead in a circle that leaves the first out")
        block = _block(data, block.next_offset)
        seen.add(block.offset)


def _block(data: bytes, offset: int) -> BootBlock:
    if not 0 <= offset <= len(data) - 4 or _word(data, offset) != START:
        raise BulkheadError(f"there is no boot block at 0x{offset:x}, where one is to be")
    items: dict[int, bytes] = {}
    at = offset + 4
    while at + 12 <= len(data):
        kind, words = data[at], data[at + 1]
        if kind == LAST:
            whole = int.from_bytes(data[at + 1 : at + 3], "little")
            if 4 * whole != at - offset - 4 or _word(data, at + 8) != END:
                break
            (link,) = struct.unpack_from("<i", data, at + 4)
            return BootBlock(offset=offset, items=items, next_offset=offset + link)
        if not words:
            break
        items[kind] = data[at : at + 4 * words]
        at += 4 * words
    raise BulkheadError(f"the boot block at 0x{offset:x} is damaged")


def _word(data: bytes, offset: int) -> int:
    return int.from_bytes(data[offset : offset + 4], "little")
