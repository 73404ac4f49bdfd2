"""Compile modules to MicroPython's bytecode and native code."""

import tempfile
from pathlib import Path

from bulkhead_host.errors import BulkheadError
from bulkhead_host.image.process import ProgramFailed, run


def compile_module(source: bytes, name: str, *, architecture: str, mpy_cross: Path) -> bytes:
    """Return the `.mpy` of a module.

    `name` is its path on the board (`kernel/abi.py`), which tracebacks show. `architecture` is
    what `@micropython.native` and `viper` functions are compiled for. Line numbers and
    assertions are kept. Raises `BulkheadError` with the compiler's words.
    """
    with tempfile.TemporaryDirectory(prefix="bulkhead-mpy-") as folder:
        given, made = Path(folder) / "module.py", Path(folder) / "module.mpy"
        given.write_bytes(source)
        options = ["-s", name, f"-march={architecture}", "-o", str(made)]
        try:
            run([str(mpy_cross), *options, str(given)])
        except ProgramFailed as error:
            place = _line_of(error.output, name)
            raise BulkheadError(
                f"{name} does not compile: {error.last_line}", f"mend {name}{place}"
            ) from error
        return made.read_bytes()


def _line_of(output: str, name: str) -> str:
    """Return ` line N` of the last traceback entry in mpy-cross's output, or nothing."""
    entries = [line.strip() for line in output.splitlines() if f'File "{name}", line ' in line]
    return f" line {entries[-1].split('line ')[1].split(',')[0]}" if entries else ""
