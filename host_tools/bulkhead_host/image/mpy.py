"""Compile modules to MicroPython's bytecode and native code, each once.

cache/compiled/KEY/module.mpy
"""

import ast
import inspect
import os
import re
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from bulkhead_host.errors import BulkheadError
from bulkhead_host.image.cache import digest, kept
from bulkhead_host.image.process import ProgramFailed, run
from bulkhead_host.image.tighten import ARCHITECTURE, own_source, tightened
from bulkhead_host.paths import cache_dir
from bulkhead_host.system import floats

# A line number is a byte for each line of bytecode: 4 KB of the kernel's flash.
_WITHOUT_LINES = ("kernel/", "port/", "guard/", "bulkhead/")
_KEPT = 2048
_MAKERS = digest(own_source(), inspect.getsource(sys.modules[__name__]))
# What may be a number too large for a board.
_EXPONENT = re.compile(rb"[\d.]e\+?\d\d", re.IGNORECASE)
# mpy-cross reports an error as MicroPython does, with the temporary file's name.
_TRACEBACK_LINE = re.compile(r'^ *File ".*", line (\d+)', re.MULTILINE)


def compile_module(source: bytes, name: str, *, architecture: str, mpy_cross: Path) -> bytes:
    """Return the `.mpy` of a module.

    `name` is its path on the board (`kernel/abi.py`), which tracebacks show. `architecture` is
    what `@micropython.native` and `viper` functions are compiled for. Line numbers and assertions
    are kept, except in kernel, port, guard and user library, whose flash counts. Machine code for
    the Cortex-M0+ is written shorter than the compiler does (`tighten`). What was compiled before
    comes from the cache. Raises `BulkheadError` with the compiler's words.
    """
    _check_floats(source, name)
    key = digest(source, name, architecture, _digest_of(mpy_cross), _MAKERS)

    def compiled() -> bytes:
        return _compiled(source, name, architecture, mpy_cross)

    return kept(cache_dir() / "compiled" / key / "module.mpy", compiled, count=_KEPT)


def _compiled(source: bytes, name: str, architecture: str, mpy_cross: Path) -> bytes:
    with tempfile.TemporaryDirectory(prefix="bulkhead-mpy-") as folder:
        given, made = Path(folder) / "module.py", Path(folder) / "module.mpy"
        given.write_bytes(source)
        options = ["-s", name, f"-march={architecture}", "-o", str(made)]
        options += ["-O3"] if name.startswith(_WITHOUT_LINES) else []
        try:
            run([str(mpy_cross), *options, str(given)])
        except ProgramFailed as error:
            lines = _TRACEBACK_LINE.findall(error.output)
            place = f" line {lines[-1]}" if lines else ""
            raise BulkheadError(
                f"{name} does not compile: {error.last_line}", f"mend {name}{place}"
            ) from error
        module = made.read_bytes()
    return tightened(module) if architecture == ARCHITECTURE else module


@cache
def _digest_of(program: Path) -> str:
    return digest(program.read_bytes())


def compile_modules(
    contents: Mapping[str, bytes], architecture: str, mpy_cross: Path
) -> dict[str, bytes]:
    """Return the `.mpy` of each module: see `compile_module`."""

    def compile_one(path: str) -> bytes:
        return compile_module(contents[path], path, architecture=architecture, mpy_cross=mpy_cross)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(contents, pool.map(compile_one, contents), strict=True))


def _check_floats(source: bytes, name: str) -> None:
    """Refuse a number that MicroPython cannot freeze, by its line."""
    if not _EXPONENT.search(source):
        return
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):  # which the compiler tells
        return
    for line, text in floats.too_large(tree):
        raise BulkheadError(f"{name}:{line}: {text}", floats.HINT)
