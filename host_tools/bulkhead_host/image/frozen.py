"""Check what is to be frozen into an image, and write the manifest that freezes it."""

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from bulkhead_host.errors import UsageError

# Modules that MicroPython's rp2 port freezes by itself.
_PORT_MODULES = ("_boot.py", "_boot_fat.py", "rp2.py")


def read_files(files: Mapping[str, Path | bytes]) -> dict[str, bytes]:
    """Return the files' contents, in the order of their paths.

    Raises `UsageError` for a path that is no relative path to a `.py` file, or a source that
    cannot be read.
    """
    return {path: _content(path, files[path]) for path in sorted(files)}


def manifest_text(modules: Iterable[str], folder: str) -> str:
    """Return the manifest that freezes the stock modules and `modules` (`.mpy` in `folder`).

    Every file is named, since freezing a folder takes its files in the order of the disk.
    """
    lines = [
        f'freeze("$(PORT_DIR)/modules", {_PORT_MODULES!r})',
        'include("$(MPY_DIR)/extmod/asyncio")',
        *(f"freeze_mpy({folder!r}, {module!r})" for module in sorted(modules)),
    ]
    return "\n".join(lines) + "\n"


def _content(path: str, source: Path | bytes) -> bytes:
    pure = PurePosixPath(path)
    if pure.suffix != ".py" or pure.is_absolute() or ".." in pure.parts:
        raise UsageError(f"{path} cannot be frozen: it is no relative path to a .py file")
    if isinstance(source, bytes):
        return source
    try:
        return source.read_bytes()
    except OSError as error:
        raise UsageError(f"{source} cannot be read: {error.strerror}") from error
