"""Programs that a test starts, and that do not outlive it."""

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def started(
    command: Sequence[str | Path],
    *,
    terminal: int | None = None,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Iterator[subprocess.Popen[str]]:
    """Run a program while the block runs: on a terminal, or with pipes for its output."""
    process = subprocess.Popen(
        command,
        stdin=terminal if terminal is not None else subprocess.DEVNULL,
        stdout=terminal if terminal is not None else subprocess.PIPE,
        stderr=terminal if terminal is not None else subprocess.PIPE,
        text=True,
        cwd=folder,
        env=environment,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()
