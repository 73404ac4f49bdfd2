"""In which order modules are loaded from a file system, so that none is loaded within another.

To read a module takes about 2 KB of MicroPython's 8 KB stack, and 0.5 KB more for each import that
it is nested in; what runs meanwhile, the tick before all, needs some of it too.
"""

import ast
from collections.abc import Iterator, Mapping

from bulkhead_host.system.imports import imports

MAIN = "main.py"
_SERVICES = "services."
_PRELUDE = """\
import gc

# Each after those it imports: nested, they would take more stack than there is. To read one takes
# 1.3 KB of heap for a while; what is not collected before the next leaves a hole of its size.
for name in (
{names}
):
    gc.collect()
    __import__(name)

"""


def with_prelude(sources: Mapping[str, bytes]) -> bytes:
    """Return the source of `main.py`, which first loads what it and the services import.

    Each module comes after those it imports itself. Not among them are the services' own modules,
    which are loaded with them, nor what is imported within functions.
    """
    trees = {_module(path): ast.parse(source) for path, source in sources.items()}
    order: dict[str, None] = {}
    for name in (_module(MAIN), *(name for name in trees if name.startswith(_SERVICES))):
        for needed in _needed(trees, name):
            _visit(trees, needed, order)
    names = "\n".join(f'    "{name}",' for name in order)
    return _PRELUDE.format(names=names).encode() + sources[MAIN]


def _visit(trees: Mapping[str, ast.Module], name: str, order: dict[str, None]) -> None:
    if name in order:
        return
    for needed in _needed(trees, name):
        _visit(trees, needed, order)
    order[name] = None


def _needed(trees: Mapping[str, ast.Module], name: str) -> Iterator[str]:
    """Yield the modules, services' aside, that the loading of one loads."""
    for found in imports(trees[name]):
        for needed in (found.name, found.name.rpartition(".")[0]):
            if found.at_load and needed in trees and not needed.startswith(_SERVICES):
                yield needed


def _module(path: str) -> str:
    return path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
