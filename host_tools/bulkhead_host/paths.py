"""Where things are: the source tree this package was installed from, and the cache outside it."""

import os
from pathlib import Path

import platformdirs


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
