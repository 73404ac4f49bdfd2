"""Modules that are neither in the image nor in the application: the import fails on the board."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from bulkhead_host.files import NotText, read_text
from bulkhead_host.system.reading.lacking import names
from bulkhead_host.system.reading.source import Finding, Source
from bulkhead_host.system.tree import walk

# What is Python in an image, or in the images of some boards only.
_OTHERS = frozenset(
    {
        *("asyncio", "bluetooth", "dht", "ds18x20", "lwip", "micropython", "neopixel", "network"),
        *("ntptime", "onewire", "requests", "socket", "ssl", "tls", "uasyncio", "webrepl"),
        *("guard", "kernel", "plan", "port"),
        *("__future__", "services"),
    }
)


def wrong_modules(source: Source) -> Iterator[Finding]:
    """Find imports of modules that nothing brings.

    What a package brings beside itself is not known here: with packages in the application only
    modules of CPython are told.
    """
    if source.board is None or source.board.port != "rp2":
        return
    for node in walk(source.tree):
        modules: list[str] = []
        match node:
            case ast.Import(names=given):
                modules = [one.name for one in given]
            case ast.ImportFrom(module=str(module), level=0):
                modules = [module]
        for module in modules:
            name = module.partition(".")[0]
            if isinstance(node, ast.stmt) and _is_nowhere(source, name):
                yield Finding(
                    line=node.lineno,
                    text=f"there is no module {name}: not in the image, nor in the application",
                    next_step=f"lib/{name}.py, or packages in system.toml, or leave it out",
                )


def _is_nowhere(source: Source, name: str) -> bool:
    if (
        name.startswith(("_", "bulkhead"))
        or name in _OTHERS
        or name in names()
        or name[1:] in names()
    ):
        return False
    folder = source.application
    if source.service.folder.parent != folder or _brings(folder, name):
        return False
    text = _system(folder)
    return name in sys.stdlib_module_names or "packages" not in text


def _brings(folder: Path, name: str) -> bool:
    """Tell whether an application has a module of a name, or names a package of it."""
    lib = folder / "lib"
    is_there = (lib / f"{name}.py").is_file() or (lib / name).is_dir()
    return is_there or f'"{name}' in _system(folder)


def _system(folder: Path) -> str:
    try:
        return read_text(folder / "system.toml")
    except (OSError, NotText):
        return ""
