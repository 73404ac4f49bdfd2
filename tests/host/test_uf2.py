"""The UF2 reader: what it takes, and that nothing else reaches a board."""

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from bulkhead_host.errors import UsageError
from bulkhead_host.image.build import Image, stock_image
from bulkhead_host.image.uf2 import FLASH_BASE, FLASH_BYTES, RP2040_FAMILY, read_uf2

FAMILY_FLAG = 0x2000
RP2350_ARM_FAMILY = 0xE48BFF59
RAM_START, RAM_END = 0x20000000, 0x20042000


def block(number: int = 0, total: int = 1, *, address: int = FLASH_BASE, **fields: int) -> bytes:
    """Make one block with 256 bytes that are all its number."""
    header = {
        "first": 0x0A324655,
        "second": 0x9E5D5157,
        "flags": FAMILY_FLAG,
        "address": address,
        "size": 256,
        "number": number,
        "total": total,
        "family": RP2040_FAMILY,
        **fields,
    }
    return (struct.pack("<8I", *header.values()) + bytes([number]) * 256).ljust(
        508, b"\0"
    ) + struct.pack("<I", 0x0AB16F30)


def pair(*, second_address: int = FLASH_BASE + 256) -> bytes:
    return block(0, 2) + block(1, 2, address=second_address)


@pytest.fixture(scope="module")
def stock() -> Image:
    return stock_image()


@pytest.fixture(scope="module")
def stock_bytes(stock: Image) -> bytes:
    return stock.path.read_bytes()


def test_an_image_reads_back_as_the_bytes_that_were_linked(stock: Image) -> None:
    read = read_uf2(stock.path.read_bytes())
    assert read.address == FLASH_BASE
    assert len(read.data) == stock.flash_used
    assert b"MicroPython v" in read.data
    stack, reset = struct.unpack_from("<II", read.data, 0x100)  # behind the boot stage
    assert RAM_START < stack <= RAM_END
    assert FLASH_BASE < reset < FLASH_BASE + len(read.data)


def test_a_gap_reads_as_erased_flash() -> None:
    read = read_uf2(pair(second_address=FLASH_BASE + 512))
    assert read.data == bytes(256) + b"\xff" * 256 + b"\x01" * 256


def test_the_last_page_of_flash_is_taken_and_the_next_refused() -> None:
    last = FLASH_BASE + FLASH_BYTES - 256
    assert read_uf2(block(address=last)).address == last
    with pytest.raises(UsageError, match="outside the flash memory, at 0x10200000"):
        read_uf2(block(address=last + 256))
    with pytest.raises(UsageError, match="outside the flash memory"):
        read_uf2(block(address=FLASH_BASE - 256))


def test_every_truncation_of_an_image_is_refused(stock_bytes: bytes) -> None:
    for length in (1, 511, 512, 1024, len(stock_bytes) - 512, len(stock_bytes) - 1):
        with pytest.raises(UsageError, match=r"truncated|no UF2|not a UF2"):
            read_uf2(stock_bytes[:length])


def test_an_image_for_another_chip_is_refused_by_its_name(stock_bytes: bytes) -> None:
    other = bytearray(stock_bytes)
    for start in range(0, len(other), 512):
        struct.pack_into("<I", other, start + 28, RP2350_ARM_FAMILY)
    with pytest.raises(UsageError, match=r"for the RP2350 \(Arm\), not the RP2040"):
        read_uf2(bytes(other))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not a UF2 file"),
        (b"\x7fELF" * 256, "not a UF2 file"),
        (b"UF2", "not a UF2 file"),
        (block(family=0x12345678), r"another chip \(family 0x12345678\)"),
        (block(flags=0), "does not say which chip"),
        (block(flags=FAMILY_FLAG | 1), "not meant for flash"),
        (block(flags=FAMILY_FLAG | 0x1000), "not meant for flash"),
        (block(second=0), "block 0 is damaged"),
        (block(0, 2) + block(1, 2, first=0), "block 1 is damaged"),
        (block(0, 2) + b"\0" * 512, "block 1 is damaged"),
        (block()[:-1] + b"\xff", "block 0 is damaged"),
        (block(1, 1), "carries the number 1"),
        (block(0, 2) * 2, "block 1 carries the number 0"),
        (block(0, 1) * 2, "2 blocks, where 1 are announced"),
        (block(0, 3), "1 blocks, where 3 are announced"),
        (block(size=476), "476 bytes"),
        (block(address=FLASH_BASE + 128), "0x10000080"),
        (pair(second_address=FLASH_BASE), "a second time"),
    ],
)
def test_a_wrong_file_is_refused_with_the_reason(content: bytes, words: str) -> None:
    with pytest.raises(UsageError, match=words) as refusal:
        read_uf2(content)
    assert refusal.value.next_step


@pytest.mark.parametrize(
    "damage",
    [lambda b: b[:700], lambda b: b[512:], lambda b: b + b[:512]],
    ids=["cut short", "first block gone", "a block too many"],
)
def test_damage_to_a_file_on_disk_is_found(
    stock_bytes: bytes, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "damaged.uf2"
    path.write_bytes(damage(stock_bytes))
    with pytest.raises(UsageError):
        read_uf2(path.read_bytes())
