"""Boards with stock MicroPython for the device ring: booted once for all tests.

Boards that run Bulkhead come from the plugin, `pytest_bulkhead`.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.emulator.repl import execute, wait_for_prompt
from bulkhead_host.image.application import port_modules
from bulkhead_host.image.build import build_image
from bulkhead_host.image.build import stock_image as build_stock_image
from bulkhead_host.paths import source_root
from bulkhead_host.system.fold import fold_tree
from case_list import CASES, ON_MICROPYTHON


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
    firmware = source_root() / "firmware"
    sources: dict[str, Path] = {
        f"{package}/{path.name}": path
        for package in ("kernel", "plan", "guard", "bulkhead")
        for path in (firmware / package).glob("*.py")
    }
    sources |= port_modules("rp2")
    sources["port/soft.py"] = firmware / "port" / "soft.py"
    for name in ("__init__", "pins", "ports", "rig", "run", *ON_MICROPYTHON):
        sources[f"cases/{name}.py"] = CASES / f"{name}.py"
    for path in (CASES.parent / "attacks").glob("*.py"):
        sources[f"attacks/{path.name}"] = path
    with EmulatedBoard(image=build_image(files=fold_tree(sources, firmware)).path) as board:
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
