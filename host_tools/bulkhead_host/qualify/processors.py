"""Processors that QEMU emulates, with the kernel's cases, the attacks and programs that count.

The line to one is QEMU's own input and output.
"""

import ast
import os
import select
import subprocess
import time
from pathlib import Path
from typing import Self

from bulkhead_host.files import read_text
from bulkhead_host.image.cache import Progress, quiet
from bulkhead_host.image.qemu import Processor, build_firmware
from bulkhead_host.link.raw_repl import RawRepl
from bulkhead_host.link.transport import LinkLost
from bulkhead_host.paths import source_root
from bulkhead_host.qualify.cases import ON_UNIX
from bulkhead_host.qualify.image import cases_files
from bulkhead_host.system.fold import fold_tree
from bulkhead_host.system.imports import imports

PROGRAMS = ("calls", "sends", "leases", "switches")
"""The benchmarks that count on processors."""

_CHUNK = 4096


class EmulatedProcessor:
    """A `Transport`, and its raw REPL, while the emulator runs."""

    pace_min = 0.0

    def __init__(self, processor: Processor, elf: Path) -> None:
        self.name = processor.name
        self._process = subprocess.Popen(
            processor.command(elf), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def read(self, timeout_s: float) -> bytes:
        """Return what has come; nothing after `timeout_s`."""
        output = self._process.stdout
        assert output is not None
        if not select.select([output], [], [], timeout_s)[0]:
            return b""
        data = os.read(output.fileno(), _CHUNK)
        if not data:
            raise LinkLost(f"{self.name} has ended")
        return data

    def write(self, data: bytes) -> None:
        """Send all of `data`: QEMU waits with it until the firmware has read what came before."""
        assert self._process.stdin is not None
        self._process.stdin.write(data)
        self._process.stdin.flush()

    def clock_s(self) -> float:
        """Return the wall's time: the emulator tells none."""
        return time.monotonic()

    def close(self) -> None:
        """End the emulator."""
        self._process.kill()
        self._process.communicate()


class Stand:
    """A processor, its firmware, and the emulator that runs it now, which `with` ends."""

    def __init__(self, processor: Processor, *, progress: Progress = quiet) -> None:
        """Build the firmware, where the cache has none; raise `BulkheadError`."""
        self.processor = processor
        self._elf = build_firmware(processor, frozen_files(), progress=progress)
        self._emulated: EmulatedProcessor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> RawRepl:
        """Begin with a processor that has just been switched on; return its prompt."""
        self.stop()
        self._emulated = EmulatedProcessor(self.processor, self._elf)
        repl = RawRepl(self._emulated)
        repl.enter()
        return repl

    def stop(self) -> None:
        """Switch it off."""
        if self._emulated is not None:
            self._emulated.close()
            self._emulated = None


def frozen_files() -> dict[str, bytes]:
    """Return what is frozen in: cases, attacks, and benchmarks with all that they import."""
    firmware = source_root() / "firmware"
    more = {
        "bench/__init__.py": firmware / "bench" / "__init__.py",
        "bench/stores.py": firmware / "port" / "qemu" / "stores.py",  # a board's are of its pins
    }
    left = [f"bench.{name}" for name in PROGRAMS]
    while left:
        path = f"{left.pop().replace('.', '/')}.py"
        if path not in more:
            more[path] = firmware / path
            found = imports(ast.parse(read_text(more[path])))
            left += [one.name.rpartition(".")[0] for one in found if one.name.startswith("bench.")]
    port = b"from port.qemu import Port\n"
    return {**cases_files("qemu", ON_UNIX), **fold_tree(more, firmware), "bulkhead_port.py": port}
