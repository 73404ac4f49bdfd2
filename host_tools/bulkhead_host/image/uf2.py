"""Read UF2 files strictly, so that a wrong or broken one is refused before a board is touched.

The format is Microsoft's "USB Flashing Format": 512-byte blocks, each with its own address,
https://github.com/microsoft/uf2. What the RP2040's bootloader takes is in its datasheet, 2.8.4.2:
256 bytes a block, the family 0xE48BFF56, addresses from 0x10000000.
"""

import struct
from dataclasses import dataclass

from bulkhead_host.errors import UsageError

BLOCK_BYTES = 512
PAYLOAD_BYTES = 256
FLASH_BASE = 0x1000_0000
FLASH_BYTES = 2 * 1024 * 1024
RP2040_FAMILY = 0xE48B_FF56
RP2350_FAMILY = 0xE48B_FF59
"""Arm, secure: RP2350 datasheet, 5.5.3."""
BOARD_IDS = {RP2040_FAMILY: "RPI-RP2", RP2350_FAMILY: "RP2350"}
"""What the bootloader's drive of each says in its INFO_UF2.TXT."""

# Other families of the format's own list that a MicroPython user may have at hand.
_FAMILIES = {
    RP2040_FAMILY: "the RP2040",
    0xE48B_FF57: "the RP2350 (absolute)",
    0xE48B_FF58: "the RP2350 (data)",
    RP2350_FAMILY: "the RP2350 (Arm)",
    0xE48B_FF5A: "the RP2350 (RISC-V)",
    0xE48B_FF5B: "the RP2350 (Arm, non-secure)",
    0x68ED_2B88: "the SAMD21",
    0x5511_4460: "the SAMD51",
    0xADA5_2840: "the nRF52840",
    0x5775_5A57: "the STM32F4",
    0xBFDD_4EEE: "the ESP32-S2",
    0xC47E_5767: "the ESP32-S3",
    0x4FB2_D5BD: "the i.MX RT10xx",
}
_HEADER = struct.Struct("<8I")
_MAGIC_FIRST = 0x0A32_4655
_MAGIC_SECOND = 0x9E5D_5157
_MAGIC_LAST = struct.pack("<I", 0x0AB1_6F30)
_FLAG_NOT_MAIN_FLASH = 0x0000_0001
_FLAG_FILE_CONTAINER = 0x0000_1000
_FLAG_FAMILY = 0x0000_2000


@dataclass(frozen=True, kw_only=True)
class Uf2:
    """A checked UF2 file: where its bytes go. Gaps between blocks are filled with 0xFF."""

    family: int
    address: int
    data: bytes


def read_uf2(
    content: bytes, *, flash_bytes: int = FLASH_BYTES, family: int = RP2040_FAMILY
) -> Uf2:
    """Return what a UF2 file for a chip of a family programs, the RP2040 unless it is told.

    Raises `UsageError` for a file that is truncated, damaged, for another chip, or reaches
    beyond the flash memory (`flash_bytes` from its start).
    """
    if not content or struct.unpack_from("<I", content.ljust(4))[0] != _MAGIC_FIRST:
        raise _refusal("it is not a UF2 file", "give a file that ends in .uf2")
    if len(content) % BLOCK_BYTES:
        raise _refusal(f"it is truncated: {len(content)} bytes are no whole number of blocks")
    count = len(content) // BLOCK_BYTES
    flash = bytearray(b"\xff" * flash_bytes)
    written: set[int] = set()
    for index in range(count):
        block = content[index * BLOCK_BYTES : (index + 1) * BLOCK_BYTES]
        offset = _check_block(block, index, count, flash_bytes, family)
        if offset in written:
            raise _refusal(f"block {index} writes to 0x{FLASH_BASE + offset:08x} a second time")
        written.add(offset)
        flash[offset : offset + PAYLOAD_BYTES] = block[32 : 32 + PAYLOAD_BYTES]
    start, end = min(written), max(written) + PAYLOAD_BYTES
    return Uf2(family=family, address=FLASH_BASE + start, data=bytes(flash[start:end]))


def family_of(content: bytes) -> int:
    """Return which of the families that are flashed a file says to be for, else the RP2040's."""
    if len(content) < BLOCK_BYTES:
        return RP2040_FAMILY
    family: int = _HEADER.unpack_from(content)[-1]
    return family if family in BOARD_IDS else RP2040_FAMILY


def _check_block(block: bytes, index: int, count: int, flash_bytes: int, wanted: int) -> int:
    """Return the block's offset in flash, or raise `UsageError`."""
    first, second, flags, address, size, number, total, family = _HEADER.unpack_from(block)
    if (first, second) != (_MAGIC_FIRST, _MAGIC_SECOND) or block[-4:] != _MAGIC_LAST:
        raise _refusal(f"block {index} is damaged: its magic numbers are wrong")
    if not flags & _FLAG_FAMILY:
        raise _refusal("it does not say which chip it is for")
    if family != wanted:
        chip = _FAMILIES.get(family, f"another chip (family 0x{family:08x})")
        meant = _FAMILIES.get(wanted, "the chip")
        raise _refusal(f"it is for {chip}, not {meant}", f"give an image for {meant}")
    if flags & (_FLAG_NOT_MAIN_FLASH | _FLAG_FILE_CONTAINER):
        raise _refusal(f"block {index} is not meant for flash memory (flags 0x{flags:08x})")
    if total != count:
        raise _refusal(f"it is truncated or joined: {count} blocks, where {total} are announced")
    if number != index:
        raise _refusal(f"block {index} carries the number {number}")
    if size != PAYLOAD_BYTES or address % PAYLOAD_BYTES:
        raise _refusal(f"block {index} has {size} bytes at 0x{address:08x}; the chip takes 256")
    offset = address - FLASH_BASE
    if not 0 <= offset <= flash_bytes - PAYLOAD_BYTES:
        raise _refusal(f"block {index} lies outside the flash memory, at 0x{address:08x}")
    return int(offset)


def _refusal(reason: str, next_step: str = "build or download the image again") -> UsageError:
    return UsageError(f"the image is refused: {reason}", next_step)
