"""Output of services while somebody has the line, or nobody reads it: held back, and counted."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bulkhead_host.commands.build import BuildOptions, build
from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.link.client import Client
from bulkhead_host.link.emulated import BoardTransport

APPLICATION = Path(__file__).parents[1] / "cases" / "desk_app"
PROMPT_MS = 1500
HELD_MS = 4000
"""More than the 64 records that the logger keeps, at 20 in a second."""
QUIET = ("supervisor", "logger", "console", "led", "blink", "talker")


@pytest.fixture(scope="module")
def started_board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatedBoard]:
    """Yield a board whose services log, print and fail all the time."""
    folder = tmp_path_factory.mktemp("image") / "app"
    shutil.copytree(APPLICATION, folder)
    system = (folder / "system.toml").read_text()
    (folder / "system.toml").write_text(system.replace(', "spinner"', ""))
    talker = folder / "talker" / "service.py"
    talker.write_text(talker.read_text().replace("sleep(100)", "sleep(50)"))
    image = build(BuildOptions(application=folder, output=folder / "desk.uf2")).path
    with EmulatedBoard(image=image) as board:
        board.run_for(ms=600)
        yield board


@pytest.fixture
def board(started_board: EmulatedBoard) -> Iterator[EmulatedBoard]:
    """Yield that board with the kernel's own loop at the main level, and nothing held."""
    started_board.run_for(ms=500)
    started_board.read()
    yield started_board
    leave(started_board)
    table = Client(BoardTransport(started_board)).table()
    assert {table.named(name).generation for name in QUIET} == {1}  # type: ignore[union-attr]


def leave(board: EmulatedBoard) -> None:
    board.console.set_terminal_attached(False)
    board.run_for(ms=200)
    board.console.set_terminal_attached(True)


def accounted(said: bytes) -> list[int]:
    """Return the numbers of talker's lines that were printed or counted as lost, in order."""
    numbers: list[int] = []
    lost = 0
    for line in said.decode(errors="replace").splitlines():
        if match := re.search(r"W talker: (\d+) records lost", line):
            lost += int(match[1])  # one that is dropped while the others are told is told apart
        elif match := re.search(r"I talker: line (\d+) of", line):
            number = int(match[1])
            numbers += range(number - lost, number + 1)
            lost = 0
    return numbers


@pytest.mark.parametrize(
    ("keys", "shown"),
    [
        (b"\x03", b">>> "),
        (b"\x03\x05", b"=== "),
        (b"\x03\r\x01", b"exit\r\n>"),
        (b"\x03\r\x01\x05A\x01", b"R\x01\x80\x00\x01"),
        # breaker, which fails with it, says a prompt's OK as well.
        (b"\x03\r\x01import time; time.sleep(60)\x04", b"exit\r\n>OK"),
    ],
    ids=["friendly", "paste", "raw", "raw paste", "program"],
)
def test_nothing_is_printed_while_somebody_has_the_line_and_all_is_accounted_for(
    board: EmulatedBoard, keys: bytes, shown: bytes
) -> None:
    board.write(keys)
    before = board.run_until(shown, timeout_ms=PROMPT_MS)
    board.run_for(ms=HELD_MS)
    assert board.read() == b""
    board.write(b"\x03\x02")
    board.run_for(ms=100)
    leave(board)
    board.run_for(ms=1500)
    said = board.read()
    numbers = accounted(before + said)
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    assert len(numbers) > HELD_MS // 60
    assert b"records lost" in said
    assert b"bytes of print lost" in said
    assert b"?breaker is up" in said
    assert b"W supervisor: breaker faulted: EXCEPTION" in said


def test_a_host_that_stops_reading_costs_output_and_no_service(board: EmulatedBoard) -> None:
    before = board.read()
    board.console.set_reading(is_reading=False)
    board.run_for(ms=HELD_MS)
    before += board.read()
    board.console.set_reading(is_reading=True)
    board.run_for(ms=1500)
    said = board.read()
    numbers = accounted(before + said)
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    assert b"records lost" in said


def test_a_host_that_does_not_read_still_reaches_the_prompt(board: EmulatedBoard) -> None:
    board.console.set_reading(is_reading=False)
    board.run_for(ms=1000)
    board.write(b"\x03")
    board.run_for(ms=1000)
    board.console.set_reading(is_reading=True)
    board.run_until(b">>> ", timeout_ms=PROMPT_MS)


def test_a_closed_port_keeps_the_newest_records_for_who_opens_it(board: EmulatedBoard) -> None:
    board.console.set_reading(is_reading=False)
    board.console.set_terminal_attached(False)
    board.run_for(ms=HELD_MS)
    board.console.set_terminal_attached(True)
    board.console.set_reading(is_reading=True)
    board.run_for(ms=1500)
    said = board.read()
    assert len(accounted(said)) > HELD_MS // 50
