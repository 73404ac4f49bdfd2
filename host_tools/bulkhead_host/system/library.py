"""Modules that an application takes into the image and that are no service's: `system.packages`.

They are drivers as they are published, and code that several services share.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

from bulkhead_host.system.fields import Fields

LIBRARY = "lib"
"""The folder of an application where its own are, as on MicroPython's boards."""

_OF_THE_BOARD = ("boot", "bulkhead", "guard", "kernel", "main", "port", "services")


def read_packages(table: Fields, application: Path) -> tuple[tuple[str, Path], ...]:
    """Return the modules that an application takes into the image: each a file, or a folder."""
    found = []
    for index, name in enumerate(table.texts("packages")):
        line = table.document.line(*table.keys, "packages", index)
        if name in _OF_THE_BOARD or name in sys.stdlib_module_names:
            text = f"system.packages names {name}, which the board has of its own"
            table.report.add(table.document.path, line, text, "give it another name")
        elif path := _place(name, application):
            found.append((name, path))
        else:
            text = f"system.packages names {name}, which is no package of this Python"
            hint = f"pip install it, or put it beside the application: {LIBRARY}/{name}.py"
            table.report.add(table.document.path, line, text, hint)
    return tuple(found)


def _place(name: str, application: Path) -> Path | None:
    """Return the file or folder of a module: the application's own, or one of this Python."""
    own = application / LIBRARY / name
    if not name.isidentifier():
        return None
    if own.with_suffix(".py").is_file():
        return own.with_suffix(".py")
    if own.is_dir():
        return own
    spec = find_spec(name)
    if spec is None:
        return None
    if spec.submodule_search_locations:
        return Path(spec.submodule_search_locations[0])
    return Path(spec.origin) if spec.origin and spec.origin.endswith(".py") else None
