"""`bulkhead flash` on a board that runs Bulkhead: it reaches the bootloader, whatever runs.

`TRIES` times each by `BULKHEAD_FLASHES=20 make test-device ARGS="-k flash_running"`; once each
takes 20 s.
"""

import os
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import serial
from desk import bulkhead

from bulkhead_host.commands.build import BuildOptions, build
from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.emulator.ports import PtyPort
from bulkhead_host.emulator.server import BoardServer

APPLICATION = Path(__file__).parents[1] / "cases" / "desk_app"
TRIES = int(os.environ.get("BULKHEAD_FLASHES", "1"))
GUEST = "import time, machine\ntime.sleep_ms(300)\nmachine.bootloader()\n"
PROGRAM = b"import machine\nmachine.bootloader()\x04"
WAIT_S = 120
REACHED_MS = 2500
"""For a prompt beside what hogs the board, and the 10 ms of the boot ROM's watchdog."""


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return an image, and a copy of it that says MicroQython."""
    folder = tmp_path_factory.mktemp("images")
    built = build(BuildOptions(application=APPLICATION, output=folder / "old.uf2")).path
    content = built.read_bytes()
    assert b"MicroPython v1" in content
    (folder / "new.uf2").write_bytes(content.replace(b"MicroPython v1", b"MicroQython v1"))
    return built, folder / "new.uf2"


@pytest.fixture
def board(images: tuple[Path, Path]) -> Iterator[EmulatedBoard]:
    """Yield a board whose services log, fail and spin."""
    with EmulatedBoard(image=images[0], report=lambda _: None) as board:
        board.run_for(ms=1000)
        yield board


def reaches_the_bootloader(board: EmulatedBoard) -> bool:
    """Return whether it comes, as the boot ROM is asked for it: no LED, and a drive."""
    board.run_until(lambda: board.chip.in_bootloader, timeout_ms=REACHED_MS)
    return board.drive is not None and board.chip.activity_pins == 0


@pytest.mark.parametrize("state", ["runs", "prompt", "raw REPL"])
def test_flash_puts_a_new_image_on_a_board_that_runs(
    images: tuple[Path, Path], tmp_path: Path, state: str
) -> None:
    for attempt in range(TRIES):
        drive = tmp_path / f"drive{attempt}"
        board = EmulatedBoard(image=images[0], drive=drive, report=lambda _: None)
        with BoardServer(board, PtyPort()) as server:
            server.call(lambda board: board.run_for(ms=1000), timeout_s=WAIT_S)
            if state != "runs":
                keys = b"\x03" if state == "prompt" else b"\x03\x01"
                server.call(partial(EmulatedBoard.write, data=keys), timeout_s=WAIT_S)
                server.call(lambda board: board.run_for(ms=500), timeout_s=WAIT_S)
            done = bulkhead("flash", str(images[1]), "--drive", str(drive), port=server.port.name)
            assert done.returncode == 0, done.stderr
            with serial.Serial(server.port.name, timeout=WAIT_S) as port:
                port.write(b"\x03\x02")
                assert b"MicroQython" in port.read_until(b"MicroQython")
        shutil.rmtree(drive, ignore_errors=True)


def test_a_program_at_the_prompt_reaches_it_between_any_two_ticks(board: EmulatedBoard) -> None:
    board.write(b"\x03\r\x01")
    board.run_until(b"exit\r\n>", timeout_ms=REACHED_MS)
    board.write(PROGRAM)
    assert reaches_the_bootloader(board)


def test_the_friendly_prompt_reaches_it(board: EmulatedBoard) -> None:
    board.write(b"\x03")
    board.run_until(b">>> ", timeout_ms=REACHED_MS)
    board.write(b"import machine; machine.bootloader()\r")
    assert reaches_the_bootloader(board)


def test_a_soft_reset_first_as_mpremote_does_reaches_it(board: EmulatedBoard) -> None:
    board.write(b"\x03\r\x01")
    board.run_until(b"exit\r\n>", timeout_ms=REACHED_MS)
    board.write(b"\x04")
    board.run_until(b"soft reboot\r\nraw REPL; CTRL-B to exit\r\n>", timeout_ms=1000)
    board.write(PROGRAM)
    assert reaches_the_bootloader(board)


def test_a_guest_reaches_it(tmp_path: Path) -> None:
    (tmp_path / "guest.py").write_text(GUEST)
    options = BuildOptions(guest=tmp_path / "guest.py", output=tmp_path / "guest.uf2")
    with EmulatedBoard(image=build(options).path, report=lambda _: None) as board:
        assert reaches_the_bootloader(board)
