"""The programs that build an image: what is missing, and installing it where that is allowed."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bulkhead_host.image.cache import Progress, quiet
from bulkhead_host.image.packages import (
    Purpose,
    has_file,
    has_program,
    install_missing,
    missing,
)
from bulkhead_host.image.process import run
from bulkhead_host.paths import mpy_cross_program

COMPILER = "arm-none-eabi-gcc"
_CORE = ("-mcpu=cortex-m0plus", "-mthumb")

# Each package of Debian's, and how to tell that what it is needed for is there.
PACKAGES: dict[str, Callable[[], bool]] = {
    "gcc-arm-none-eabi": has_program(COMPILER),
    "libnewlib-arm-none-eabi": has_file(COMPILER, "libc.a", *_CORE),
    "libstdc++-arm-none-eabi-newlib": has_file(COMPILER, "libstdc++.a", *_CORE),
    "cmake": has_program("cmake"),
    "ninja-build": has_program("ninja"),
}


_PURPOSE = Purpose(
    what="building an image", instead="take the official image: bulkhead build --official"
)


@dataclass(frozen=True, kw_only=True)
class Toolchain:
    """The programs an image is built with. `key` changes when they would make other code."""

    mpy_cross: Path
    key: str


def missing_packages() -> list[str]:
    """Return the packages that a build needs and this machine lacks."""
    return missing(PACKAGES)


def toolchain(*, may_install: bool = True, progress: Progress = quiet) -> Toolchain:
    """Return the toolchain, after installing with apt what is missing.

    Installs only as root or with a sudo that asks nothing. Otherwise raises `BulkheadError`
    with the names of the packages and the command.
    """
    install_missing(PACKAGES, purpose=_PURPOSE, may_install=may_install, progress=progress)
    mpy_cross = mpy_cross_program()
    versions = [run([COMPILER, "--version"]), run([str(mpy_cross), "--version"])]
    first_lines = [version.partition("\n")[0] for version in versions]
    return Toolchain(mpy_cross=mpy_cross, key="; ".join(first_lines))
