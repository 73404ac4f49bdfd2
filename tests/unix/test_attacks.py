"""Every attack under MicroPython's unix port: what becomes of it is what the README says."""

import subprocess
from pathlib import Path

import pytest

from attack_table import Attack, listed

_TIMEOUT_S = 300


@pytest.mark.parametrize("attack", listed(), ids=lambda attack: attack.name)
def test_attack(attack: Attack, micropython: Path, folded_firmware: Path, tmp_path: Path) -> None:
    tests = Path(__file__).parents[1]
    done = subprocess.run(
        [micropython, "-c", f"from attacks.stage import run\nrun({attack.name!r})"],
        env={"MICROPYPATH": f"{folded_firmware}:{tests}:.frozen"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    assert done.stdout.startswith(attack.outcome + "\n"), done.stdout + done.stderr
