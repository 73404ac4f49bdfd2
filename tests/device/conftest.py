"""Boards with stock MicroPython for the device ring: booted once for all tests.

Boards that run Bulkhead come from the plugin, `pytest_bulkhead`.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.emulator.repl import execute, wait_for_prompt
from bulkhead_host.image.build import stock_image as build_stock_image
from bulkhead_host.qualify.image import cases_image


@pytest.fixture(scope="session")
def stock_image() -> Path:
    """Return MicroPython as it comes, for tests of the board rather than of the kernel."""
    return build_stock_image().path


@pytest.fixture(scope="session")
def booted_board(stock_image: Path) -> Iterator[EmulatedBoard]:
    """Yield a board at its prompt that all tests share."""
    with EmulatedBoard(image=stock_image) as board:
        wait_for_prompt(board)
        yield board


@pytest.fixture
def stock_board(booted_board: EmulatedBoard) -> EmulatedBoard:
    """Return the shared board after a reset, at its prompt."""
    booted_board.reset()
    booted_board.read()
    wait_for_prompt(booted_board)
    return booted_board


@pytest.fixture(scope="session")
def cases_board() -> Iterator[EmulatedBoard]:
    """Yield a board with kernel, port, cases and attacks frozen in, as it was left."""
    with EmulatedBoard(image=cases_image()) as board:
        yield board


@pytest.fixture(scope="module")
def case_board(cases_board: EmulatedBoard) -> EmulatedBoard:
    """Return that board after a reset: at its prompt, no kernel started, `run` of the cases there.

    What a file of tests imports stays in the board's memory to its end.
    """
    cases_board.reset()
    cases_board.read()
    wait_for_prompt(cases_board)
    execute(cases_board, "from cases.run import run")
    return cases_board
