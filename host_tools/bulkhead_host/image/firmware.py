"""Compile, freeze and link MicroPython in a build folder that is used again and again.

A changed module costs freezing and linking alone. Nothing of the machine, the user's environment
or the day gets into the image.
"""

import json
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bulkhead_host.errors import BulkheadError, UsageError
from bulkhead_host.files import folder_whole, read_text, write_text, write_whole
from bulkhead_host.image.boot_block import check_boot_block
from bulkhead_host.image.cache import Progress
from bulkhead_host.image.change import Change
from bulkhead_host.image.frozen import manifest_text, mended
from bulkhead_host.image.hardening import CHANGES, CHANGES_OF, hardened, put_into_ram
from bulkhead_host.image.mpy import compile_modules
from bulkhead_host.image.process import run, run_logged
from bulkhead_host.image.recipe import Board
from bulkhead_host.image.sources import SourceTree
from bulkhead_host.image.toolchain import Toolchain
from bulkhead_host.image.uf2 import FLASH_BASE

# GCC asks of each file that it looks for in each of the SDK's 60 folders whether a shorter path
# leads there, 40,000 system calls for a source file; none is shorter.
_LOOKS_FOR_NO_LINKS = "-fno-canonical-system-headers"


@dataclass(frozen=True)
class FirmwareBuild:
    """One build folder of CMake's, for one board, toolchain and source tree.

    Whoever calls `make` holds the cache's lock. `as_it_comes` leaves MicroPython's sources alone;
    `additions` are folders that its tree lacks: where, and from where.
    """

    board: Board
    tools: Toolchain
    tree: SourceTree
    folder: Path
    progress: Progress
    additions: Mapping[str, Path]
    as_it_comes: bool = False

    @property
    def micropython(self) -> Path:
        """The root of MicroPython's tree that is compiled."""
        is_copied = self.additions or not self.as_it_comes
        return self.folder / "micropython" if is_copied else self.tree.micropython

    def make(self, contents: Mapping[str, bytes], image: Path) -> None:
        """Compile, link and convert; leave the results in the folder `image`."""
        for name in self.board.in_ram:
            if not (self.tree.micropython / name).is_file():
                raise UsageError(f'MicroPython has no "{name}" to put into RAM (image.in_ram)')
        modules = compile_modules(contents, self.board.architecture, self.tools.mpy_cross)
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.micropython != self.tree.micropython:
            hardened(
                self.tree.micropython,
                self.micropython,
                changes=() if self.as_it_comes else changes_for(self.board),
                additions=self.additions,
            )
        marker = self.folder / "unfinished"
        if marker.exists():
            self._remove_since(marker)
        marker.touch()
        try:
            self._stage(modules)
            self._configure()
            self.progress(
                "linking MicroPython" if self._has_objects() else "compiling MicroPython"
            )
            self._freeze()
            self._run(["ninja", "-C", str(self.folder), "firmware"])
            with folder_whole(image) as made:
                self._convert(made)
        except BulkheadError:  # a program said no, after it had tidied up
            marker.unlink()
            raise
        marker.unlink()

    def _remove_since(self, marker: Path) -> None:
        """Remove all that an earlier run wrote which did not end; it may be half written.

        Ninja's own records stay: they are journals, which it repairs by itself. So does the copy
        of the sources, which is whole.
        """
        started = marker.stat().st_mtime
        for path in list(self.folder.rglob("*")):
            is_record = path.name in (".ninja_log", ".ninja_deps")
            stays = is_record or self.micropython in path.parents
            if path.is_file() and not stays and path.stat().st_mtime >= started:
                path.unlink()

    def _stage(self, modules: Mapping[str, bytes]) -> None:
        """Put the modules and their manifest where CMake looks, with nothing left of others."""
        for stale in ("modules", "frozen_mpy"):
            shutil.rmtree(self.folder / stale, ignore_errors=True)
        (self.folder / "frozen_content.c").unlink(missing_ok=True)
        for path, module in modules.items():
            name = Path(path).with_suffix(".mpy")
            write_whole(self.folder / "modules" / name, module)
        write_whole(self.folder / "manifest.py", manifest_text(modules, "modules").encode())
        # CMake records the interpreter's path; a virtual environment may be gone the next time.
        python = self.folder / "python3"
        python.unlink(missing_ok=True)
        python.symlink_to(Path(sys.executable).resolve())

    def _has_objects(self) -> bool:
        return (self.folder / "firmware.elf").exists()

    def _configure(self) -> None:
        if (self.folder / "build.ninja").exists():
            return
        self.progress("configuring MicroPython")
        settings = {
            "MICROPY_BOARD": self.board.micropython_board,
            "MICROPY_FROZEN_MANIFEST": self.folder / "manifest.py",
            "PICO_CLIB": "newlib",
            "PICO_NO_PICOTOOL": 1,
            "PICO_SDK_PATH_OVERRIDE": self.tree.pico_sdk,
            "Python3_EXECUTABLE": self.folder / "python3",
        }
        port = self.micropython / "ports" / "rp2"
        command = ["cmake", "-G", "Ninja", "-S", str(port), "-B", str(self.folder)]
        self._run([*command, *(f"-D{name}={value}" for name, value in settings.items())])

    def _freeze(self) -> None:
        """Have MicroPython freeze the modules, and mend what it makes."""
        self._run(["ninja", "-C", str(self.folder), "frozen_content.c"])
        frozen = self.folder / "frozen_content.c"
        write_whole(frozen, mended(read_text(frozen)).encode())

    def _convert(self, made: Path) -> None:
        converter = self.tree.micropython / "tools" / "uf2conv.py"
        options = ["-f", hex(self.board.uf2_family), "-b", hex(FLASH_BASE), "-c"]
        firmware, uf2 = self.folder / "firmware.bin", made / "firmware.uf2"
        self._run([sys.executable, str(converter), *options, "-o", str(uf2), str(firmware)])
        if self.board.chip == "rp2350":
            check_boot_block(firmware.read_bytes())
        size = firmware.stat().st_size
        if size > self.board.firmware_bytes_max:
            kib = (size - self.board.firmware_bytes_max + 1023) // 1024
            raise BulkheadError(
                f"the image is {kib} KiB too large: it would overlap the file system",
                "name fewer services in system.toml",
            )
        shutil.copyfile(self.folder / "firmware.elf", made / "firmware.elf")
        sections = _sections(run(["arm-none-eabi-size", "-A", str(made / "firmware.elf")]))
        described = {"sections": sections}
        write_text(made / "image.json", json.dumps(described, indent=1))

    def _run(self, command: list[str]) -> None:
        run_logged(command, environment=self._environment(), log=self.folder / "build.log")

    def _environment(self) -> dict[str, str]:
        """Return an environment that fixes all that would make two builds differ."""
        prefixes = {
            self.folder: "/build",
            self.tree.folder: "/source",
            self.micropython: "/source/micropython",  # the last that fits counts
        }
        maps = [f"-ffile-prefix-map={path}={name}" for path, name in prefixes.items()]
        flags = " ".join([*maps, _LOOKS_FOR_NO_LINKS])
        return {
            **self.tree.recipe.environment(),
            "HOME": os.environ.get("HOME", "/"),
            "CFLAGS": flags,
            "CXXFLAGS": flags,
            "ASMFLAGS": flags,
            "MICROPY_MPYCROSS": str(self.tools.mpy_cross),
        }


def changes_for(board: Board) -> tuple[Change, ...]:
    """Return what is changed in MicroPython's sources for a board."""
    of_libraries = (change for name in board.libraries for change in CHANGES_OF.get(name, ()))
    return (*CHANGES, *of_libraries, *put_into_ram(board.in_ram, chip=board.chip))


def _sections(listing: str) -> dict[str, int]:
    """Return the sizes of the sections that are in memory, from `size -A`."""
    rows = [line.split() for line in listing.splitlines() if line.startswith(".")]
    return {row[0]: int(row[1]) for row in rows if int(row[1]) and int(row[2])}
