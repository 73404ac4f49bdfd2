"""Every kernel case under MicroPython's unix port: real time, a thread for the tick."""

import subprocess
from pathlib import Path

import pytest

from bulkhead_host.qualify.cases import ON_UNIX, case_ids

_TIMEOUT_S = 300


@pytest.mark.parametrize("case", case_ids(modules=ON_UNIX))
def test_case(case: str, micropython: Path, folded_firmware: Path) -> None:
    tests = Path(__file__).parents[1]
    done = subprocess.run(
        [micropython, tests / "cases" / "run.py", *case.split(":")],
        env={"MICROPYPATH": f"{folded_firmware}:{tests}:.frozen"},
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    assert done.stdout.endswith("ok\n"), done.stderr + done.stdout
