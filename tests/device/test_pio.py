"""PIO programs: an example of MicroPython's own as the guest, and one in a driver's service."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from bulkhead_host.commands.build import BuildOptions, build
from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.emulator.chip import CYCLE_NS
from bulkhead_host.image.sources import source_tree
from bulkhead_host.link.client import Client
from bulkhead_host.link.emulated import BoardTransport
from bulkhead_host.paths import cache_dir

APPLICATION = Path(__file__).parents[1] / "cases" / "pio_app"
LED, SQUARE = 25, 2
PIO1_CTRL = 0x50300000


@pytest.fixture(scope="module")
def board(stock_image: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatedBoard]:
    """Yield a board with both, after a second; what stock images are made of is there by then."""
    guest = source_tree(cache_dir()).micropython / "examples" / "rp2" / "pio_1hz.py"
    output = tmp_path_factory.mktemp("image") / "pio.uf2"
    image = build(BuildOptions(application=APPLICATION, guest=guest, output=output)).path
    with EmulatedBoard(image=image) as board:
        board.run_for(ms=1000)
        yield board


def _pauses_ms(board: EmulatedBoard, pin: int) -> list[float]:
    at = [edge.cycle * CYCLE_NS / 1e6 for edge in board.pin(pin).edges]
    return [after - before for before, after in pairwise(at)]


def test_an_example_of_micropython_runs_as_the_guest(board: EmulatedBoard) -> None:
    assert board.pin(LED).edges
    assert all(abs(pause - 500) < 1 for pause in _pauses_ms(board, LED)[1:])


def test_a_driver_assembles_a_program_and_its_module_keeps_its_names(board: EmulatedBoard) -> None:
    pauses = _pauses_ms(board, SQUARE)
    assert len(pauses) > 20
    assert {round(pause, 1) for pause in pauses[2:]} == {3.2, 6.4}
    own = "the module's own"
    assert f"I square: {own}, {own}, {own}; 4 words".encode() in board.read()


def test_a_state_machine_ends_with_its_service_and_begins_with_the_next(
    board: EmulatedBoard,
) -> None:
    client = Client(BoardTransport(board))
    enabled = []
    for verb in ("hold", "release"):
        client.control("square", verb)
        board.run_for(ms=30)
        enabled.append(board.chip.mcu.read_uint32(PIO1_CTRL) & 0xF)
    assert enabled == [0, 1]
