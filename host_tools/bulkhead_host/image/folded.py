"""Trees that were folded before: kept in the cache folder, by what they were made of.

Folding takes two seconds for an application, and nearly every command does it.

    cache/folded/KEY/files     {path on the board: folded source}
"""

import json
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from bulkhead_host import system
from bulkhead_host.files import python_files, text_of
from bulkhead_host.image.cache import digest, kept
from bulkhead_host.paths import cache_dir
from bulkhead_host.system.fold import CONSTANT_MODULES, fold_tree

_KEPT = 64


def folded_tree(files: Mapping[str, Path], firmware: Path) -> dict[str, bytes]:
    """Return what `fold_tree` makes of a whole image's files, or has made of the same before.

    Raises as it does.
    """
    constants = [firmware / (module.replace(".", "/") + ".py") for module in CONSTANT_MODULES]
    # Each is read once: an editor may save one meanwhile.
    data = {path: path.read_bytes() for path in (*constants, *files.values())}
    parts = [part for name, path in sorted(files.items()) for part in (name, data[path])]
    key = digest(_makers(), *(data[path] for path in constants), *parts)

    def fold() -> bytes:
        made = fold_tree(
            files, firmware, is_whole=True, read=lambda path: text_of(data[path], path)
        )
        return json.dumps({name: text.decode() for name, text in made.items()}).encode()

    texts = json.loads(kept(cache_dir() / "folded" / key / "files", fold, count=_KEPT))
    return {name: text.encode() for name, text in texts.items()}


@cache
def _makers() -> str:
    """Return a digest of the code that folds, and of the Python that parses and unparses."""
    sources = python_files(Path(system.__path__[0]))
    return digest(sys.version, *(path.read_bytes() for path in sources))
