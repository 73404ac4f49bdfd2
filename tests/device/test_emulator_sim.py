"""`bulkhead sim` as a program: the first line, the signals, what it leaves behind."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import serial

from bulkhead_host.commands.sim import parse_press, schedule
from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.emulator.repl import execute, wait_for_prompt

BULKHEAD = Path(sys.executable).parent / "bulkhead"
WAIT_S = 300  # of the wall, for a hang


@contextmanager
def simulating(*options: str | Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run `bulkhead sim`, yield the process and the port it prints, and end it by SIGTERM."""
    line = [str(BULKHEAD), "sim", *(str(option) for option in options)]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline().rstrip("\n")
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=WAIT_S)
    assert process.returncode == 0, errors


def refuse(*options: str | Path) -> tuple[int, str]:
    """Run `bulkhead sim` where it must fail; return its exit code and what it says."""
    line = [str(BULKHEAD), "sim", *(str(option) for option in options)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert done.stdout == ""
    return done.returncode, done.stderr


def test_the_first_line_is_a_port_that_works_and_sigterm_saves_the_flash(
    stock_image: Path, tmp_path: Path
) -> None:
    flash, link = tmp_path / "flash.bin", tmp_path / "pico"
    for expected in (b"[]", b"['kept']"):
        with simulating("--image", stock_image, "--flash", flash, "--link", link) as (_, name):
            assert name == str(link)
            with serial.Serial(name, timeout=WAIT_S) as port:
                port.write(b"\x03import os; os.listdir()\r")
                assert port.read_until(expected).endswith(expected)
                port.write(b"open('kept', 'w').close()\r")
                port.read_until(b">>> ")
                port.write(b"print('do' + 'ne')\r")
                port.read_until(b"done")
        assert not link.is_symlink()
    assert flash.stat().st_size == 2 * 1024 * 1024


def test_control_c_ends_it_well_too(stock_image: Path) -> None:
    options = ("--image", stock_image, "--tcp", "0", "--press", "GP15@0:10", "--pace", "real")
    with simulating(*options) as (process, name):
        assert name.startswith("socket://127.0.0.1:")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=WAIT_S) == 0


def test_presses_come_at_their_device_time(stock_image: Path) -> None:
    with EmulatedBoard(image=stock_image) as board:
        for text in ("GP15@1200:50", "GP14@1210"):
            schedule(board, parse_press(text))
        wait_for_prompt(board)
        for number in (14, 15):
            execute(
                board,
                f"import machine; machine.Pin({number}, machine.Pin.IN, machine.Pin.PULL_UP)",
            )
            board.pin(number).clear_edges()
        board.run_for(ms=2000)
        edges = [(e.cycle / 125_000, e.level) for n in (15, 14) for e in board.pin(n).edges]
    assert edges == [(1200, 0), (1250, 1), (1210, 0), (1310, 1)]


def test_a_missing_image_and_a_port_in_use_are_refused(stock_image: Path, tmp_path: Path) -> None:
    code, said = refuse("--image", tmp_path / "none.uf2")
    assert (code, "cannot read the image" in said) == (2, True)
    with simulating("--image", stock_image, "--tcp", "0") as (_, name):
        code, said = refuse("--image", stock_image, "--tcp", name.rpartition(":")[2])
        assert (code, "cannot serve" in said) == (4, True)


def test_a_flash_file_of_another_sim_is_refused(stock_image: Path, tmp_path: Path) -> None:
    options = ("--image", stock_image, "--flash", tmp_path / "flash.bin")
    with simulating(*options):
        code, said = refuse(*options)
        assert (code, "in use by another emulated board" in said) == (4, True)


@pytest.mark.parametrize("change", ["truncated", "other chip"])
def test_a_bad_image_is_refused(stock_image: Path, tmp_path: Path, change: str) -> None:
    content = bytearray(stock_image.read_bytes())
    if change == "truncated":
        del content[-512:]
    else:
        content[28:32] = (0xE48BFF59).to_bytes(4, "little")
    bad = tmp_path / "bad.uf2"
    bad.write_bytes(content)
    code, said = refuse("--image", bad)
    assert code == 2
    assert ("truncated" if change == "truncated" else "RP2350") in said
