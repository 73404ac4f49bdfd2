"""Run the programs a build consists of, and keep what they said for the person who must act."""

import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from bulkhead_host.errors import BulkheadError
from bulkhead_host.files import write_text

# How compilers, Python and the system begin to say what is wrong.
_REASON = re.compile(r"\berror: |^\w*Error: |No space left on device", re.IGNORECASE)


class ProgramFailed(Exception):
    """A program exited with a code other than zero; `output` is all it printed."""

    def __init__(self, command: Sequence[str], code: int, output: str) -> None:
        super().__init__(f"{Path(command[0]).name} exited with code {code}")
        self.output = output

    @property
    def reason(self) -> str:
        """Return the line that tells what is wrong, or else the last one."""
        for line in self.output.splitlines():
            if _REASON.search(line):
                return line.strip()
        return self.last_line

    @property
    def last_line(self) -> str:
        """Return the last line the program printed, for a one-line cause."""
        lines = [line.strip() for line in self.output.splitlines() if line.strip()]
        return lines[-1] if lines else str(self)


def run(
    command: Sequence[str],
    *,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Run a program to its end and return its standard output.

    Raises `ProgramFailed` when it exits with another code than zero or is not there at all.
    """
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except FileNotFoundError as error:
        raise ProgramFailed(command, 127, f"{command[0]}: not found") from error
    if done.returncode:
        raise ProgramFailed(command, done.returncode, done.stdout + done.stderr)
    return done.stdout


def run_logged(command: Sequence[str], *, environment: Mapping[str, str], log: Path) -> None:
    """Run a program to its end; of one that fails, all it printed is in `log` afterwards.

    Raises `BulkheadError` with the line that tells why.
    """
    try:
        run(command, environment=environment)
    except ProgramFailed as error:
        write_text(log, error.output)
        raise BulkheadError(f"{error}: {error.reason}", f"read {log}") from error
