"""Checks of the machine itself: what the tool runs on, and what it builds images with."""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from bulkhead_host import DISTRIBUTION
from bulkhead_host.doctor import Check
from bulkhead_host.errors import BulkheadError
from bulkhead_host.image.apt import machine_mirror
from bulkhead_host.image.packages import install_command
from bulkhead_host.image.toolchain import missing_packages
from bulkhead_host.paths import cache_dir, is_clone, source_root

PYTHON_MIN = (3, 11)

_VENV_MEND = "python3 -m venv .venv && .venv/bin/pip install -e ."


def machine_checks() -> Iterator[Check]:
    """Give the findings about this machine, one after the other."""
    yield python()
    yield virtual_environment()
    yield packages()
    yield cache_folder()
    yield compiler()
    yield sources()
    yield pseudo_terminal()


def python(version: tuple[int, ...] = sys.version_info[:3]) -> Check:
    """Look at the interpreter's version."""
    wanted = ".".join(map(str, PYTHON_MIN))
    return Check(
        name="Python",
        is_ok=version >= PYTHON_MIN,
        detail=".".join(map(str, version)),
        mend=(f"install Python {wanted} or newer and make the virtual environment with it",),
    )


def virtual_environment() -> Check:
    """Look whether the tool has an environment of its own."""
    is_ok = sys.prefix != sys.base_prefix
    return Check(
        name="virtual environment",
        is_ok=is_ok,
        detail=sys.prefix if is_ok else "none: the tool shares the system's packages",
        mend=(_VENV_MEND,),
        is_needed=False,
    )


def packages(installed: Callable[[str], str] = metadata.version) -> Check:
    """Look whether the packages that this tool asks for are there, in the version it asks for."""
    wrong = []
    for requirement in map(Requirement, metadata.requires(DISTRIBUTION) or []):
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            found = installed(requirement.name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{requirement.name} is not installed")
            continue
        if found not in requirement.specifier:
            wrong.append(f"{requirement.name} is {found}, not {requirement.specifier}")
    what = f"-e {source_root()}" if is_clone() else DISTRIBUTION
    return Check(
        name="packages",
        is_ok=not wrong,
        detail="; ".join(wrong) or "all installed",
        mend=(f"{sys.executable} -m pip install {what}",),
    )


def cache_folder() -> Check:
    """Look whether downloads and build results can be kept."""
    where = os.environ.get("BULKHEAD_CACHE", "")
    try:
        folder = cache_dir()
        where = str(folder)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        return Check(
            name="cache folder",
            is_ok=False,
            detail=f"{error.filename or where} is not writable: {error.strerror}",
            mend=("export BULKHEAD_CACHE=FOLDER, one that you may write to",),
        )
    return Check(name="cache folder", is_ok=True, detail=where)


def compiler(missing: Callable[[], list[str]] = missing_packages) -> Check:
    """Look for the programs that `bulkhead build` runs."""
    lacking = missing()
    return Check(
        name="compiler",
        is_ok=not lacking,
        detail=f"not installed: {' '.join(lacking)}" if lacking else "all packages for build",
        mend=(" ".join(install_command(lacking)), "bulkhead build --official"),
    )


def sources() -> Check:
    """Look whether MicroPython's sources are here, or apt can fetch them."""
    name = "MicroPython sources"
    try:
        folder = cache_dir()
        if any((folder / "sources").glob("*/sources.json")):
            return Check(name=name, is_ok=True, detail="in the cache")
        with tempfile.TemporaryDirectory(dir=folder, prefix=".doctor.") as scratch:
            machine_mirror(Path(scratch))
    except BulkheadError as error:
        return Check(name=name, is_ok=False, detail=error.cause, mend=(error.next_step,))
    except OSError as error:
        detail = f"not looked for: {error.strerror}"
        return Check(name=name, is_ok=False, detail=detail, mend=("mend the cache folder first",))
    return Check(name=name, is_ok=True, detail="apt can fetch them")


def pseudo_terminal(open_pty: Callable[[], tuple[int, int]] | None = None) -> Check:
    """Look whether an emulated board can have a serial port."""
    opener = open_pty or getattr(os, "openpty", None)
    try:
        if opener is None:
            raise OSError("this system has none")
        for descriptor in opener():
            os.close(descriptor)
    except OSError as error:
        return Check(
            name="pseudo-terminals",
            is_ok=False,
            detail=str(error),
            mend=("mount -t devpts devpts /dev/pts", "bulkhead sim --tcp 8266"),
            is_needed=False,
        )
    return Check(name="pseudo-terminals", is_ok=True, detail="available")
