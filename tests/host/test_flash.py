"""Flashing: the order of events, what each failure says, and the whole of it on a real image."""

import os
import pty
import struct
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import serial
from desk import WAIT_S

from bulkhead_host.emulator.board import EmulatedBoard
from bulkhead_host.emulator.ports import PtyPort, TcpPort
from bulkhead_host.emulator.server import BoardServer
from bulkhead_host.errors import (
    BulkheadError,
    DeviceBusy,
    DeviceException,
    DeviceNotFound,
    DeviceTimeout,
    UsageError,
)
from bulkhead_host.image.bootloader import enter_bootloader
from bulkhead_host.image.build import build_image, stock_image
from bulkhead_host.image.flash import Desk, flash_image
from bulkhead_host.image.uf2 import RP2350_FAMILY
from bulkhead_host.image.volumes import board_id, bootloader_volumes
from bulkhead_host.link.ports import Address, UsbPort

RP2040_INFO = "UF2 Bootloader v3.0\r\nModel: Raspberry Pi RP2\r\nBoard-ID: RPI-RP2\r\n"
RP2350_INFO = "UF2 Bootloader v1.0\r\nModel: Raspberry Pi RP2350\r\nBoard-ID: RP2350\r\n"


def usb_board(device: str, serial_number: str) -> UsbPort:
    return UsbPort(device=device, serial_number=serial_number, is_micropython=True)


ONE = usb_board("/dev/ttyACM0", "E660C0D1C7921E28")
TWO = usb_board("/dev/ttyACM1", "E6614103E7452D2F")


class FakeDesk(Desk):
    """Boards on a desk whose clock jumps: an event comes a second after its cause."""

    def __init__(self, media: Path, *boards: UsbPort, info: str = RP2040_INFO) -> None:
        self.plugged = list(boards)
        self.media = media
        self.info = info
        self.comes_back_as: Callable[[UsbPort], UsbPort | None] = lambda board: board
        self.sent: list[str] = []
        self._now_s = 0.0
        self._events: list[tuple[float, Callable[[], None]]] = []

    def boards(self) -> list[UsbPort]:
        return list(self.plugged)

    def volumes(self) -> list[Path]:
        return bootloader_volumes(sorted(self.media.iterdir()) if self.media.exists() else [])

    def enter_bootloader(self, address: Address) -> None:
        self.sent.append(address.url)
        board = next(board for board in self.plugged if board.device == address.url)
        self.plugged.remove(board)
        self._after_a_second(lambda: self.show_drive(board))

    def clock_s(self) -> float:
        return self._now_s

    def sleep(self, seconds: float) -> None:
        self._now_s += seconds
        for event in [event for event in self._events if event[0] <= self._now_s]:
            self._events.remove(event)
            event[1]()

    def show_drive(self, board: UsbPort) -> None:
        """Mount the board's drive; it vanishes a second after a UF2 has been written to it."""
        drive = self.media / "RPI-RP2"
        drive.mkdir(parents=True)
        (drive / "INFO_UF2.TXT").write_text(self.info)
        self._after_a_second(lambda: self._look_for_uf2(drive, board))

    def _look_for_uf2(self, drive: Path, board: UsbPort) -> None:
        if not list(drive.glob("*.uf2")):
            self._after_a_second(lambda: self._look_for_uf2(drive, board))
            return
        (drive / "INFO_UF2.TXT").unlink()
        back = self.comes_back_as(board)
        if back:
            self._after_a_second(lambda: self.plugged.append(back))

    def _after_a_second(self, event: Callable[[], None]) -> None:
        self._events.append((self._now_s + 1, event))


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "image.uf2"
    path.write_bytes(stock_image().path.read_bytes())
    return path


@pytest.fixture
def media(tmp_path: Path) -> Path:
    return tmp_path / "media"


def test_the_only_board_is_flashed_and_known_again_by_its_serial_number(
    image: Path, media: Path
) -> None:
    desk = FakeDesk(media, ONE)
    elsewhere = usb_board("/dev/ttyACM7", ONE.serial_number)
    desk.comes_back_as = lambda _board: elsewhere
    flashed = flash_image(image, desk=desk)
    assert desk.sent == [ONE.device]
    assert flashed.port == elsewhere.device
    assert (media / "RPI-RP2" / "image.uf2").read_bytes() == image.read_bytes()


def test_one_of_several_boards_is_chosen_by_its_port_or_number(image: Path, media: Path) -> None:
    with pytest.raises(DeviceNotFound, match="there are 2 boards"):
        flash_image(image, desk=FakeDesk(media, ONE, TWO))
    desk = FakeDesk(media, ONE, TWO)
    assert flash_image(image, port=f"id:{TWO.serial_number}", desk=desk).port == TWO.device
    assert desk.sent == [TWO.device]


def test_a_board_in_its_bootloader_is_flashed_as_it_is(image: Path, media: Path) -> None:
    desk = FakeDesk(media)
    desk.show_drive(ONE)
    assert flash_image(image, desk=desk).port == ONE.device
    assert desk.sent == []


def _wait_in_bootloader(media: Path, name: str, info: str) -> None:
    (media / name).mkdir(parents=True)
    (media / name / "INFO_UF2.TXT").write_text(info)


def test_of_two_waiting_drives_that_of_the_images_chip_is_flashed(
    image: Path, media: Path
) -> None:
    _wait_in_bootloader(media, "RP2350", RP2350_INFO)
    desk = FakeDesk(media)
    desk.show_drive(ONE)
    assert flash_image(image, desk=desk).volume == media / "RPI-RP2"
    assert not list((media / "RP2350").glob("*.uf2"))


def test_two_waiting_drives_of_one_chip_are_not_guessed_at(image: Path, media: Path) -> None:
    for name in ("RPI-RP2", "RPI-RP21", "RP2350"):
        _wait_in_bootloader(media, name, RP2350_INFO if name == "RP2350" else RP2040_INFO)
    with pytest.raises(DeviceNotFound, match="several boards") as failure:
        flash_image(image, desk=FakeDesk(media))
    assert "RP2350" not in failure.value.cause
    assert not list(media.rglob("*.uf2"))


def test_drives_of_another_chip_alone_are_refused(image: Path, media: Path) -> None:
    for name in ("RP2350", "RP23501"):
        _wait_in_bootloader(media, name, RP2350_INFO)
    with pytest.raises(UsageError, match="the drive of another chip: RP2350"):
        flash_image(image, desk=FakeDesk(media))


def test_a_waiting_drive_beside_a_running_board_is_not_guessed_at(
    image: Path, media: Path
) -> None:
    desk = FakeDesk(media, ONE)
    desk.show_drive(TWO)
    with pytest.raises(DeviceNotFound, match=r"several boards: .*RPI-RP2, /dev/ttyACM0"):
        flash_image(image, desk=desk)
    assert not list(media.rglob("*.uf2"))


def test_no_board_says_how_to_reach_the_bootloader(image: Path, media: Path) -> None:
    with pytest.raises(DeviceNotFound, match="no RP2040") as failure:
        flash_image(image, desk=FakeDesk(media))
    assert "BOOTSEL" in failure.value.next_step


@pytest.mark.parametrize("name", ["/dev/nowhere", "port:/dev/nowhere", "id:NOBODY"])
def test_a_port_that_is_not_there_is_said_before_anything_happens(
    image: Path, media: Path, name: str
) -> None:
    desk = FakeDesk(media, ONE)
    with pytest.raises(DeviceNotFound):
        flash_image(image, port=name, desk=desk)
    assert desk.sent == []


@pytest.mark.parametrize("keep", [0, 100, 512, 51_200, -512])
def test_a_broken_image_is_refused_before_the_board_is_touched(
    image: Path, media: Path, keep: int
) -> None:
    image.write_bytes(image.read_bytes()[:keep])
    desk = FakeDesk(media, ONE)
    with pytest.raises(UsageError, match="refused"):
        flash_image(image, desk=desk)
    assert desk.sent == []


def test_a_missing_image_is_refused_before_the_board_is_touched(media: Path) -> None:
    desk = FakeDesk(media, ONE)
    with pytest.raises(UsageError, match="cannot be read"):
        flash_image(Path("nothing.uf2"), desk=desk)
    assert desk.sent == []


def test_the_drive_of_another_chip_is_left_alone(image: Path, media: Path) -> None:
    drive = media / "RP2350"
    drive.mkdir(parents=True)
    (drive / "INFO_UF2.TXT").write_text(RP2350_INFO)
    with pytest.raises(UsageError, match="another chip: RP2350"):
        flash_image(image, drive=drive, desk=FakeDesk(media))
    assert bootloader_volumes([drive]) == [drive]
    assert [file.name for file in drive.iterdir()] == ["INFO_UF2.TXT"]


def test_an_image_for_a_pico_2_goes_to_the_drive_of_one(image: Path, media: Path) -> None:
    content = bytearray(image.read_bytes())
    for start in range(0, len(content), 512):
        struct.pack_into("<I", content, start + 28, RP2350_FAMILY)
    image.write_bytes(content)
    with pytest.raises(UsageError, match="another chip: RPI-RP2"):
        flash_image(image, desk=FakeDesk(media / "first", ONE))
    flashed = flash_image(image, desk=FakeDesk(media / "second", ONE, info=RP2350_INFO))
    assert flashed.port == ONE.device


def test_a_drive_that_never_appears_is_a_timeout_with_the_way_out(
    image: Path, media: Path
) -> None:
    desk = FakeDesk(media, ONE)
    desk.show_drive = lambda board: None  # type: ignore[method-assign]
    with pytest.raises(DeviceTimeout, match=r"no drive with INFO_UF2\.TXT") as failure:
        flash_image(image, desk=desk)
    assert "BOOTSEL" in failure.value.next_step
    assert "udisksctl" in failure.value.next_step


def test_a_board_that_does_not_come_back_is_a_timeout_that_says_it_was_written(
    image: Path, media: Path
) -> None:
    desk = FakeDesk(media, ONE)
    desk.comes_back_as = lambda _board: None
    with pytest.raises(DeviceTimeout, match="was written, but the board's port did not"):
        flash_image(image, desk=desk)


def test_a_board_that_does_not_take_the_image_is_a_timeout(image: Path, tmp_path: Path) -> None:
    drive = tmp_path / "stuck"
    drive.mkdir()
    (drive / "INFO_UF2.TXT").write_text(RP2040_INFO)
    with pytest.raises(DeviceTimeout, match="did not take the image"):
        flash_image(image, drive=drive, desk=FakeDesk(tmp_path / "media"))


def test_a_folder_without_the_info_file_is_no_drive(tmp_path: Path) -> None:
    assert board_id(tmp_path) == ""
    assert bootloader_volumes([tmp_path, tmp_path / "gone"]) == []


@contextmanager
def board_on_a_pty(answer: Callable[[bytes], bytes]) -> Iterator[str]:
    """Serve a PTY with a board that answers what it receives by a function."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)

    def serve() -> None:
        try:
            while data := os.read(ours, 1024):
                os.write(ours, answer(data))
        except OSError:
            return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield os.ttyname(theirs)
    finally:
        os.close(theirs)
        thread.join(1)
        os.close(ours)


def test_a_board_that_says_nothing_is_a_timeout_with_the_way_out() -> None:
    with board_on_a_pty(lambda _data: b"") as port, pytest.raises(DeviceTimeout) as failure:
        enter_bootloader(Address(url=port), timeout_s=0.3)
    assert "BOOTSEL" in failure.value.next_step


def test_a_board_without_a_bootloader_shows_its_exception() -> None:
    def answer(data: bytes) -> bytes:
        if data.endswith(b"\x01"):
            return b"\r\nraw REPL; CTRL-B to exit\r\n>"
        return b"OK\x04Traceback:\r\nAttributeError: no bootloader\r\n\x04>"

    with board_on_a_pty(answer) as port, pytest.raises(DeviceException, match="AttributeError"):
        enter_bootloader(Address(url=port), timeout_s=WAIT_S)


def test_a_port_in_use_is_busy() -> None:
    with (
        board_on_a_pty(lambda _data: b"") as port,
        serial.Serial(port, exclusive=True),
        pytest.raises(DeviceBusy, match="in use by"),
    ):
        enter_bootloader(Address(url=port), timeout_s=0.3)


def test_a_missing_port_is_no_device(tmp_path: Path) -> None:
    with pytest.raises(DeviceNotFound):
        enter_bootloader(Address(url=str(tmp_path / "ttyACM0")), timeout_s=0.3)


@pytest.mark.parametrize("kind", ["pty", "tcp"])
def test_an_emulated_board_is_flashed_with_another_image(tmp_path: Path, kind: str) -> None:
    marked = build_image(files={"flashed.py": b"ANSWER = 42\n"}, output=tmp_path / "new.uf2")
    drive = tmp_path / "RPI-RP2"
    board = EmulatedBoard(image=stock_image().path, drive=drive)
    port = PtyPort() if kind == "pty" else TcpPort(port=0)
    with BoardServer(board, port):
        flashed = flash_image(marked.path, port=port.name, drive=drive)
        assert flashed.port == port.name
        assert flashed.bytes_written == marked.path.stat().st_size
        assert not drive.exists()
        with serial.serial_for_url(port.name, timeout=WAIT_S) as console:
            console.write(b"\r\x03import flashed\rprint('=', flashed.ANSWER)\r")
            assert b"\n= 42" in console.read_until(b"\n= 42")


def test_an_emulated_board_with_a_broken_image_keeps_the_one_it_has(tmp_path: Path) -> None:
    broken = tmp_path / "broken.uf2"
    broken.write_bytes(stock_image().path.read_bytes()[:-512])
    drive = tmp_path / "RPI-RP2"
    with BoardServer(EmulatedBoard(image=stock_image().path, drive=drive), PtyPort()) as server:
        with pytest.raises(BulkheadError, match="truncated"):
            flash_image(broken, port=server.port.name, drive=drive)
        assert not drive.exists()
        with serial.serial_for_url(server.port.name, timeout=WAIT_S) as console:
            console.write(b"\rprint('=', 6 * 7)\r")
            assert b"\n= 42" in console.read_until(b"\n= 42")
