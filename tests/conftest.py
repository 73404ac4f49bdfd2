"""The five rings: a marker for each by its folder, quick ones first."""

import os
import signal
import tomllib
from pathlib import Path
from typing import Any

import pytest

from bulkhead_host.paths import cache_dir

# In the order they run: what fails early should be cheap to find.
RINGS = ("model", "sim", "unix", "host", "device")
_TESTS = Path(__file__).parent
LEFT_OUT = _TESTS / "left_out.toml"


def pytest_configure() -> None:
    """Have a device key for tests, and let Ctrl-C work in programs that they start.

    It would not where a shell started this with `&`. Such a shell has SIGINT ignored, and
    children inherit that; a handler they do not inherit.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ["BULKHEAD_KEY"] = str(cache_dir() / "test.key")  # not the user's own


def pytest_runtest_setup() -> None:
    """Let no program that a test starts take this terminal's width for its own.

    Readline, which pytest's debugger loads, puts that into the environment.
    """
    for name in ("COLUMNS", "LINES"):
        os.environ.pop(name, None)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark each test with its ring and sort by ring; within one the order of the files stays.

    Where pytest-xdist shares the tests out, the rings with the longest files go first.
    """
    for item in items:
        item.add_marker(ring(item.path))
    _leave_out(config, items)
    if hasattr(config, "workerinput"):
        _put_long_ones_first(items)
    else:
        items.sort(key=lambda item: RINGS.index(ring(item.path)))


def _put_long_ones_first(items: list[pytest.Item]) -> None:
    """Sort by ring, the last first.

    Of the device ring, though, only its first file goes before `sim`: where MicroPython is still
    to be built the others that take an image wait for that, and `sim` takes none.
    """
    first = next((item.path for item in items if ring(item.path) == "device"), None)

    def place(item: pytest.Item) -> tuple[bool, bool, int]:
        name = ring(item.path)
        return (item.path != first, name != "sim", -RINGS.index(name))

    items.sort(key=place)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Have `-n auto` be one more than there are cores: a test may wait for a port or a lock."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Have `--dist loadfile` give long files out first, and small ones at the end."""
    if config.getoption("dist") != "loadfile":
        return None
    from sharing import LongFirst  # noqa: PLC0415  (needs xdist)

    return LongFirst(config, log)


def _left_out(table: str) -> dict[str, str]:
    """Return the tests that are left out, each with the reason: `fault` or `long`."""
    return dict(tomllib.loads(LEFT_OUT.read_text(encoding="utf-8"))[table])


def pytest_report_header() -> str:
    """Say what is left out, so that no green run hides it."""
    faults, long = len(_left_out("fault")), len(_left_out("long"))
    return f"left out: {faults} known faults (BULKHEAD_ALL_TESTS=1), {long} long (make test-long)"


def _leave_out(config: pytest.Config, items: list[pytest.Item]) -> None:
    if os.environ.get("BULKHEAD_ALL_TESTS"):
        return
    wants_long = bool(os.environ.get("BULKHEAD_LONG_TESTS"))
    long, faults = _left_out("long"), _left_out("fault")

    def is_left_out(name: str) -> bool:
        is_long = any(one in name for one in long)
        return is_long != wants_long or any(one in name for one in faults)

    left_out: list[pytest.Item] = []
    stays: list[pytest.Item] = []
    for item in items:
        (left_out if is_left_out(item.nodeid) else stays).append(item)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = stays


def ring(path: Path) -> str:
    """Return the ring of a test file: the name of its folder under `tests`."""
    name = path.relative_to(_TESTS).parts[0]
    if name not in RINGS:
        raise pytest.UsageError(f"{path} is in no ring: move it to one of {', '.join(RINGS)}")
    return name
