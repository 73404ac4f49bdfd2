"""Every kernel case on the emulated Pico: hard timers, real kills, the board's own clock."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.emulator.repl import execute, wait_for_prompt
from bulkhead_host.image.build import build_image
from bulkhead_host.paths import source_root
from bulkhead_host.system.fold import fold_tree
from case_list import CASES, ON_MICROPYTHON, case_ids

# Device milliseconds that no case needs.
_CASE_MS = 20_000


@pytest.fixture(scope="module")
def case_board() -> Iterator[EmulatedBoard]:
    """Yield a board at its prompt with kernel, port and cases frozen in, and nothing started."""
    firmware = source_root() / "firmware"
    sources: dict[str, Path] = {
        f"{package}/{path.name}": path
        for package in ("kernel", "bulkhead")
        for path in (firmware / package).glob("*.py")
    }
    for name in ("__init__", "rp2", "soft"):
        sources[f"port/{name}.py"] = firmware / "port" / f"{name}.py"
    for name in ("__init__", "ports", "rig", "run", *ON_MICROPYTHON):
        sources[f"cases/{name}.py"] = CASES / f"{name}.py"
    with EmulatedBoard(image=build_image(files=fold_tree(sources, firmware)).path) as board:
        wait_for_prompt(board)
        execute(board, "from cases.run import run")
        yield board


@pytest.mark.parametrize("case", case_ids(modules=ON_MICROPYTHON))
def test_case(case: str, case_board: EmulatedBoard) -> None:
    module, name = case.split(":")
    execute(case_board, f"run({module!r}, {name!r})", timeout_ms=_CASE_MS)
