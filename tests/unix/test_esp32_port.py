"""The ESP32 port on the unix port, over a stand-in for the chip's `machine`.

Nothing here says how the chip behaves. It shows that the port keeps the contract: the cases of
messages and scheduling, and its lines, crash memory and watchdog.
"""

import ast
import subprocess
from pathlib import Path

import pytest

from bulkhead_host.qualify.cases import case_ids

_TESTS = Path(__file__).parents[1]
_FAKE = _TESTS / "esp32_fake"
_TIMEOUT_S = 300
# The port cannot kill at the interrupt level, and the signal that stands for its kill comes late.
_NOT_HERE = (
    "scheduling:test_spinning_service_at_the_interrupt_level_is_killed",
    "scheduling:test_kill_as_the_step_ends_harms_nobody_else",
)
_CASES = [case for case in case_ids(modules=("messages", "scheduling")) if case not in _NOT_HERE]


def _run(micropython: Path, firmware: Path, source: str) -> str:
    """Return what `source` printed; `ok` is last when it passed."""
    done = subprocess.run(
        [micropython, "-c", source],
        env={"MICROPYPATH": f"{_FAKE}:{firmware}:{_TESTS}:.frozen"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    return done.stdout + done.stderr


def _checks() -> list[str]:
    for node in ast.parse((_FAKE / "devices.py").read_text()).body:
        match node:
            case ast.Assign(targets=[ast.Name(id="CHECKS")], value=ast.Tuple(elts=names)):
                return [name.id for name in names if isinstance(name, ast.Name)]
    raise AssertionError("devices.py has no CHECKS")


@pytest.mark.parametrize("case", _CASES)
def test_case(case: str, micropython: Path, folded_firmware: Path) -> None:
    module, name = case.split(":")
    source = f"from cases.run import run\nrun({module!r}, {name!r})\nprint('ok')"
    said = _run(micropython, folded_firmware, source)
    assert said.endswith("ok\n"), said


@pytest.mark.parametrize("name", _checks())
def test_devices(name: str, micropython: Path, folded_firmware: Path) -> None:
    said = _run(micropython, folded_firmware, f"from devices import check\ncheck({name!r})")
    assert said.endswith("ok\n"), said
