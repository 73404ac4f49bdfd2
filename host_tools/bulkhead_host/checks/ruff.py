"""Format and lint, by ruff with the settings of pyproject.toml."""

import subprocess
import sys
from pathlib import Path

from bulkhead_host.problem import Problem


def check_format(root: Path) -> list[Problem]:
    """Return the files that are not laid out as `ruff format` would."""
    output = _ruff(root, "format", "--check", "--output-format=concise")
    return [_problem(line) for line in output.splitlines() if line.count(":") > 1]


def check_lint(root: Path) -> list[Problem]:
    """Return what `ruff check` finds."""
    output = _ruff(root, "check", "--output-format=concise")
    return [_problem(line) for line in output.splitlines() if line.count(":") > 1]


def _ruff(root: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "ruff", *arguments, "."]
    done = subprocess.run(
        command, cwd=root, capture_output=True, encoding="utf-8", errors="replace", check=False
    )
    if done.returncode not in (0, 1):
        return f"ruff:0:0: {done.stderr.strip()}"
    return done.stdout


def _problem(line: str) -> Problem:
    path, number, _, text = line.split(":", 3)
    return Problem(path=Path(path), line=int(number), text=text.strip())
