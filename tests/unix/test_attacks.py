"""Every attack under MicroPython's unix port: what becomes of it is what the README says."""

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from attack_table import CONTROLS, only_on_an_image
from bulkhead_host.qualify.attacks import Attack, listed, outcomes

_TIMEOUT_S = 300
_AT_ONCE = 6  # most of its time an attack waits
_ATTACKS = [attack for attack in listed() if attack.name not in only_on_an_image()]


@pytest.fixture(scope="module")
def said(
    micropython: Path, folded_firmware: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """Return what a process of its own says for each attack."""
    tests = Path(__file__).parents[1]
    folder = tmp_path_factory.mktemp("attacks")

    def run(attack: Attack) -> str:
        done = subprocess.run(
            [micropython, "-c", f"from attacks.stage import run\nrun({attack.name!r})"],
            env={"MICROPYPATH": f"{folded_firmware}:{tests}:.frozen"},
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
        return done.stdout + done.stderr

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        names = (attack.name for attack in _ATTACKS)
        return dict(zip(names, pool.map(run, _ATTACKS), strict=True))


@pytest.mark.parametrize("attack", _ATTACKS, ids=lambda attack: attack.name)
def test_attack(attack: Attack, said: dict[str, str]) -> None:
    text = said[attack.name]
    assert outcomes(text).get(attack.name) == attack.outcome, text
    assert not set(text) & CONTROLS
