"""Every attack on other instruction sets: what becomes of it is what the README says."""

import pytest

from attack_table import CONTROLS, Arena
from bulkhead_host.qualify.attacks import Attack, listed, outcomes
from bulkhead_host.qualify.processors import Stand

# A frame of C is larger on RV32: its recursion ends before its budget does.
_ELSE = {("rv32imc", "match_without_end"): "stopped EXCEPTION unharmed"}
_ATTACK_S = 60  # of the wall, which no attack needs


@pytest.fixture(scope="module")
def arena(stand: Stand) -> Arena:
    """Return where all attacks are made."""
    return Arena(lambda source, n: stand.start().execute(source, timeout_s=n * _ATTACK_S))


@pytest.mark.parametrize("attack", listed(), ids=lambda attack: attack.name)
def test_attack(attack: Attack, arena: Arena, stand: Stand) -> None:
    said = arena.said(attack.name)
    found = outcomes(said).get(attack.name)
    expected = _ELSE.get((stand.processor.name, attack.name), attack.outcome)
    assert found == expected, said.partition(f"attack {attack.name}: ")[2][:2000] or said
    assert not set(said) & CONTROLS
