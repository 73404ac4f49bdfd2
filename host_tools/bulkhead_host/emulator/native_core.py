"""Makes the emulator thirty times faster where a C compiler is at hand.

The wheels of rp2040py are built for CPython's stable interface, in which each call between its
Cython classes looks up a Python attribute first: several for every emulated instruction. A wheel
brings its C sources along. Compiled for the Python that is running, the same sources do these
calls directly, with the same result to the cycle: four to five times faster. Beside them stands
`quick_core.pyx`, of this package: a loop without Python objects, worth more than as much again.
Without a compiler, or Python's headers, the wheel's own modules serve.

The build takes about 20 s, once for each Python and version of rp2040py, and lives in the cache
folder. `BULKHEAD_EMULATOR_CORE=wheel` switches it off.
"""

import contextlib
import hashlib
import importlib.abc
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from bulkhead_host.files import write_text
from bulkhead_host.paths import cache_dir

_PACKAGE = "rp2040py.native"
# -O3 takes a quarter longer to compile, and the emulator is no faster for it.
_FLAGS = ("-shared", "-fPIC", "-O2", "-std=c99", "-w")
_SUFFIX = str(sysconfig.get_config_var("EXT_SUFFIX") or ".so")
_FAILURE_LOG = "failed.log"
# What is said where a disk or the memory was full: that may pass, and is tried again.
_PASSES = ("No space left on device", "Disk quota exceeded", "File too large", "Killed")
_QUICK = Path(__file__).with_name("quick_core.pyx")
_QUICK_PARTS = (
    _QUICK,
    *map(_QUICK.with_name, ("flash_cache.pxi", "quick_registers.pxi", "thumb.h")),
)


def install() -> None:
    """Make `import rp2040py` use the compiled core, building it first if need be.

    Must run before the first import of rp2040py in the process; later it does nothing.
    """
    if os.environ.get("BULKHEAD_EMULATOR_CORE") == "wheel" or _PACKAGE in sys.modules:
        return
    folder = None
    with contextlib.suppress(OSError):  # a cache that cannot be written costs speed, no more
        folder = _built_folder()
    if folder is not None:
        sys.meta_path.insert(0, _CoreFinder(folder))


def description() -> str:
    """Say which core this process uses: `compiled` or `wheel`, for `doctor` and benchmarks."""
    module = sys.modules.get(f"{_PACKAGE}._simulator")
    origin = Path(getattr(module, "__file__", None) or "")
    return "compiled" if origin.name.endswith(_SUFFIX) else "wheel"


class _CoreFinder(importlib.abc.MetaPathFinder):
    """Finds the modules of `rp2040py.native` in the build folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Return the spec of a compiled module, None for every other import."""
        package, _, name = fullname.rpartition(".")
        file = self._folder / f"{name}{_SUFFIX}"
        if package != _PACKAGE or not file.is_file():
            return None
        return importlib.util.spec_from_file_location(fullname, file)


def _built_folder() -> Path | None:
    """Return the folder with the compiled modules, or None where they cannot be had."""
    sources = _sources()
    compiler = _compiler()
    if not sources or compiler is None:
        return None
    folder = cache_dir() / "emulator-core" / _key(compiler)
    with _lock(folder):
        if not folder.exists():
            _build(compiler=compiler, sources=sources, folder=folder)
    return folder if folder.exists() and not (folder / _FAILURE_LOG).exists() else None


def _sources() -> list[Path]:
    spec = importlib.util.find_spec("rp2040py")
    if spec is None or spec.origin is None:
        return []
    return sorted((Path(spec.origin).parent / "native").glob("*.c"))


def _compiler() -> str | None:
    if not (Path(sysconfig.get_path("include")) / "Python.h").is_file():
        return None
    return shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


def _key(compiler: str) -> str:
    version = importlib.metadata.version("rp2040py")
    quick = [part.read_text(encoding="utf-8") for part in _QUICK_PARTS]
    parts = (version, sys.version, sysconfig.get_platform(), compiler, *_FLAGS, *quick)
    return f"{version}-{hashlib.sha256(repr(parts).encode()).hexdigest()[:16]}"


@contextlib.contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Let one process at a time build into `folder`; the others wait for it."""
    import fcntl  # noqa: PLC0415  (not on Windows, where no compiler is looked for)

    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _build(*, compiler: str, sources: list[Path], folder: Path) -> None:
    """Compile `sources` and move the result to `folder` at once.

    A failure leaves a log there, so that it is not tried each time, unless it may pass.
    """
    print("bulkhead: compiling the emulator for this Python, once (about 20 s)", file=sys.stderr)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        output = Path(scratch) / "core"
        output.mkdir()
        quick = Path(scratch) / "_quick_core.c"

        def compile_one(source: Path) -> str:
            if source == quick:
                failure = _run(_cython(sources[0].parents[2], quick))
                if failure:
                    return failure
            target = output / f"{source.stem}{_SUFFIX}"
            include = (f"-I{sysconfig.get_path('include')}", f"-I{_QUICK.parent}")
            return _run([compiler, *_FLAGS, *include, str(source), "-o", str(target)])

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            failures = [text for text in pool.map(compile_one, [quick, *sources]) if text]
        for text in failures:
            if any(reason in text for reason in _PASSES):
                print(f"bulkhead: that failed: {text.splitlines()[-1]}", file=sys.stderr)
                return
        if failures:
            write_text(output / _FAILURE_LOG, "\n".join(failures))
            print(f"bulkhead: that failed, see {folder / _FAILURE_LOG}", file=sys.stderr)
        output.rename(folder)


def _cython(packages: Path, target: Path) -> list[str]:
    """Return the line that translates our own loop, which uses the classes of the wheel's."""
    module = f"{_PACKAGE}.{target.stem}"
    options = ["-3", "--module-name", module, "-I", str(packages), "-o", str(target)]
    return [sys.executable, "-m", "cython", *options, str(_QUICK)]


def _run(line: list[str]) -> str:
    """Run a translator; return what it says when it fails, else nothing."""
    done = subprocess.run(
        line,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        env={**os.environ, "LC_ALL": "C"},
        check=False,
    )
    if done.returncode == 0:
        return ""
    silent = "Killed" if done.returncode < 0 else "no reason given"
    return (done.stdout + done.stderr).strip() or silent
