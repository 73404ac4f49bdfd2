"""Every kernel case on the emulated Pico: hard timers, real kills, the board's own clock."""

import pytest

from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.emulator.repl import execute
from case_list import ON_MICROPYTHON, case_ids

# Device milliseconds that no case needs.
_CASE_MS = 20_000


@pytest.mark.parametrize("case", case_ids(modules=ON_MICROPYTHON))
def test_case(case: str, case_board: EmulatedBoard) -> None:
    module, name = case.split(":")
    execute(case_board, f"run({module!r}, {name!r})", timeout_ms=_CASE_MS)
