"""Numbers that a board cannot hold: its floats have 32 bits (IEEE 754 binary32)."""

import ast
import struct
from collections.abc import Iterator

from bulkhead_host.system.tree import walk

HINT = "float('inf') is infinity; 3.4e38 is the largest that is not"


def too_large(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the line of each number in a source that is infinity on a board, and what is wrong."""
    for node in walk(tree):
        match node:
            case ast.Constant(value=float() | complex() as value) if not _fits(value):
                text = f"{ast.unparse(node)} is more than a float of the board holds"
                yield node.lineno, text


def _fits(value: complex) -> bool:
    parts = (value,) if isinstance(value, float) else (value.real, value.imag)
    try:
        for part in parts:
            struct.pack("<f", part)  # of infinity too, which a source has as 1e999
    except OverflowError:
        return False
    return not any(part in (float("inf"), float("-inf")) for part in parts)
