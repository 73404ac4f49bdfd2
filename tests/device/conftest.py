"""Boards with stock MicroPython for the device ring: booted once for all tests.

Boards that run Bulkhead come from the plugin, `pytest_bulkhead`.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.emulator.repl import wait_for_prompt
from bulkhead_host.image.build import stock_image as build_stock_image


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
