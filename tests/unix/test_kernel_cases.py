"""Every kernel case under MicroPython's unix port: real time, a thread for the tick.

The machine may be busy for the moment that a case is about, so one that fails is given a second
chance. What is wrong with the kernel fails twice.
"""

import subprocess
from pathlib import Path

import pytest

from case_list import ON_MICROPYTHON, case_ids

_TIMEOUT_S = 60


@pytest.mark.parametrize("case", case_ids(modules=ON_MICROPYTHON))
def test_case(case: str, micropython: Path, folded_firmware: Path) -> None:
    output = _run(case, micropython, folded_firmware)
    if not output.endswith("ok\n"):
        output = _run(case, micropython, folded_firmware)
    assert output.endswith("ok\n"), output


def _run(case: str, micropython: Path, firmware: Path) -> str:
    """Return what a run of the case printed; `ok` is last when it passed."""
    tests = Path(__file__).parents[1]
    try:
        done = subprocess.run(
            [micropython, tests / "cases" / "run.py", *case.split(":")],
            env={"MICROPYPATH": f"{firmware}:{tests}:.frozen"},
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no end after {_TIMEOUT_S} s\n"
    return done.stderr + done.stdout
