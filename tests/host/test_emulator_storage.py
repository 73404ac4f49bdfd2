"""The emulated board's flash file, its bootloader's drive, and the boot ROM's choice."""

import shutil
import struct
from pathlib import Path
from types import SimpleNamespace

import pytest

from bulkhead_host.emulator import bootloader as bootloader_module
from bulkhead_host.emulator.bootloader import INFO, Blocks, BootloaderDrive
from bulkhead_host.emulator.chip import FLASH_SIZE, can_boot
from bulkhead_host.emulator.flash import FlashFile
from bulkhead_host.errors import DeviceBusy, UsageError

RP2040 = 0xE48BFF56
RP2350 = 0xE48BFF59


def uf2(pages: int, *, family: int = RP2040, address: int = 0x10000000) -> bytes:
    """Make a UF2 of `pages` blocks, each filled with its number."""
    blocks = bytearray()
    for number in range(pages):
        header = struct.pack(
            "<8I",
            *(0x0A324655, 0x9E5D5157, 0x2000, address + 256 * number, 256, number, pages, family),
        )
        blocks += header + bytes([number & 0xFF]) * 256 + bytes(220)
        blocks += struct.pack("<I", 0x0AB16F30)
    return bytes(blocks)


def test_the_boot_rom_checks_the_second_stage() -> None:
    flash = bytearray(b"\xff" * FLASH_SIZE)
    assert not can_boot(memoryview(flash))
    flash[:256] = bytes(256)
    assert not can_boot(memoryview(flash))
    flash[:252] = b"123456789".ljust(252, b"\0")
    flash[252:256] = crc_by_the_book(bytes(flash[:252])).to_bytes(4, "little")
    assert can_boot(memoryview(flash))
    flash[100] ^= 1
    assert not can_boot(memoryview(flash))


def crc_by_the_book(data: bytes) -> int:
    """CRC-32/MPEG-2 by polynomial division, bit by bit over the whole message."""
    message = int.from_bytes(data, "big") << 32
    message ^= 0xFFFFFFFF << (8 * len(data))
    for shift in range(8 * len(data) - 1, -1, -1):
        if message >> (shift + 32) & 1:
            message ^= 0x104C11DB7 << shift
    return message


def test_the_crc_of_the_book_is_the_one_meant() -> None:
    assert crc_by_the_book(b"123456789") == 0x0376E6E7


def test_blocks_of_other_chips_and_outside_the_flash_are_passed_over() -> None:
    assert Blocks.read(uf2(5)).is_complete
    assert not Blocks.read(uf2(5)[:-512]).is_complete
    assert not Blocks.read(b"").is_complete
    assert Blocks.read(uf2(5, family=RP2350)).has_others
    assert not Blocks.read(uf2(5, family=RP2350)).pages
    assert not Blocks.read(uf2(2, address=0x20000000)).pages
    damaged = bytearray(uf2(5))
    damaged[0] ^= 1
    assert not Blocks.read(bytes(damaged)).is_complete
    mixed = Blocks.read(uf2(3, family=RP2350) + uf2(5))
    assert mixed.is_complete


def test_programming_erases_the_sectors_it_touches_and_no_others() -> None:
    flash = bytearray(range(256)) * 64  # four sectors
    Blocks.read(uf2(3, address=0x10001000)).program(memoryview(flash))
    assert flash[0x1000:0x1300] == bytes(256) + b"\1" * 256 + b"\2" * 256
    assert flash[0x1300:0x2000] == b"\xff" * 0xD00
    assert flash[:0x1000] == flash[0x2000:0x3000] == bytes(range(256)) * 16


def test_the_drive_comes_and_goes(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "drive"
    drive = BootloaderDrive(folder, report=lambda _: None)
    assert drive.poll() is None
    drive.mount()
    assert (folder / "INFO_UF2.TXT").read_text() == INFO
    (folder / "image.uf2").write_bytes(uf2(3))
    blocks = drive.poll()
    assert blocks is not None
    assert len(blocks.pages) == 3
    drive.unmount()
    assert list(folder.parent.iterdir()) == []
    drive.mount()
    assert drive.poll() is None
    shutil.rmtree(folder.parent)  # by somebody else
    drive.unmount()


def test_a_copy_that_breaks_off_is_reported_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = 0.0
    monkeypatch.setattr(bootloader_module, "time", SimpleNamespace(monotonic=lambda: now_s))
    messages: list[str] = []
    drive = BootloaderDrive(tmp_path / "drive", report=messages.append)
    drive.mount()
    (tmp_path / "drive" / "half.uf2").write_bytes(uf2(8)[:1500])
    for _ in range(4):
        assert drive.poll() is None
        now_s += 0.75 * bootloader_module.STALLED_AFTER_S
    assert messages[1:] == ["half.uf2 is truncated: 2 of 8 blocks; the board keeps its image"]
    with (tmp_path / "drive" / "half.uf2").open("ab") as file:
        file.write(uf2(8)[1500:])
    assert drive.poll() is not None


def test_a_folder_with_someone_elses_files_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "precious").touch()
    with pytest.raises(UsageError, match="already holds other files"):
        BootloaderDrive(tmp_path)
    left_behind = tmp_path / "drive"
    left_behind.mkdir()
    (left_behind / "INFO_UF2.TXT").write_text(INFO)
    BootloaderDrive(left_behind, report=lambda _: None).mount()


def test_a_flash_file_is_replaced_at_once_and_remembers_its_image(tmp_path: Path) -> None:
    path = tmp_path / "flash.bin"
    file = FlashFile(path)
    assert file.load() is None
    assert file.programmed_digest == ""
    file.save(bytes(FLASH_SIZE), programmed_digest="a" * 64)
    with path.open("rb") as reader:
        file.save(b"\x55" * FLASH_SIZE, programmed_digest="b" * 64)
        assert reader.read() == bytes(FLASH_SIZE)
    file.close()
    file.close()
    again = FlashFile(path)
    assert again.load() == b"\x55" * FLASH_SIZE
    assert again.programmed_digest == "b" * 64
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["flash.bin", "flash.bin.lock"]
    again.close()


def test_a_save_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "flash.bin"
    file = FlashFile(path)
    file.save(bytes(FLASH_SIZE), programmed_digest="a" * 64)
    with pytest.raises(TypeError):
        file.save(None, programmed_digest="b" * 64)  # type: ignore[arg-type]
    assert file.load() == bytes(FLASH_SIZE)
    assert file.programmed_digest == "a" * 64
    assert len(list(tmp_path.iterdir())) == 2
    file.close()


def test_a_flash_file_belongs_to_one_board(tmp_path: Path) -> None:
    first = FlashFile(tmp_path / "flash.bin")
    with pytest.raises(DeviceBusy, match="in use"):
        FlashFile(tmp_path / "flash.bin")
    first.close()
    FlashFile(tmp_path / "flash.bin").close()


def test_what_is_no_flash_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "small.bin").write_bytes(b"small")
    with pytest.raises(UsageError, match="has 5 bytes, not 2097152"):
        FlashFile(tmp_path / "small.bin").load()
    with pytest.raises(UsageError, match="cannot write beside"):
        FlashFile(tmp_path / "no" / "folder.bin")
