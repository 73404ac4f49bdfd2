"""What a check found, and which files it looks at."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from bulkhead_host.errors import BulkheadError


@dataclass(frozen=True, kw_only=True, order=True)
class Problem:
    """One thing wrong: where, by a path from the root of the tree, and what to do about it."""

    path: Path
    line: int = 0
    text: str = ""

    def __str__(self) -> str:
        place = f"{self.path.as_posix()}:{self.line}" if self.line else self.path.as_posix()
        return f"{place}: {self.text}"


def tree_files(root: Path) -> list[Path]:
    """Return the files of a tree that git keeps or would take, from the root, in order.

    Raise BulkheadError where git does not know the tree.
    """
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    except FileNotFoundError:
        raise BulkheadError("git is not installed", "apt install git") from None
    except subprocess.CalledProcessError as error:
        raise BulkheadError(f"git: {error.stderr.strip()}", "check a clone of the tree") from None
    names = sorted(set(done.stdout.split("\0")) - {""})
    return [Path(name) for name in names if (root / name).is_file()]


def python_files(root: Path, *folders: str) -> list[Path]:
    """Return the Python files under folders of a tree, from its root, in order."""
    found = (file for folder in folders for file in (root / folder).rglob("*.py"))
    return sorted(file.relative_to(root) for file in found)
