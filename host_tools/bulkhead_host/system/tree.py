"""Python sources as trees: each is parsed and walked once, however many checks look at it.

Such a tree belongs to all of them: who changes one (`merge`, `quicken`) parses its own.
"""

import ast
from functools import lru_cache

_SOURCES_KEPT = 128
_WALKS_KEPT = 2048  # of trees, and of the functions in them


@lru_cache(maxsize=_SOURCES_KEPT)
def tree_of(source: str | bytes, name: str) -> ast.Module:
    """Return the tree of a source. Raises what `ast.parse` raises."""
    return ast.parse(source, name)


@lru_cache(maxsize=_WALKS_KEPT)
def walk(tree: ast.AST) -> tuple[ast.AST, ...]:
    """Return a node and all below it, in the order of `ast.walk`."""
    return tuple(ast.walk(tree))
