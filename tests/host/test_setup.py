"""`make` in a fresh clone: what set-up does, and what it says when it cannot."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bulkhead_host.paths import source_root

_OF_AN_OUTER_MAKE = ("ARGS", "MAKEFLAGS", "MAKEOVERRIDES", "MFLAGS", "PYTHON")
_FILES = (
    "Makefile",
    "pyproject.toml",
    "host_tools/setup.sh",
    "host_tools/requirements.lock",
    "host_tools/stubs.lock",
)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Return a folder with what set-up reads, and an empty folder `bin` for fake programs."""
    root = tmp_path / "a clone"
    for name in _FILES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source_root() / name, root / name)
    (tmp_path / "bin").mkdir()
    return root


def _fake(clone: Path, name: str, script: str) -> None:
    program = clone.parent / "bin" / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def _make(clone: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    settings["PATH"] = f"{clone.parent / 'bin'}{os.pathsep}{os.environ['PATH']}"
    settings |= dict.fromkeys(_OF_AN_OUTER_MAKE, "")
    return subprocess.run(
        ["make", *arguments],
        cwd=clone,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=False,
    )


def _python_without_venv(clone: Path) -> None:
    _fake(
        clone,
        "python3",
        f'case "$*" in *ensurepip*) [ -e "{clone}/venv-there" ];; '
        f'*) exec {sys.executable} "$@";; esac',
    )


def test_make_alone_is_a_menu_that_installs_nothing(clone: Path) -> None:
    done = _make(clone)
    assert done.returncode == 0
    for target in ("run", "test", "test-sim", "check", "bench", "clean"):
        assert f"\n  make {target} " in done.stdout
    assert not (clone / ".venv").exists()


def test_a_python_that_is_too_old_is_named_with_a_next_step(clone: Path) -> None:
    _fake(clone, "old-python", "echo Python 3.9.2; exit 1")
    done = _make(clone, "setup", "PYTHON=old-python")
    assert done.returncode != 0
    cause, step = done.stderr.splitlines()[:2]
    assert cause == "bulkhead: this takes Python 3.11 or newer, and old-python is: Python 3.9.2"
    assert step.startswith("  try: ")
    assert "make PYTHON=" in step


def test_a_missing_venv_package_is_named_where_it_may_not_be_installed(clone: Path) -> None:
    _python_without_venv(clone)
    _fake(clone, "id", "echo 1000")
    _fake(clone, "sudo", "exit 1")
    done = _make(clone, "setup")
    assert done.returncode != 0
    assert f"  try: apt install python{_version()}-venv, then make again" in done.stderr
    assert not (clone / ".venv").exists()


def test_a_missing_venv_package_is_installed_where_it_may_be(clone: Path) -> None:
    _python_without_venv(clone)
    _fake(clone, "id", "echo 0")
    _fake(clone, "apt-get", f'echo "$*" >>"{clone}/apt.log"; touch "{clone}/venv-there"')
    done = _make(clone, "setup", PIP_NO_INDEX="1", PIP_FIND_LINKS="", PIP_CONFIG_FILE="/dev/null")
    log = (clone / "apt.log").read_text()
    assert log == f"install -y --no-install-recommends python{_version()}-venv\n"
    assert f"setup: installing with apt: python{_version()}-venv\n" in done.stderr
    # It goes on to the packages, and there is no index to take them from.
    assert done.returncode != 0
    assert "bulkhead: pip could not install the packages; its own words are above" in done.stderr
    assert "  try: check the network and pip's index" in done.stderr
    assert not (clone / ".venv" / ".ready").exists()


def test_a_clone_that_was_moved_is_set_up_again(clone: Path) -> None:
    ready = clone / ".venv" / ".ready"
    (clone / ".venv" / "bin").mkdir(parents=True)
    (clone / ".venv" / "bin" / "python").symlink_to(sys.executable)
    ready.write_text(f"{clone}\n")
    assert "setup.sh" not in _make(clone, "--dry-run", "setup").stdout
    ready.write_text("/another/place\n")
    assert "setup.sh" in _make(clone, "--dry-run", "setup").stdout


def _version() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"
