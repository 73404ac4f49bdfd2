"""The five rings: a marker for each by its folder, quick ones first."""

import os
import signal
from pathlib import Path

import pytest

from bulkhead_host.paths import cache_dir

# In the order they run: what fails early should be cheap to find.
RINGS = ("model", "sim", "unix", "host", "device")
_TESTS = Path(__file__).parent


def pytest_configure() -> None:
    """Have a device key for tests, and let Ctrl-C work in programs that they start.

    It would not where a shell started this with `&`. Such a shell has SIGINT ignored, and
    children inherit that; a handler they do not inherit.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ["BULKHEAD_KEY"] = str(cache_dir() / "test.key")  # not the user's own


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with its ring and sort by ring; within one the order of the files stays."""
    for item in items:
        item.add_marker(ring(item.path))
    items.sort(key=lambda item: RINGS.index(ring(item.path)))


def ring(path: Path) -> str:
    """Return the ring of a test file: the name of its folder under `tests`."""
    name = path.relative_to(_TESTS).parts[0]
    if name not in RINGS:
        raise pytest.UsageError(f"{path} is in no ring: move it to one of {', '.join(RINGS)}")
    return name
