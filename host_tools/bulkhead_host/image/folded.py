"""Trees that were folded before: kept in the cache folder, by what they were made of.

Folding takes two seconds for an application, and nearly every command does it.

    cache/folded/KEY/files.json     {path on the board: folded source}
"""

import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

from bulkhead_host import system
from bulkhead_host.files import python_files, write_text
from bulkhead_host.image.cache import digest, keep_newest
from bulkhead_host.paths import cache_dir
from bulkhead_host.system.fold import CONSTANT_MODULES, fold_tree

_KEPT = 64
_FILE = "files.json"


def folded_tree(files: Mapping[str, Path], firmware: Path) -> dict[str, bytes]:
    """Return what `fold_tree` makes of a whole image's files, or has made of the same before.

    Raises as it does. A cache that cannot be written costs time and nothing else.
    """
    key = _key(files, firmware)
    kept = cache_dir() / "folded" / key / _FILE
    # A file that is not there, or is no JSON, is made anew.
    with suppress(OSError, ValueError):
        texts = json.loads(kept.read_bytes())
        os.utime(kept.parent)
        return {name: text.encode() for name, text in texts.items()}
    folded = fold_tree(files, firmware, is_whole=True)
    if _key(files, firmware) == key:  # nobody saved a file meanwhile
        with suppress(OSError):
            write_text(kept, json.dumps({name: text.decode() for name, text in folded.items()}))
            keep_newest(kept.parent.parent, _KEPT)
    return folded


def _key(files: Mapping[str, Path], firmware: Path) -> str:
    constants = [firmware / (module.replace(".", "/") + ".py") for module in CONSTANT_MODULES]
    parts: list[str | bytes] = [path.read_bytes() for path in constants]
    for name, path in sorted(files.items()):
        parts += [name, path.read_bytes()]
    return digest(_makers(), *parts)


@cache
def _makers() -> str:
    """Return a digest of the code that folds, and of the Python that parses and unparses."""
    sources = python_files(Path(system.__path__[0]))
    return digest(sys.version, *(path.read_bytes() for path in sources))
