"""The names that `check` reads code by are those of the image that boards get."""

from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.files import read_text
from bulkhead_host.qualify.image_names import ask, written
from bulkhead_host.system.reading.lacking import NAMES_FILE


def test_the_names_are_those_that_a_board_tells(case_board: EmulatedBoard) -> None:
    assert written(ask(case_board)) == read_text(NAMES_FILE), (
        "python -m bulkhead_host.qualify.image_names writes them anew"
    )
