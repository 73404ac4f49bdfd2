"""The five rings: a marker for each by its folder, quick ones first."""

import os
import signal
import tomllib
from pathlib import Path

import pytest

from bulkhead_host.paths import cache_dir

# In the order they run: what fails early should be cheap to find.
RINGS = ("model", "sim", "unix", "host", "device")
_TESTS = Path(__file__).parent
KNOWN_FAULTS = _TESTS / "known_faults.toml"


def pytest_configure() -> None:
    """Have a device key for tests, and let Ctrl-C work in programs that they start.

    It would not where a shell started this with `&`. Such a shell has SIGINT ignored, and
    children inherit that; a handler they do not inherit.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ["BULKHEAD_KEY"] = str(cache_dir() / "test.key")  # not the user's own


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark each test with its ring and sort by ring; within one the order of the files stays."""
    for item in items:
        item.add_marker(ring(item.path))
    _leave_out_known_faults(config, items)
    items.sort(key=lambda item: RINGS.index(ring(item.path)))


def _known_faults() -> dict[str, str]:
    """Return the tests that show a fault nobody has mended yet, each with what is wrong."""
    return dict(tomllib.loads(KNOWN_FAULTS.read_text(encoding="utf-8"))["fault"])


def pytest_report_header() -> str:
    """Say which faults are known, so that no green run hides them."""
    return f"known faults, left out unless BULKHEAD_ALL_TESTS is set: {len(_known_faults())}"


def _leave_out_known_faults(config: pytest.Config, items: list[pytest.Item]) -> None:
    if os.environ.get("BULKHEAD_ALL_TESTS"):
        return
    faults = tuple(_known_faults())
    left_out = [item for item in items if any(fault in item.nodeid for fault in faults)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def ring(path: Path) -> str:
    """Return the ring of a test file: the name of its folder under `tests`."""
    name = path.relative_to(_TESTS).parts[0]
    if name not in RINGS:
        raise pytest.UsageError(f"{path} is in no ring: move it to one of {', '.join(RINGS)}")
    return name
