"""Every attack on the emulated Pico: what becomes of it is what the README says."""

import pytest

from attack_table import Attack, listed
from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.emulator.repl import execute

_ATTACK_MS = 20_000


@pytest.mark.parametrize("attack", listed(), ids=lambda attack: attack.name)
def test_attack(attack: Attack, case_board: EmulatedBoard) -> None:
    source = f"from attacks import stage\nstage.run({attack.name!r})"
    said = execute(case_board, source, timeout_ms=_ATTACK_MS)
    assert said.startswith(attack.outcome + "\n"), said
