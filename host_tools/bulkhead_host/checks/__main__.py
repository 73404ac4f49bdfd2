"""`make check`: run every check on the source tree; one line a check, then what it found."""

import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from bulkhead_host.checks.data import check_applications, check_boards
from bulkhead_host.checks.layers import check_layers
from bulkhead_host.checks.ruff import check_format, check_lint
from bulkhead_host.checks.style import check_style, unusual_sizes
from bulkhead_host.checks.text import check_text
from bulkhead_host.checks.types import (
    check_device_types,
    check_host_types,
    check_simulator_types,
)
from bulkhead_host.errors import BulkheadError
from bulkhead_host.paths import source_root
from bulkhead_host.problem import Problem


def checks(root: Path) -> dict[str, Callable[[], list[Problem]]]:
    """Return every check of a source tree, by its name, quick ones first."""
    work = root / "build" / "types"
    return {
        "format": lambda: check_format(root),
        "lint": lambda: check_lint(root),
        "layers": lambda: check_layers(root),
        "style": lambda: check_style(root),
        "text": lambda: check_text(root),
        "boards": lambda: check_boards(root),
        "applications": lambda: check_applications(root),
        "pico types": lambda: check_device_types(root, work=work / "pico"),
        "esp32 types": lambda: check_device_types(root, work=work / "esp32", board="esp32"),
        "sim types": lambda: check_simulator_types(root, work=work),
        "host types": lambda: check_host_types(root),
    }


def _timed(name: str) -> tuple[list[Problem], float]:
    """Run a check of this tree; return what it found, and the seconds it took."""
    begin = time.monotonic()
    return checks(source_root())[name](), time.monotonic() - begin


def _shown(name: str, problems: list[Problem], seconds: float) -> int:
    """Print a check's line, and what it found; return how much that is."""
    verdict = f"{len(problems)} wrong" if problems else "ok"
    print(f"check: {name:<13} {verdict:<13} {seconds:5.1f} s", flush=True)
    for problem in problems:
        print(f"  {problem.from_here()}", flush=True)
    return len(problems)


def main() -> int:
    """Print what is wrong with the tree and return the exit code: 0 when nothing is."""
    root = source_root()
    names = list(checks(root))
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        # What takes longest begins first, so that all cores have work to the end.
        running = {name: pool.submit(_timed, name) for name in reversed(names)}
        failed = sum(_shown(name, *running[name].result()) for name in names)
    print(f"check: {len(unusual_sizes(root))} functions and modules are longer than usual")
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BulkheadError as error:
        sys.exit(f"bulkhead: {error.cause}\n  try: {error.next_step}")
