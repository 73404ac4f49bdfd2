"""`bulkhead flash` of an ESP32: esptool itself, against a ROM loader on a pseudo-terminal."""

import fcntl
import hashlib
import os
import random
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from desk import bulkhead
from fake_esp_loader import FakeEspChip, served

from bulkhead_host.errors import UsageError
from bulkhead_host.image.esp_image import CHIP_IDS, check_image
from bulkhead_host.system.boards import board_named, board_names

APPLICATION_AT = 0x10000


def program(chip_id: int, sizes: tuple[int, ...], *, seed: int = 1) -> bytes:
    """Return a program in Espressif's format: header, segments, checksum, SHA-256."""
    drawn = random.Random(seed)
    data = struct.pack("<BB2xI8xxxxxxxx", 0xE9, len(sizes), 0x40080000)[:8]
    data += struct.pack("<BBBBHBHHBBBBB", 0xEE, 0, 0, 0, chip_id, 0, 0, 0xFFFF, 0, 0, 0, 0, 1)
    checksum = 0xEF
    for size in sizes:
        body = drawn.randbytes(size)
        data += struct.pack("<II", 0x3FFB0000, size) + body
        for byte in body:
            checksum ^= byte
    data += bytes(15 - len(data) % 16) + bytes([checksum])
    return data + hashlib.sha256(data).digest()


def firmware(chip: str, offset: int) -> bytes:
    """Return an image as MicroPython's: bootloader, partition table, application."""
    whole = program(CHIP_IDS[chip], (4000, 8000)).ljust(0x8000 - offset, b"\xff")
    rows = [(1, 2, 0x9000, 0x6000, b"nvs"), (0, 0, APPLICATION_AT, 0x1F0000, b"factory")]
    for kind, subtype, at, size, label in rows:
        whole += struct.pack("<2sBBII16sI", b"\xaa\x50", kind, subtype, at, size, label, 0)
    whole = whole.ljust(APPLICATION_AT - offset, b"\xff")
    return whole + program(CHIP_IDS[chip], (40_000, 1_000, 30_000), seed=2)


IMAGE = firmware("esp32", 0x1000)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "firmware.bin"
    path.write_bytes(IMAGE)
    return path


def flash(image: Path, port: str, board: str = "esp32") -> tuple[int, str, str]:
    done = bulkhead("flash", str(image), "--board", board, port=port)
    return done.returncode, done.stdout, done.stderr


def test_an_image_is_in_the_flash_at_the_boards_offset_and_verified(image: Path) -> None:
    chip = FakeEspChip()
    with served(chip) as port:
        code, printed, said = flash(image, port)
    assert (code, chip.mistakes) == (0, []), said
    assert bytes(chip.flash[0x1000 : 0x1000 + len(IMAGE)]) == IMAGE
    assert chip.flash[:0x1000] == bytearray(b"\xff" * 0x1000)
    assert f"port     {port}" in printed
    assert f"written  {len(IMAGE)} bytes in " in printed
    assert "and verified" in printed
    assert "flash: verifying written data" in said


def test_a_chip_that_tells_its_number_is_flashed_from_0(tmp_path: Path) -> None:
    path = tmp_path / "c3.bin"
    path.write_bytes(firmware("esp32c3", 0))
    chip = FakeEspChip(magic=0, security_chip_id=CHIP_IDS["esp32c3"])
    with served(chip) as port:
        code, _, said = flash(path, port, "esp32_c3")
    assert (code, chip.mistakes) == (0, []), said
    assert bytes(chip.flash).startswith(path.read_bytes())


OTHER_CHIP = FakeEspChip(magic=0, security_chip_id=CHIP_IDS["esp32s3"])
GOES_WRONG = (
    (OTHER_CHIP, 2, "has an ESP32-S3, not an esp32", "--board esp32_s3, and its image"),
    (FakeEspChip(is_silent=True), 5, "no ESP32 answers", "hold BOOT"),
    (FakeEspChip(vanishes_after=2), 3, "the flash is half written", "hold BOOT"),
    (FakeEspChip(rots=True), 1, "not what was sent", "another cable"),
)


def test_what_goes_wrong_at_the_chip_is_told_with_a_next_step(image: Path) -> None:
    def flashed(chip: FakeEspChip) -> tuple[int, str, str]:
        with served(chip) as port:
            return flash(image, port)

    with ThreadPoolExecutor(len(GOES_WRONG)) as pool:  # esptool is patient
        done = pool.map(flashed, [row[0] for row in GOES_WRONG])
    for (_, code, cause, next_step), (found, printed, said) in zip(GOES_WRONG, done, strict=True):
        assert (found, printed) == (code, ""), said
        assert cause in said
        assert next_step in said.splitlines()[-1]
        assert "Traceback" not in said


def damaged() -> Iterator[tuple[str, bytes, str]]:
    """Yield images that cannot start, and what is said of them."""
    middle = APPLICATION_AT - 0x1000 + 500
    yield "empty", b"", "is no image for an ESP32"
    yield "uf2", b"UF2\n" + bytes(508), "is no image for an ESP32"
    yield "half", IMAGE[: len(IMAGE) // 2], "its application is cut off"
    yield "no table", IMAGE[:0x5000], "no partition table"
    yield "last byte", IMAGE[:-1], "its application is cut off"
    yield "bootloader", IMAGE[:3000], "its bootloader is cut off"
    flipped = bytes([IMAGE[middle] ^ 1])
    yield "flipped", IMAGE[:middle] + flipped + IMAGE[middle + 1 :], "a wrong checksum"
    yield "digest", IMAGE[:-1] + bytes([IMAGE[-1] ^ 1]), "a wrong SHA-256"
    yield "chip", firmware("esp32s3", 0x1000), "is for an esp32s3"
    yield "large", IMAGE + bytes(0x400000), "more than the flash of esp32 has room for"


@pytest.mark.parametrize(("content", "cause"), [row[1:] for row in damaged()])
def test_an_image_that_could_not_start_is_not_written(content: bytes, cause: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_image(content, board_named("esp32"), "it")
    assert cause in caught.value.cause
    assert "bulkhead build --board esp32 --official" in caught.value.next_step


def test_every_board_of_esptool_takes_an_image_of_its_own() -> None:
    boards = [board_named(name) for name in board_names()]
    found = [board for board in boards if board.method == "esptool"]
    assert len(found) >= 3
    for board in found:
        chip, offset = str(board.flash["esptool_chip"]), int(board.flash["offset"])
        check_image(firmware(chip, offset), board, "it")


@pytest.mark.parametrize(
    ("words", "code", "cause"),
    [
        (["no.bin", "--board", "esp32"], 2, "no.bin cannot be read"),
        (["firmware.bin"], 2, "firmware.bin is no UF2"),
        (["firmware.bin", "--board", "esp33"], 2, 'there is no board "esp33"'),
        (["firmware.bin", "--board", "unix"], 2, "unix is not flashed"),
        (["firmware.bin", "--board", "esp32", "--drive", "d"], 2, "no bootloader's drive"),
        (["firmware.bin", "--board", "esp32", "--port", "/dev/none"], 3, "no port /dev/none"),
    ],
)
def test_a_wrong_command_line_opens_no_port(
    image: Path, words: list[str], code: int, cause: str
) -> None:
    words[0] = str(image.parent / words[0])
    done = bulkhead("flash", *words)
    assert (done.returncode, done.stdout) == (code, "")
    assert cause in done.stderr
    assert "  try: " in done.stderr


def test_a_port_that_another_program_has_is_busy(image: Path) -> None:
    with served(FakeEspChip()) as port:
        descriptor = os.open(port, os.O_RDWR | os.O_NOCTTY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            code, _, said = flash(image, port)
        finally:
            os.close(descriptor)
    assert code == 4
    assert "is in use by " in said
