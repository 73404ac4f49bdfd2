"""The toolchain: what is missing is named, and installed only where that is allowed."""

import os
import stat
from pathlib import Path

import pytest

from bulkhead_host.errors import BulkheadError
from bulkhead_host.image import toolchain as tools
from bulkhead_host.image.apt import machine_mirror
from bulkhead_host.image.packages import install_command
from bulkhead_host.image.process import run
from bulkhead_host.image.toolchain import missing_packages, toolchain


def program(folder: Path, name: str, script: str) -> None:
    """Put an executable shell script on the path."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a machine that has nothing but what the test puts on its path."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def test_on_a_bare_machine_every_package_is_missing(bare: Path) -> None:
    assert bare.is_dir()
    assert missing_packages() == list(tools.PACKAGES)


def test_after_a_build_none_is_missing() -> None:
    toolchain()
    assert missing_packages() == []


def test_the_error_names_the_packages_and_the_command(bare: Path) -> None:
    program(bare, "apt-get", "exit 1")
    with pytest.raises(BulkheadError, match="gcc-arm-none-eabi, libnewlib-arm") as failure:
        toolchain(may_install=False)
    assert failure.value.next_step == " ".join(install_command(missing_packages()))
    assert "apt-get install -y --no-install-recommends gcc-arm" in failure.value.next_step


def test_without_a_right_to_install_nothing_is_tried(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    program(bare, "apt-get", f"echo tried > {bare}/tried")
    program(bare, "sudo", "echo a password is required >&2; exit 1")
    with pytest.raises(BulkheadError) as failure:
        toolchain()
    assert failure.value.next_step.startswith("sudo apt-get install")
    assert not (bare / "tried").exists()


def test_a_machine_without_apt_is_shown_the_official_image(bare: Path) -> None:
    assert not list(bare.iterdir())
    with pytest.raises(BulkheadError, match="has no apt") as failure:
        toolchain()
    assert failure.value.next_step.endswith("bulkhead build --official")


def test_stale_package_lists_are_fetched_and_the_installation_tried_again(bare: Path) -> None:
    """As on a fresh container. What is missing before is there after: the compiler's stand-in."""
    monitor = bare / "calls"
    words = bare / "words"
    gcc = f'printf "#!/bin/sh\\necho /lib/found\\n" > {bare}/arm-none-eabi-gcc'
    mend = f"{gcc}; /bin/chmod +x {bare}/*; : > {bare}/cmake; : > {bare}/ninja"
    program(
        bare,
        "apt-get",
        f'echo "$1" >> {monitor}; echo "$*" >> {words}\n'
        f'if [ "$1" = update ]; then : > {bare}/updated; exit 0; fi\n'
        f"[ -e {bare}/updated ] || exit 100\n{mend}; /bin/chmod +x {bare}/cmake {bare}/ninja",
    )
    said: list[str] = []
    toolchain(progress=said.append)
    assert monitor.read_text().split() == ["install", "update", "install"]
    assert "DPkg::Lock::Timeout=" in words.read_text()  # another apt is waited for
    assert said == [f"installing with apt: {', '.join(tools.PACKAGES)}"]


def test_a_failed_installation_shows_apts_words(bare: Path) -> None:
    program(bare, "apt-get", "echo 'E: Unable to locate package' >&2; exit 100")
    with pytest.raises(BulkheadError, match="apt: E: Unable to locate package"):
        toolchain()


def test_the_compilers_version_is_part_of_the_key() -> None:
    key = toolchain().key
    assert run(["arm-none-eabi-gcc", "-dumpfullversion"]).strip() in key
    assert "MicroPython v1.26.1" in key


def test_the_mirror_is_the_machines_own(bare: Path) -> None:
    lines = "Debian|Debian-Security|http://a/s/\nDebian|Debian|http://b/debian/\nX|X|http://c/"
    program(bare, "apt-get", f"echo '{lines}'")
    assert machine_mirror(bare) == "http://b/debian/"


def test_a_machine_without_lists_fetches_its_own_into_the_cache(bare: Path) -> None:
    program(
        bare,
        "apt-get",
        f'case "$*" in *update*) : > {bare}/updated;; '
        f"*) [ -e {bare}/updated ] && echo 'Debian|Debian|http://b/debian/';; esac; exit 0",
    )
    assert machine_mirror(bare / "state") == "http://b/debian/"
    assert (bare / "state" / "machine" / "lists").is_dir() or (bare / "state" / "machine").is_dir()


@pytest.mark.parametrize("script", ["exit 0", "echo 'Ubuntu|Ubuntu|http://u/'"])
def test_a_machine_without_a_debian_archive_is_shown_the_official_image(
    bare: Path, script: str
) -> None:
    program(bare, "apt-get", script)
    with pytest.raises(BulkheadError, match="no Debian archive") as failure:
        machine_mirror(bare / "state")
    assert "--official" in failure.value.next_step
