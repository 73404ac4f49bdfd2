"""The application that ships, seen from outside: LED, button, prompt. Time is the board's own."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from bulkhead_host.commands.build import BuildOptions, build
from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.emulator.chip import CYCLE_NS
from bulkhead_host.link.client import Client
from bulkhead_host.link.emulated import BoardTransport

LED, BUTTON = 25, 15
PRESS_MS = 50
TOLERANCE_MS = 5


@pytest.fixture
def board(tmp_path: Path) -> Iterator[EmulatedBoard]:
    image = build(BuildOptions(output=tmp_path / "demo.uf2")).path
    with EmulatedBoard(image=image) as board:
        board.run_for(ms=1000)
        yield board


def half_periods_ms(board: EmulatedBoard, *, ms: int) -> list[float]:
    """Run for a time and return how long the LED kept each level."""
    seen = len(board.pin(LED).edges)
    board.run_for(ms=ms)
    cycles = [edge.cycle for edge in board.pin(LED).edges[seen:]]
    return [(after - before) * CYCLE_NS / 1e6 for before, after in pairwise(cycles)]


def paced(halves: list[float], wanted_ms: float) -> bool:
    return len(halves) > 1 and all(abs(half - wanted_ms) < TOLERANCE_MS for half in halves)


def test_blink_keeps_its_pace_and_a_press_picks_the_next(board: EmulatedBoard) -> None:
    assert paced(half_periods_ms(board, ms=2600), 500)
    board.pin(BUTTON).press(ms=PRESS_MS)
    board.run_for(ms=700)
    assert b"button pressed" in board.read()
    assert paced(half_periods_ms(board, ms=1600), 250)


def test_contact_that_bounces_is_one_press(board: EmulatedBoard) -> None:
    pin = board.pin(BUTTON)
    for _ in range(5):
        pin.drive(0)
        board.run_for(us=300)
        pin.release()
        board.run_for(us=300)
    pin.drive(0)
    board.run_for(ms=PRESS_MS)
    pin.release()
    board.run_for(ms=700)
    assert board.read().count(b"button pressed") == 1
    assert paced(half_periods_ms(board, ms=1600), 250)


def test_services_go_on_while_a_person_is_at_the_prompt(board: EmulatedBoard) -> None:
    client = Client(BoardTransport(board))
    before = client.table()
    board.write(b"\x03")
    board.run_until(b">>> ", timeout_ms=1000)
    assert paced(half_periods_ms(board, ms=2600), 500)
    board.write(b"print(6 * 7)\r")
    assert b"42" in board.run_until(b"42\r\n>>> ", timeout_ms=1000)
    board.write(b"resume()\r")
    board.run_for(ms=100)
    board.read()
    after = client.table()
    assert [service.generation for service in after.services] == [
        service.generation for service in before.services
    ]
    assert paced(half_periods_ms(board, ms=2600), 500)
