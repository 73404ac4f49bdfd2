"""The words that a kernel begins with, worked out at build time by `firmware/plan/words.py`."""

import sys
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from bulkhead_host.files import read_text
from bulkhead_host.paths import source_root
from bulkhead_host.system.fold import fold, load_constants


def words_of(rows: Sequence[object]) -> bytes:
    """Return the words of a system's table as the board keeps them: 32 bits, little endian.

    Raises ValueError for a table that no kernel can be made of; `check` finds those before.
    """
    words = _lay_out()(rows)
    if sys.byteorder == "big":
        words.byteswap()
    return bytes(words.tobytes())


@cache
def _lay_out() -> Callable[[Sequence[object]], Any]:
    firmware = source_root() / "firmware"
    file = firmware / "plan" / "words.py"
    space: dict[str, Any] = {}
    source = fold(read_text(file), load_constants(firmware))
    exec(compile(source, str(file), "exec"), space)
    found: Callable[[Sequence[object]], Any] = space["lay_out"]
    return found
