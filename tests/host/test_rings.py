"""The rings: marked by their folders, quick ones first, each to be run alone."""

import subprocess
import sys

import pytest
from conftest import RINGS

from bulkhead_host.paths import source_root


def _collected(*arguments: str) -> list[str]:
    """Return the ring of each test that pytest would run, in order."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "--quiet", *arguments]
    done = subprocess.run(command, cwd=source_root(), capture_output=True, text=True, check=False)
    tests = [line for line in done.stdout.splitlines() if "::" in line]
    return [line.split("/")[1] for line in tests]


def test_every_ring_has_tests_and_they_run_in_order() -> None:
    rings = _collected()
    assert sorted(set(rings)) == sorted(RINGS)
    assert rings == sorted(rings, key=RINGS.index)


@pytest.mark.parametrize("ring", RINGS)
def test_a_ring_can_be_run_alone_by_its_marker(ring: str) -> None:
    alone = _collected("-m", ring)
    assert set(alone) == {ring}
    assert len(alone) == _collected(f"tests/{ring}").count(ring)
