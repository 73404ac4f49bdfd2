"""What an image is made of: source packages in order of preference, build settings.

What depends on the board alone is in `board_configs`. All else that changes when MicroPython, the
SDK or a distribution moves on is in this file.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

from bulkhead_host.errors import UsageError
from bulkhead_host.image.uf2 import RP2040_FAMILY
from bulkhead_host.system.boards import Board as DescribedBoard
from bulkhead_host.system.boards import board_named as described_board
from bulkhead_host.system.boards import boards_folder

# Raised when the way an image is made changes, so that no cached image outlives its recipe.
BUILDER_VERSION = 7


@dataclass(frozen=True, kw_only=True)
class Board:
    """What the build of an image takes of a board.

    `micropython_board` is the folder in MicroPython's `ports/rp2/boards`; `port` the module of
    `firmware/port`; `architecture` the native code that mpy-cross emits (`-march`). `definition`
    is that folder where MicroPython has none of the name, and `libraries` are of `LIBRARIES`:
    their contents count for an image, not where they are. `in_ram` are C files of MicroPython's.
    """

    name: str
    micropython_board: str
    port: str
    architecture: str
    flash_bytes: int
    firmware_bytes_max: int
    libraries: tuple[str, ...] = field(default=(), repr=False)
    in_ram: tuple[str, ...] = field(default=(), repr=False)
    uf2_family: int = field(default=RP2040_FAMILY, repr=False)
    chip: str = field(default="", repr=False)
    definition: Path | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class Package:
    """A distribution package with sources.

    `version` is the upstream version, or the start of one: the newest that matches is taken.
    `source` tells a source package (its upstream archive is used) from a binary package that
    installs sources (its files are). `target` is where its files go in the source tree.
    """

    name: str
    suite: str
    version: str
    source: bool
    target: str


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One way to make the firmware: a MicroPython version and the packages it comes from.

    `release_day` (seconds since 1970, midnight) is the build date that the image shows, so that
    it does not depend on the day of the build. `hard_timers` tells whether `machine.Timer`
    takes `hard=True`, without which a hog in a scheduled callback cannot be killed.
    """

    version: str
    release_day: int
    hard_timers: bool
    packages: tuple[Package, ...]

    def environment(self) -> dict[str, str]:
        """Return what programs get of the environment: what would show in an image is fixed."""
        return {
            "PATH": os.environ["PATH"],
            "LC_ALL": "C",
            "TZ": "UTC",
            "PYTHONHASHSEED": "0",
            "PYTHONDONTWRITEBYTECODE": "1",
            "SOURCE_DATE_EPOCH": str(self.release_day),
            "MICROPY_GIT_TAG": f"v{self.version}",
            "MICROPY_GIT_HASH": "",
        }


_COMPANIONS = (
    Package(
        name="mbedtls",
        suite="trixie",
        version="3.6",
        source=True,
        target="micropython/lib/mbedtls",
    ),
    Package(name="pico-sdk-source", suite="trixie", version="2.1.1", source=False, target="."),
    Package(name="tinyusb-source", suite="trixie", version="0.18", source=False, target="."),
)


LIBRARIES = {
    "lwip": Package(name="lwip", suite="trixie", version="2.2", source=True, target="lib/lwip")
}
"""What some boards are built with; `target` is a folder of MicroPython's tree."""


def _micropython(suite: str, version: str) -> Package:
    return Package(
        name="micropython", suite=suite, version=version, source=True, target="micropython"
    )


# The first one whose packages can be had is used.
RECIPES = (
    Recipe(
        version="1.26.1",
        release_day=1757548800,  # 2025-09-11
        hard_timers=True,
        packages=(_micropython("forky", "1.26.1"), *_COMPANIONS),
    ),
    Recipe(
        version="1.25.0",
        release_day=1744675200,  # 2025-04-15
        hard_timers=False,
        packages=(_micropython("trixie", "1.25.0"), *_COMPANIONS),
    ),
)


def board_named(name: str) -> Board:
    """Return a board an image can be built for here.

    Raises `UsageError` for another one, which says why and what can be done.
    """
    board = described_board(name)
    if board.image.why_not:
        raise UsageError(
            f"no image for {name} can be built here: {board.image.why_not}",
            f"bulkhead build --board {name} --official"
            if board.tier == "type-checked"
            else "bulkhead build --board pico",
        )
    folder = boards_folder() / name / board.image.micropython_board
    return Board(
        name=name,
        micropython_board=board.image.micropython_board,
        port=board.port,
        architecture=board.architecture,
        flash_bytes=board.flash_bytes,
        firmware_bytes_max=board.flash_bytes - board.file_system_bytes,
        libraries=board.image.libraries,
        in_ram=board.image.in_ram,
        chip=board.chip,
        uf2_family=int(board.flash.get("uf2_family", RP2040_FAMILY)),
        definition=folder if folder.is_dir() else None,
    )


def official_board(name: str) -> DescribedBoard:
    """Return a board that MicroPython's own image and a folder of modules can be made for.

    Raises `UsageError` for one on which Bulkhead does not run.
    """
    board = described_board(name)
    if board.tier == "described":
        raise UsageError(
            f"Bulkhead does not run on {name} yet: {board.needs}", "bulkhead build --board pico"
        )
    if not board.image.official:
        raise UsageError(f"there is no official image for {name}: {board.image.why_not}")
    return board
