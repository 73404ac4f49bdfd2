"""The images that are measured, and which modules are the kernel's."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from bulkhead_host.image.application import library_modules, port_modules, system_files
from bulkhead_host.image.build import Image, build_image, stock_image
from bulkhead_host.image.cache import Progress, quiet
from bulkhead_host.image.recipe import board_named
from bulkhead_host.paths import source_root
from bulkhead_host.system.fold import fold_tree

BOARD = "pico"
INTERPRETER = ("py/gc.c", "py/vm.c")
"""What of MicroPython runs most, and is in RAM in a benchmark's image where that is asked for."""

_in_ram: ContextVar[tuple[str, ...] | None] = ContextVar("_in_ram", default=None)


@dataclass(frozen=True, kw_only=True)
class Images:
    """The images by what they are for.

    `bench` is the default application with the benchmarks and without its `main.py`, so that it
    gives a REPL; `default` is the one that ships; `kernel` has kernel, port and user library alone
    and `stock` nothing of ours, to weigh them.
    """

    bench: Image
    default: Image
    kernel: Image
    stock: Image


def build_images(progress: Progress = quiet) -> Images:
    """Build what the cache has not."""
    firmware = source_root() / "firmware"
    default = system_files(source_root() / "services", board=BOARD)
    kernel: dict[str, Path | bytes] = {**fold_tree(kernel_modules(), firmware, is_whole=True)}
    return Images(
        bench=bench_image(progress),
        default=built(default, progress),
        kernel=built(kernel, progress),
        stock=stock_image(board=BOARD, progress=progress),
    )


def bench_image(progress: Progress = quiet) -> Image:
    """Return the image of the benchmarks alone."""
    return built(_bench_files(), progress)


def built(files: Mapping[str, Path | bytes], progress: Progress = quiet) -> Image:
    """Build what is measured, for its board."""
    return build_image(board=BOARD, files=files, in_ram=_in_ram.get(), progress=progress)


@contextmanager
def interpreter_in_ram() -> Iterator[None]:
    """Have the images that are built meanwhile run the interpreter from RAM."""
    token = _in_ram.set(INTERPRETER)
    try:
        yield
    finally:
        _in_ram.reset(token)


def without_trace(progress: Progress = quiet) -> Image:
    """Return the image of the benchmarks with a dispatcher that records no trace."""
    firmware = source_root() / "firmware"
    files = _bench_files()
    folded = fold_tree(kernel_modules(), firmware, is_whole=True, without=["note"])
    files["kernel/dispatch.py"] = folded["kernel/dispatch.py"]
    return built(files, progress)


def _bench_files() -> dict[str, Path | bytes]:
    firmware = source_root() / "firmware"
    default = system_files(source_root() / "services", board=BOARD)
    files = {**default, **fold_tree({**modules("bench"), **modules("plan")}, firmware)}
    del files["main.py"]
    return files


def kernel_modules() -> dict[str, Path]:
    """Return kernel, the board's port and user library: path on the board to source."""
    port = port_modules(board_named(BOARD).port)
    return {**modules("kernel"), **port, **library_modules()}


def modules(package: str) -> dict[str, Path]:
    """Return the modules of a folder of `firmware`: path on the board to source."""
    firmware = source_root() / "firmware"
    found = sorted((firmware / package).rglob("*.py"))
    return {file.relative_to(firmware).as_posix(): file for file in found}
