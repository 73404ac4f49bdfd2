"""The rings: marked by their folders, quick ones first, each to be run alone."""

import subprocess
import sys

from conftest import RINGS

from bulkhead_host.paths import source_root


def _collected(*arguments: str) -> list[str]:
    """Return the ring of each test that pytest would run, in order."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "--quiet", *arguments]
    done = subprocess.run(command, cwd=source_root(), capture_output=True, text=True, check=False)
    tests = [line for line in done.stdout.splitlines() if "::" in line]
    return [line.split("/")[1] for line in tests]


def test_the_rings_run_in_order_and_alone_by_their_markers() -> None:
    rings = _collected()
    assert sorted(set(rings)) == sorted(RINGS)
    assert rings == sorted(rings, key=RINGS.index)
    wanted = {RINGS[0], RINGS[-1]}
    assert _collected("-m", " or ".join(wanted)) == [ring for ring in rings if ring in wanted]
