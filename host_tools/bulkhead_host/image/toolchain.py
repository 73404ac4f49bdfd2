"""The programs that build an image: what is missing, and installing it where that is allowed."""

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bulkhead_host.errors import BulkheadError
from bulkhead_host.image.cache import Progress, quiet
from bulkhead_host.image.process import ProgramFailed, run
from bulkhead_host.paths import mpy_cross_program

COMPILER = "arm-none-eabi-gcc"


def _has_program(name: str) -> Callable[[], bool]:
    return lambda: shutil.which(name) is not None


def _has_library(name: str) -> Callable[[], bool]:
    def probe() -> bool:
        core = ["-mcpu=cortex-m0plus", "-mthumb"]
        try:  # gcc answers with a full path when it has the file, else with the bare name
            return run([COMPILER, *core, f"-print-file-name={name}"]).strip() != name
        except ProgramFailed:
            return False

    return probe


# Each package of Debian's, and how to tell that what it is needed for is there.
PACKAGES: dict[str, Callable[[], bool]] = {
    "gcc-arm-none-eabi": _has_program(COMPILER),
    "libnewlib-arm-none-eabi": _has_library("libc.a"),
    "libstdc++-arm-none-eabi-newlib": _has_library("libstdc++.a"),
    "cmake": _has_program("cmake"),
    "ninja-build": _has_program("ninja"),
}


@dataclass(frozen=True, kw_only=True)
class Toolchain:
    """The programs an image is built with. `key` changes when they would make other code."""

    mpy_cross: Path
    key: str


def missing_packages() -> list[str]:
    """Return the packages that a build needs and this machine lacks."""
    return [package for package, is_there in PACKAGES.items() if not is_there()]


def install_command(packages: Sequence[str]) -> list[str]:
    """Return the apt command that installs packages, with what it takes to be allowed to."""
    prefix = [] if _is_root() else ["sudo"]
    return [*prefix, "apt-get", "install", "-y", "--no-install-recommends", *packages]


def toolchain(*, may_install: bool = True, progress: Progress = quiet) -> Toolchain:
    """Return the toolchain, after installing with apt what is missing.

    Installs only as root or with a sudo that asks nothing. Otherwise raises `BulkheadError`
    with the names of the packages and the command.
    """
    missing = missing_packages()
    if missing:
        _install(missing, may_install=may_install, progress=progress)
    mpy_cross = mpy_cross_program()
    versions = [run([COMPILER, "--version"]), run([str(mpy_cross), "--version"])]
    first_lines = [version.partition("\n")[0] for version in versions]
    return Toolchain(mpy_cross=mpy_cross, key="; ".join(first_lines))


def _install(packages: Sequence[str], *, may_install: bool, progress: Progress) -> None:
    command = install_command(packages)
    if shutil.which("apt-get") is None:
        raise BulkheadError(
            f"building an image takes {', '.join(packages)}, and this machine has no apt",
            "take the official image: bulkhead build --official",
        )
    if not (may_install and (_is_root() or _sudo_asks_nothing())):
        raise BulkheadError(
            f"building an image takes packages that are missing: {', '.join(packages)}",
            " ".join(command),
        )
    progress(f"installing with apt: {', '.join(packages)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        try:
            run(command, environment=environment)
        except ProgramFailed:  # the machine's package lists may be missing or out of date
            update = command[: command.index("install")]
            run([*update, "update"], environment=environment)
            run(command, environment=environment)
    except ProgramFailed as error:
        raise BulkheadError(f"apt: {error.last_line}", " ".join(command)) from error
    still_missing = missing_packages()
    if still_missing:
        raise BulkheadError(f"installed, and still missing: {', '.join(still_missing)}")


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _sudo_asks_nothing() -> bool:
    try:
        run(["sudo", "--non-interactive", "true"])
    except ProgramFailed:
        return False
    return True
