"""UF2 as the RP2040's boot ROM reads it: which blocks count, and when a file is complete.

Format: https://github.com/microsoft/uf2 (512-byte blocks, each with its own header). The boot ROM
takes blocks of its own family that lie in flash, ignores all others, and restarts once it has
seen every block of a file (pico-bootrom, `usb_boot/virtual_disk.c`).
"""

import struct
from dataclasses import dataclass, field
from pathlib import Path

from bulkhead_host.errors import UsageError

RP2040_FAMILY = 0xE48BFF56

_BLOCK_SIZE = 512
_PAGE_SIZE = 256
_MAGIC = (0x0A324655, 0x9E5D5157)
_MAGIC_END = 0x0AB16F30
_FLAG_NOT_MAIN_FLASH = 0x1
_FLAG_FAMILY = 0x2000
_FLASH_START = 0x10000000
_FLASH_END = 0x10200000


@dataclass
class Uf2Program:
    """The flash pages of one UF2: offset in flash to 256 bytes."""

    pages: dict[int, bytes] = field(default_factory=dict)
    block_count: int = 0
    seen: set[int] = field(default_factory=set)
    other_families: set[int] = field(default_factory=set)

    @property
    def is_complete(self) -> bool:
        """True when every block that the file announces is there."""
        return 0 < self.block_count == len(self.seen)


def parse(data: bytes) -> Uf2Program:
    """Collect the blocks in `data` that the boot ROM of an RP2040 would program.

    A partial last block and anything that is not a block is passed over, as the ROM does.
    """
    program = Uf2Program()
    for start in range(0, len(data) - _BLOCK_SIZE + 1, _BLOCK_SIZE):
        _take_block(program, data[start : start + _BLOCK_SIZE])
    return program


def _take_block(program: Uf2Program, block: bytes) -> None:
    magic0, magic1, flags, address, size, number, count, family = struct.unpack_from("<8I", block)
    (magic_end,) = struct.unpack_from("<I", block, _BLOCK_SIZE - 4)
    if (magic0, magic1) != _MAGIC or magic_end != _MAGIC_END or flags & _FLAG_NOT_MAIN_FLASH:
        return
    if not flags & _FLAG_FAMILY or family != RP2040_FAMILY:
        program.other_families.add(family if flags & _FLAG_FAMILY else 0)
        return
    in_flash = _FLASH_START <= address <= _FLASH_END - _PAGE_SIZE
    if size != _PAGE_SIZE or address % _PAGE_SIZE or not in_flash or number >= count:
        return
    program.block_count = count
    program.seen.add(number)
    program.pages[address - _FLASH_START] = block[32 : 32 + _PAGE_SIZE]


def read_image(path: Path) -> Uf2Program:
    """Read a complete UF2 for the RP2040; raise UsageError that says what is wrong with it."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"cannot read the image {path}: {error.strerror}", "bulkhead build --board pico"
        ) from error
    program = parse(data)
    if program.is_complete:
        return program
    if program.other_families and not program.pages:
        families = ", ".join(f"0x{family:08x}" for family in sorted(program.other_families))
        raise UsageError(
            f"{path} is not for the RP2040: its UF2 family is {families}, not "
            f"0x{RP2040_FAMILY:08x}",
            "bulkhead build --board pico",
        )
    if not program.pages:
        raise UsageError(f"{path} is not a UF2 file", "bulkhead build --board pico")
    raise UsageError(
        f"{path} is truncated: {len(program.seen)} of {program.block_count} blocks",
        "copy or build the file again",
    )
