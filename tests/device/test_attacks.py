"""Every attack on the emulated Pico: what becomes of it is what the README says."""

import pytest

from attack_table import CONTROLS, Arena
from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.emulator.repl import execute, wait_for_prompt
from bulkhead_host.qualify.attacks import Attack, listed, outcomes
from kernel.abi import EXCEPTION

_ATTACK_MS = 20_000

KEEP_A_KILL = """
from cases.ports import CasePort
from cases.rig import Rig
kept = []
def attacker(task):
    try:
        while True:
            pass
    except KeyboardInterrupt as kill:
        kept.append(kill)
    raise kept[0]
def bystander(task):
    while True:
        yield task.sleep(5)
        rig.log.append(1)
def starter(task):
    while True:
        yield task.sleep(10)
        yield task.start(task.cap("kernel"), 1)
def again(task):
    raise kept[0]
    yield
port = CasePort()
rig = Rig(port)
rig.add("attacker", lambda task: again(task) if kept else attacker(task), priority=5, budget_ms=2)
rig.add("bystander", bystander, lines=("console",))
rig.add("starter", starter, uses="kernel:control")
rig.run(100)
port.close()
print(len(kept), rig.fault("attacker"), len(rig.log) > 15)
"""
"""A service raises again what a kill has raised, when no kill is under way."""

ATTACK_IN_AN_INTERRUPT = """
import builtins
import micropython
from cases.ports import CasePort
from cases.rig import Rig
from attacks.stage import Authority, install
from machine import Pin
Pin(14, Pin.IN).irq()  # has what keeps its callback from now on: to set one allocates nothing
keep = Pin(14).irq
got = [0, 0]
def nothing(pin):
    pass
def attacker(task):
    line = task.cap("edge")
    yield task.acknowledge(line)
    while True:
        yield task.recv()
        got[0] += 1
        try:
            keep(nothing)
            got[1] += 1
        except RuntimeError:
            pass
        yield task.acknowledge(line)
class TimedPort(CasePort):
    def line(self, kernel, offset, source, argument, trigger, on_trap=None):
        return super(CasePort, self).line(kernel, offset, "timer", 5000, trigger, on_trap)
port = TimedPort()
rig = Rig(port)
rig.add("attacker", attacker, priority=5, lines=("edge",), hard=True)
kernel = rig.start()
before = builtins.__import__
install(kernel.words, Authority(kernel.table, (), [()]), None, port.shares)
rig.run(60)
builtins.__import__ = before
micropython.guard_callbacks(None)
port.close()
print(got[0] > 5, got[1], rig.fault("attacker"))
"""
"""A hard driver sets a callback in its interrupt, on top of an idle board."""


@pytest.fixture(scope="module")
def arena(case_board: EmulatedBoard) -> Arena:
    """Return the board on which all attacks are made."""

    def run(source: str, attacks: int) -> str:
        said = execute(case_board, source, timeout_ms=attacks * _ATTACK_MS)
        case_board.reset()
        case_board.read()
        wait_for_prompt(case_board)
        return said

    return Arena(run)


@pytest.mark.parametrize("attack", listed(), ids=lambda attack: attack.name)
def test_attack(attack: Attack, arena: Arena) -> None:
    said = arena.said(attack.name)
    found = outcomes(said).get(attack.name)
    assert found == attack.outcome, said.partition(f"attack {attack.name}: ")[2][:2000] or said
    assert not set(said) & CONTROLS


def test_a_kill_that_a_service_keeps_is_not_taken_for_the_operators(
    case_board: EmulatedBoard,
) -> None:
    said = execute(case_board, KEEP_A_KILL, timeout_ms=_ATTACK_MS)
    assert said == f"1 {EXCEPTION} True\n"


def test_a_hard_step_sets_no_callback(case_board: EmulatedBoard) -> None:
    said = execute(case_board, ATTACK_IN_AN_INTERRUPT, timeout_ms=_ATTACK_MS)
    assert said == "True 0 0\n"
