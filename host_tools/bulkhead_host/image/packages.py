"""Packages of Debian's: which are missing, and installing them where that is allowed."""

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bulkhead_host.errors import BulkheadError
from bulkhead_host.image.cache import Progress, quiet
from bulkhead_host.image.process import ProgramFailed, run

Packages = Mapping[str, Callable[[], bool]]
"""Each package, and how to tell that what it is needed for is there."""

_LOCK_S = 600  # how long apt waits for another apt


@dataclass(frozen=True, kw_only=True)
class Purpose:
    """What packages are needed for, and what to do on a machine without apt."""

    what: str
    instead: str


def has_program(name: str) -> Callable[[], bool]:
    """Return a function that tells whether a program is on the path."""
    return lambda: shutil.which(name) is not None


def has_file(compiler: str, name: str, *options: str) -> Callable[[], bool]:
    """Return a function that tells whether a compiler of GCC's finds a file of its libraries."""

    def probe() -> bool:
        try:  # it answers with a full path when it has the file, else with the bare name
            return run([compiler, *options, f"-print-file-name={name}"]).strip() != name
        except ProgramFailed:
            return False

    return probe


def missing(packages: Packages) -> list[str]:
    """Return the packages that this machine lacks."""
    return [package for package, is_there in packages.items() if not is_there()]


def install_command(packages: Sequence[str]) -> list[str]:
    """Return the apt command that installs packages, with what it takes to be allowed to."""
    prefix = [] if _is_root() else ["sudo"]
    return [*prefix, "apt-get", "install", "-y", "--no-install-recommends", *packages]


def install_missing(
    packages: Packages, *, purpose: Purpose, may_install: bool = True, progress: Progress = quiet
) -> None:
    """Install with apt what is missing.

    Installs only as root or with a sudo that asks nothing. Otherwise raises `BulkheadError`
    with the names of the packages and the command.
    """
    lacking = missing(packages)
    if not lacking:
        return
    command = install_command(lacking)
    if shutil.which("apt-get") is None:
        raise BulkheadError(
            f"{purpose.what} takes {', '.join(lacking)}, and this machine has no apt",
            purpose.instead,
        )
    if not (may_install and (_is_root() or _sudo_asks_nothing())):
        raise BulkheadError(
            f"{purpose.what} takes packages that are missing: {', '.join(lacking)}",
            " ".join(command),
        )
    progress(f"installing with apt: {', '.join(lacking)}")
    _install(command)
    still_missing = missing(packages)
    if still_missing:
        raise BulkheadError(f"installed, and still missing: {', '.join(still_missing)}")


def _install(command: list[str]) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    # Another may be installing something, such as another test: apt would give up at once.
    install = [*command, "-o", f"DPkg::Lock::Timeout={_LOCK_S}"]
    try:
        try:
            run(install, environment=environment)
        except ProgramFailed:  # the machine's package lists may be missing or out of date
            run([*command[: command.index("install")], "update"], environment=environment)
            run(install, environment=environment)
    except ProgramFailed as error:
        raise BulkheadError(f"apt: {error.last_line}", " ".join(command)) from error


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _sudo_asks_nothing() -> bool:
    try:
        run(["sudo", "--non-interactive", "true"])
    except ProgramFailed:
        return False
    return True
