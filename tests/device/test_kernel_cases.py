"""Every kernel case on the emulated Pico: hard timers, real kills, the board's own clock."""

import pytest

from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.emulator.repl import execute, wait_for_prompt
from bulkhead_host.errors import BulkheadError
from bulkhead_host.qualify.cases import ON_MICROPYTHON, case_ids

# Device milliseconds that no case needs.
_CASE_MS = 20_000


@pytest.fixture(scope="module")
def booted() -> list[str]:
    """Hold the module of cases that the board has been booted for."""
    return []


@pytest.mark.parametrize("case", case_ids(modules=ON_MICROPYTHON))
def test_case(case: str, case_board: EmulatedBoard, booted: list[str]) -> None:
    module, name = case.split(":")
    if booted != [module] or not _answers(case_board):
        _boot(case_board)
        booted[:] = [module]
    execute(case_board, f"run({module!r}, {name!r})", timeout_ms=_CASE_MS)


def _boot(board: EmulatedBoard) -> None:
    """Reset the board: what a module of cases has imported leaves its memory."""
    board.reset()
    board.read()
    wait_for_prompt(board)
    execute(board, "from cases.run import run")


def _answers(board: EmulatedBoard) -> bool:
    """Tell whether the case before has left the board at its prompt."""
    try:
        execute(board, "pass")
    except BulkheadError:
        return False
    return True
