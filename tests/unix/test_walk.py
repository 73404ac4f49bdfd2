"""The walker, which looks for what the list of attacks has forgotten, on the unix port."""

import re
import subprocess
from pathlib import Path

_DEPTH = 6
_MS = 20_000
_TIMEOUT_S = 300


def _walk(micropython: Path, firmware: Path, folder: Path, *, seals: bool) -> list[str]:
    """Return what the walker finds, and at the end its fault."""
    tests = Path(__file__).parents[1]
    program = f"from attacks import stage\nstage.walk({_DEPTH}, {_MS}, {seals})"
    done = subprocess.run(
        [micropython, "-X", "heapsize=64M", "-c", program],
        env={"MICROPYPATH": f"{firmware}:{tests}:.frozen"},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=True,
    )
    lines = done.stdout.splitlines()
    return [line for line in lines[:-1] if line.startswith("found ")] + lines[-1:]


def test_nothing_within_reach_takes_a_store_or_is_what_a_manifest_names(
    micropython: Path, folded_firmware: Path, tmp_path: Path
) -> None:
    *found, fault = _walk(micropython, folded_firmware, tmp_path, seals=True)
    assert len(found) == 1, found
    objects = re.fullmatch(r"found objects: (\d+)", found[0])
    assert objects, found
    assert int(objects[1]) > 800
    assert fault == "none "


def test_where_nothing_is_sealed_the_walker_finds_what_can_be_written(
    micropython: Path, folded_firmware: Path, tmp_path: Path
) -> None:
    found = _walk(micropython, folded_firmware, tmp_path, seals=False)
    stores = {line for line in found if line.startswith("found store ")}
    assert "found store task.__class__" in stores
    assert any("__globals__" in line for line in stores)
