"""Which files of the tree the checks look at."""

import subprocess
from pathlib import Path

from bulkhead_host.errors import BulkheadError


def tree_files(root: Path) -> list[Path]:
    """Return the files of a tree that git keeps or would take, from the root, in order.

    Raise BulkheadError where git does not know the tree.
    """
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(
            command, cwd=root, capture_output=True, encoding="utf-8", errors="replace", check=True
        )
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
