"""Use MicroPython as its makers built it, on a machine that cannot build an image.

The image is taken as it is; the kernel and the services go beside it as a folder of `.mpy` files,
which `deploy` puts on the board's file system.
"""

import hashlib
import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bulkhead_host.errors import BulkheadError, UsageError
from bulkhead_host.files import folder_whole, write_whole
from bulkhead_host.image.cache import Progress, digest, quiet
from bulkhead_host.image.frozen import read_files
from bulkhead_host.image.mpy import compile_module
from bulkhead_host.image.prelude import MAIN, with_prelude
from bulkhead_host.image.recipe import official_board
from bulkhead_host.image.uf2 import read_uf2
from bulkhead_host.paths import cache_dir, mpy_cross_program
from bulkhead_host.system.boards import Board
from bulkhead_host.system.merge import merge

# MicroPython runs these two by name, and only as source.
_SOURCES = ("boot.py", MAIN)
_VERSION = re.compile(rb"MicroPython v(\d+)\.(\d+)\.(\d+)(\S*) on \d{4}-\d\d-\d\d")
# The first byte of what the ESP32's boot loader reads (esp_app_format.h: ESP_IMAGE_HEADER_MAGIC).
_ESP_IMAGE = b"\xe9"
# Versions before it load another .mpy format than the one mpy-cross writes (6.3).
_OLDEST = (1, 23)
_OLDEST_WITH_HARD_TIMERS = (1, 26)
_DOWNLOAD_TIMEOUT_S = 60
_DOWNLOAD_BYTES_MAX = 8 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class OfficialImage:
    """An official image and the folder of modules that makes it run Bulkhead."""

    path: Path
    modules: Path
    sha256: str
    micropython_version: str
    hard_timers: bool


def official_image(
    given: str,
    *,
    board: str = "pico",
    files: Mapping[str, Path | bytes],
    output: Path,
    progress: Progress = quiet,
) -> OfficialImage:
    """Write the image `given` (a file or an http URL) to `output`, and the modules beside it.

    The modules' folder has the name of `output` without its suffix. Raises `UsageError` for a
    file that is no MicroPython for the board or one too old, before anything is written.
    """
    target = official_board(board)
    content = _content(given, target, progress)
    version, suffix = _micropython_version(_flash_content(content, target), target)
    modules = output.with_suffix("")
    write_modules(files, modules, architecture=target.architecture)
    write_whole(output, content)
    return OfficialImage(
        path=output,
        modules=modules,
        sha256=hashlib.sha256(content).hexdigest(),
        micropython_version=".".join(map(str, version)) + suffix,
        hard_timers=version >= _OLDEST_WITH_HARD_TIMERS,
    )


def write_modules(files: Mapping[str, Path | bytes], modules: Path, *, architecture: str) -> None:
    """Compile modules into a folder, whole or not at all, for `deploy` to put on a board."""
    mpy_cross = mpy_cross_program()
    made: dict[str, bytes] = {}
    sources = merge(read_files(files))
    for path, source in sources.items():
        if path in _SOURCES:
            made[path] = with_prelude(sources) if path == MAIN else source
        else:
            made[str(Path(path).with_suffix(".mpy").as_posix())] = compile_module(
                source, path, architecture=architecture, mpy_cross=mpy_cross
            )
    with folder_whole(modules) as folder:
        for path, module in made.items():
            write_whole(folder / path, module)


def _flash_content(content: bytes, board: Board) -> bytes:
    """Return what an image programs; raise `UsageError` when it is none for the board."""
    if board.method == "uf2":
        return read_uf2(content, flash_bytes=board.flash_bytes).data
    if not content.startswith(_ESP_IMAGE):
        raise UsageError(
            "the image is refused: it is none that esptool writes",
            f"give one for the {board.name}",
        )
    return content


def _content(given: str, board: Board, progress: Progress) -> bytes:
    if given.startswith(("http://", "https://")):
        return _downloaded(given, board, progress)
    try:
        return Path(given).read_bytes()
    except OSError as error:
        raise UsageError(f"{given} cannot be read: {error.strerror}") from error


def _downloaded(url: str, board: Board, progress: Progress) -> bytes:
    """Return what the URL serves, kept in the cache once it has been read as an image."""
    kept = cache_dir() / "downloads" / f"{digest(url)[:32]}{Path(url).suffix}"
    if kept.exists():
        return kept.read_bytes()
    progress(f"downloading {url}")
    try:
        with urllib.request.urlopen(url, timeout=_DOWNLOAD_TIMEOUT_S) as answer:
            content: bytes = answer.read(_DOWNLOAD_BYTES_MAX)
    except OSError as error:  # which URLError is
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        reason = getattr(error, "reason", error)
        raise BulkheadError(
            f"{url} cannot be downloaded: {reason}",
            "download it on another machine: bulkhead build --official FILE",
        ) from error
    _flash_content(content, board)
    write_whole(kept, content)
    return content


def _micropython_version(flash: bytes, board: Board) -> tuple[tuple[int, ...], str]:
    """Return the version number in a firmware, and what follows it (`-preview.12`)."""
    found = _VERSION.search(flash)
    if not found:
        raise UsageError(
            "the image is refused: there is no MicroPython in it",
            f"give a MicroPython image for the {board.name}",
        )
    version = tuple(int(part) for part in found.groups()[:3])
    if version < _OLDEST:
        raise UsageError(
            f"the image is refused: MicroPython {'.'.join(map(str, version))} is too old",
            f"give version {'.'.join(map(str, _OLDEST))} or later",
        )
    return version, found.group(4).decode(errors="replace")
