"""Check what is to be frozen into an image, and write the manifest that freezes it."""

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from bulkhead_host.errors import UsageError
from bulkhead_host.files import python_files, read_text
from bulkhead_host.paths import source_root

# Modules that MicroPython's rp2 port freezes by itself.
_PORT_MODULES = ("_boot.py", "_boot_fat.py", "rp2.py")
# What is loaded again whenever its service is started again, and the name it is looked up by.
_SERVICE = "/service.py"
_LOOKED_UP = "/service/__init__.py"


def stock_modules() -> dict[str, bytes]:
    """Return the modules that MicroPython's own images have and its bare sources lack.

    They are `firmware/modules`, written for this project: neopixel, dht, onewire, ds18x20.
    """
    folder = source_root() / "firmware" / "modules"
    return read_files({file.name: file for file in python_files(folder)})


def read_files(files: Mapping[str, Path | bytes]) -> dict[str, bytes]:
    """Return the files' contents, in the order of their paths.

    Raises `UsageError` for a path that is no relative path to a `.py` file, or a source that
    cannot be read.
    """
    return {path: _content(path, files[path]) for path in sorted(files)}


def manifest_text(modules: Iterable[str], folder: str) -> str:
    """Return the manifest that freezes `modules`, as `frozen_lines`, and the stock modules."""
    lines = [
        *frozen_lines(modules, folder),
        f'freeze("$(PORT_DIR)/modules", {_PORT_MODULES!r})',
        'include("$(MPY_DIR)/extmod/asyncio")',
    ]
    return "\n".join(lines) + "\n"


def frozen_lines(modules: Iterable[str], folder: str) -> list[str]:
    """Return the lines of a manifest that freeze `modules` (`.mpy` in `folder`).

    Every file is named, since freezing a folder takes its files in the order of the disk. Services
    go first: MicroPython looks for a module by comparing names from the first frozen one on. The
    modules of `stock_modules` go last.
    """
    stock = stock_modules()
    ordered = sorted(modules, key=lambda name: (name in stock, not name.endswith(_SERVICE), name))
    names = [name.removesuffix(".py") + ".mpy" for name in ordered]
    return [f"freeze_mpy({folder!r}, {name!r})" for name in names]


def mended(frozen: str) -> str:
    """Return `frozen_content.c` as the image needs it.

    Machine code is aligned on words. A Thumb function loads its 32-bit constants relative to the
    program counter rounded down to a word, so it must begin on one, as it does when a `.mpy` is
    loaded into RAM; mpy-tool.py of MicroPython 1.26 asks the linker for half-words only, and every
    constant above 255 of a badly placed function reads as something else.

    A service is looked up as a package: MicroPython looks for a folder before it looks for a file,
    and would compare all names in vain, 0.13 ms of a restart. Tracebacks have the file's own name.
    """
    aligned = frozen.replace("__attribute__ ((aligned (2)))", "__attribute__ ((aligned (4)))")
    return aligned.replace(f'{_SERVICE}\\0"', f'{_LOOKED_UP}\\0"')


def _content(path: str, source: Path | bytes) -> bytes:
    pure = PurePosixPath(path)
    if pure.suffix != ".py" or pure.is_absolute() or ".." in pure.parts:
        raise UsageError(f"{path} cannot be frozen: it is no relative path to a .py file")
    if isinstance(source, bytes):
        return source
    try:
        return read_text(source).encode()
    except OSError as error:
        raise UsageError(f"{source} cannot be read: {error.strerror}") from error
