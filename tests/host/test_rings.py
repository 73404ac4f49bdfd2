"""The rings: marked by their folders, quick ones first, each to be run alone."""

import subprocess
import sys

from conftest import RINGS

from bulkhead_host.paths import source_root

# One of each ring's files that are quick to read: all of them take seconds.
_FILES = {"model": "test_explorer.py", "sim": "test_ages.py", "unix": "test_mqtt.py"}


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
    *first, last = RINGS[:3]
    files = [f"tests/{ring}/{_FILES[ring]}" for ring in (last, *first)]
    found = _collected(*files, "-m", f"not {last}")
    assert list(dict.fromkeys(found)) == first
    assert found == sorted(found, key=RINGS.index)
    assert set(_collected(*files, "-m", last)) == {last}
