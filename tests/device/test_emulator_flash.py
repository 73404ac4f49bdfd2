"""The emulated board's flash: kept between runs, programmed by the bootloader, cut off at will."""

import struct
from pathlib import Path
from types import SimpleNamespace

import pytest

from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.emulator import bootloader as bootloader_module
from bulkhead_host.emulator.chip import FlashCommand, FlashWrite
from bulkhead_host.emulator.repl import execute, wait_for_prompt
from bulkhead_host.emulator.unkind import unkind
from bulkhead_host.errors import DeviceBusy, DeviceTimeout

WRITE_FILE = "with open('note', 'w') as file:\n    file.write('kept')"
READ_FILE = "print(open('note').read())"
FAMILY_OFFSET = 28
RP2350_FAMILY = 0xE48BFF59


def enter_bootloader(board: EmulatedBoard) -> Path:
    """Send the board to its bootloader; return the folder that appears."""
    board.write(b"import machine; machine.bootloader()\r")
    board.run_until(lambda: board.drive is not None, timeout_ms=200)
    assert board.drive is not None
    return board.drive


def changed_image(image: Path, target: Path) -> Path:
    """Write a copy of `image` that says MicroQython, and boots all the same."""
    content = image.read_bytes()
    assert b"MicroPython v1" in content
    target.write_bytes(content.replace(b"MicroPython v1", b"MicroQython v1"))
    return target


def test_the_flash_file_keeps_files_between_boards(stock_image: Path, tmp_path: Path) -> None:
    flash = tmp_path / "flash.bin"
    with EmulatedBoard(image=stock_image, flash=flash) as board:
        wait_for_prompt(board)
        execute(board, WRITE_FILE)
        assert not flash.exists()
    assert flash.stat().st_size == 2 * 1024 * 1024
    with EmulatedBoard(image=stock_image, flash=flash) as board:
        wait_for_prompt(board)
        assert execute(board, READ_FILE) == "kept\n"


def test_a_changed_image_is_programmed_and_the_files_stay(
    stock_image: Path, tmp_path: Path
) -> None:
    flash = tmp_path / "flash.bin"
    with EmulatedBoard(image=stock_image, flash=flash) as board:
        wait_for_prompt(board)
        execute(board, WRITE_FILE)
    with EmulatedBoard(image=changed_image(stock_image, tmp_path / "q.uf2"), flash=flash) as board:
        assert b"MicroQython" in board.run_until(b">>> ", timeout_ms=1000)
        assert execute(board, READ_FILE) == "kept\n"


def test_without_an_image_the_board_starts_what_its_flash_holds(
    stock_image: Path, tmp_path: Path
) -> None:
    flash = tmp_path / "flash.bin"
    with EmulatedBoard(image=stock_image, flash=flash):
        pass
    with EmulatedBoard(flash=flash) as board:
        wait_for_prompt(board)


def test_a_flash_file_in_use_is_refused_and_free_again_afterwards(
    stock_image: Path, tmp_path: Path
) -> None:
    flash = tmp_path / "flash.bin"
    with (
        EmulatedBoard(image=stock_image, flash=flash),
        pytest.raises(DeviceBusy, match="in use by another emulated board"),
    ):
        EmulatedBoard(image=stock_image, flash=flash).start()
    with EmulatedBoard(image=stock_image, flash=flash) as board:
        wait_for_prompt(board)


def test_a_board_with_an_empty_flash_waits_in_its_bootloader(stock_image: Path) -> None:
    messages: list[str] = []
    with EmulatedBoard(report=messages.append) as board:
        assert board.drive is not None
        assert "Board-ID: RPI-RP2" in (board.drive / "INFO_UF2.TXT").read_text()
        assert (board.drive / "INDEX.HTM").is_file()
        (board.drive / "new.uf2").write_bytes(stock_image.read_bytes())
        wait_for_prompt(board)
        assert board.drive is None
    assert [message for message in messages if "copy a UF2" in message]


def test_the_drive_takes_a_uf2_that_comes_in_pieces(stock_image: Path, tmp_path: Path) -> None:
    folder = tmp_path / "drive"
    content = changed_image(stock_image, tmp_path / "q.uf2").read_bytes()
    board = EmulatedBoard(image=stock_image, drive=folder, report=lambda _: None)
    with board:
        wait_for_prompt(board)
        execute(board, WRITE_FILE)
        assert enter_bootloader(board) == folder
        with (folder / "q.uf2").open("wb", buffering=0) as file:
            for start in range(0, len(content), 100_000):
                assert board.drive == folder
                file.write(content[start : start + 100_000])
                board.run_for(ms=10)
        assert b"MicroQython" in board.run_until(b">>> ", timeout_ms=1000)
        assert not folder.exists()
        assert execute(board, READ_FILE) == "kept\n"
        # The boot ROM leaves its bootloader by the watchdog.
        assert execute(board, "import machine; print(machine.reset_cause())") == "3\n"


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("truncated", "new.uf2 is truncated: 100 of"),
        ("other chip", "new.uf2 is for another chip"),
        ("text", "new.uf2 is not a UF2 file"),
    ],
)
def test_the_drive_programs_nothing_from_a_bad_file(
    stock_image: Path, kind: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = 0.0
    monkeypatch.setattr(bootloader_module, "time", SimpleNamespace(monotonic=lambda: now_s))
    content = bytearray(stock_image.read_bytes())
    if kind == "truncated":
        content = content[: 512 * 100 + 200]
    elif kind == "other chip":
        for start in range(0, len(content), 512):
            struct.pack_into("<I", content, start + FAMILY_OFFSET, RP2350_FAMILY)
    else:
        content = bytearray(b"hello")
    messages: list[str] = []
    with EmulatedBoard(image=stock_image, report=messages.append) as board:
        wait_for_prompt(board)
        before = bytes(board.chip.flash)
        folder = enter_bootloader(board)
        (folder / "new.uf2").write_bytes(content)
        board.run_for(ms=1)
        now_s += bootloader_module.STALLED_AFTER_S
        for _ in range(3):
            board.run_for(ms=1)
        assert board.chip.in_bootloader
        assert bytes(board.chip.flash) == before
        assert [message.startswith(reason) for message in messages] == [False, True]
        board.reset()
        wait_for_prompt(board)
        assert not folder.exists()


def test_a_board_that_is_switched_off_in_its_bootloader_takes_its_drive_along(
    stock_image: Path,
) -> None:
    board = EmulatedBoard(image=stock_image, report=lambda _: None)
    board.start()
    wait_for_prompt(board)
    folder = enter_bootloader(board)
    board.stop()
    assert not folder.exists()
    board.start()
    wait_for_prompt(board)


class FlashMeter:
    """Counts flash writes, and lets the power fail at one of them."""

    def __init__(self, *, cut_at: int = 0) -> None:
        self.writes: list[FlashWrite] = []
        self._cut_at = cut_at

    def __call__(self, write: FlashWrite) -> bool:
        self.writes.append(write)
        return len(self.writes) == self._cut_at


def test_flash_writes_can_be_watched(stock_image: Path) -> None:
    meter = FlashMeter()
    with EmulatedBoard(image=stock_image) as board:
        wait_for_prompt(board)
        board.on_flash_write(meter)
        execute(board, "with open('big', 'wb') as file:\n    file.write(bytes(6000))")
    assert {write.command for write in meter.writes} == set(FlashCommand)
    # MicroPython's file system is the last 1,408 KiB of the flash.
    assert all(0xA0000 <= write.address < 0x200000 for write in meter.writes)
    erases = [write for write in meter.writes if write.command is FlashCommand.ERASE]
    assert all(write.size == 4096 and write.address % 4096 == 0 for write in erases)


def test_power_can_fail_at_any_flash_write(stock_image: Path) -> None:
    """littlefs must come back with the old file or the new one, whichever write is lost."""
    board = EmulatedBoard(image=stock_image)
    board.start()
    wait_for_prompt(board)
    execute(board, "with open('note', 'wb') as file:\n    file.write(b'o' * 5000)")
    meter = FlashMeter()
    board.on_flash_write(meter)
    replace = "with open('new', 'wb') as file: file.write(b'n' * 5000)\n\nimport os\n"
    execute(board, replace + "os.rename('new', 'note')")
    execute(board, "with open('note', 'wb') as file:\n    file.write(b'o' * 5000)")
    write_count = len(meter.writes)
    contents = set()
    for cut_at in range(1, write_count, write_count // 6):
        board.on_flash_write(FlashMeter(cut_at=cut_at))
        with pytest.raises(DeviceTimeout, match="no power"):
            execute(
                board, replace + "os.rename('new', 'note')\nwhile True: open('x', 'w').write('x')"
            )
        before = board.cycles
        board.run_for(ms=100)
        assert board.cycles == before
        board.on_flash_write(None)
        board.start()
        wait_for_prompt(board)
        contents.add(execute(board, "data = open('note').read(); print(len(data), set(data))"))
    board.stop()
    assert contents == {"5000 {'o'}\n", "5000 {'n'}\n"}


TIMED = """
import rp2
from time import ticks_diff, ticks_us
flash, data = rp2.Flash(), bytes(4096)
start = ticks_us()
flash.ioctl(6, 300)
erased = ticks_us()
flash.writeblocks(300, data, 0)
print(ticks_diff(erased, start), ticks_diff(ticks_us(), erased))
"""
"""Erases a sector of the file system's, then programs its 16 pages."""


def test_a_flash_takes_the_time_of_a_chips_where_that_is_asked_for(stock_image: Path) -> None:
    with unkind():
        slow = EmulatedBoard(image=stock_image, seed=0)
    assert slow.holds  # a copy would be quick again
    with slow as board:
        wait_for_prompt(board)
        erased_us, programmed_us = (int(word) for word in execute(board, TIMED).split())
    assert 45_000 <= erased_us < 46_000
    assert 16 * 400 <= programmed_us < 16 * 400 + 2_500
    with EmulatedBoard(image=stock_image, seed=0) as board:
        wait_for_prompt(board)
        assert max(int(word) for word in execute(board, TIMED).split()) < 3_000
