"""One piece of a campaign on the emulated Pico: the same services and judge, in an image."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.emulator.repl import execute, wait_for_prompt
from bulkhead_host.image.application import library_modules, port_modules
from bulkhead_host.image.build import build_image
from bulkhead_host.paths import source_root
from bulkhead_host.system.fold import fold_tree

_FAULT_MS = 2_000  # of the board's time: what one takes at most, and beyond

_PROGRAM = """\
import json
from cases.judging import run
from cases.ports import CasePort
port = CasePort()
told = run(port, {seed}, {faults}).told()
port.close()
print(json.dumps(told))
"""


def have(seed: int, faults: int) -> dict[str, Any]:
    """Have faults inside services on a board that has just booted."""
    with EmulatedBoard(image=_image()) as board:
        wait_for_prompt(board)
        source = _PROGRAM.format(seed=seed, faults=faults)
        said = execute(board, source, timeout_ms=_FAULT_MS * (faults + 2))
    return dict(json.loads(said.splitlines()[-1]))


@cache
def _image() -> Path:
    """Return the image, which has been built."""
    root = source_root()
    firmware = root / "firmware"
    sources: dict[str, Path] = {
        f"{package}/{path.name}": path
        for package in ("kernel", "plan", "guard")
        for path in (firmware / package).glob("*.py")
    }
    sources |= {**library_modules(), **port_modules("rp2")}
    sources["port/soft.py"] = firmware / "port" / "soft.py"
    for name in ("__init__", "pins", "ports", "rig", "chaos", "mishaps", "judging"):
        sources[f"cases/{name}.py"] = root / "tests" / "cases" / f"{name}.py"
    for path in (root / "services" / "supervisor").glob("*.py"):
        sources[f"services/supervisor/{path.name}"] = path
    return build_image(files=fold_tree(sources, firmware)).path
