"""Every attack on the emulated Pico: what becomes of it is what the README says."""

import pytest

from attack_table import Attack, listed
from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.emulator.repl import execute
from kernel.abi import EXCEPTION

_ATTACK_MS = 20_000

KEEP_A_KILL = """
from cases.ports import CasePort
from cases.rig import Rig
kept = []
def attacker(sys):
    try:
        while True:
            pass
    except KeyboardInterrupt as kill:
        kept.append(kill)
    raise kept[0]
def bystander(sys):
    while True:
        yield sys.sleep(5)
        rig.log.append(1)
def starter(sys):
    while True:
        yield sys.sleep(10)
        yield sys.start(sys.cap("kernel"), 1)
def again(sys):
    raise kept[0]
    yield
port = CasePort()
rig = Rig(port)
rig.add("attacker", lambda sys: again(sys) if kept else attacker(sys), priority=5, budget_ms=2)
rig.add("bystander", bystander, lines=("console",))
rig.add("starter", starter, uses="kernel:control")
rig.run(100)
port.close()
print(len(kept), rig.fault("attacker"), len(rig.log) > 15)
"""
"""A service raises again what a kill has raised, when no kill is under way."""


@pytest.mark.parametrize("attack", listed(), ids=lambda attack: attack.name)
def test_attack(attack: Attack, case_board: EmulatedBoard) -> None:
    source = f"from attacks import stage\nstage.run({attack.name!r})"
    said = execute(case_board, source, timeout_ms=_ATTACK_MS)
    assert said.startswith(attack.outcome + "\n"), said


def test_a_kill_that_a_service_keeps_is_not_taken_for_the_operators(
    case_board: EmulatedBoard,
) -> None:
    said = execute(case_board, KEEP_A_KILL, timeout_ms=_ATTACK_MS)
    assert said == f"1 {EXCEPTION} True\n"
