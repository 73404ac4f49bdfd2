"""Source trees: preference among recipes, the cache, and unpacking."""

import io
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from bulkhead_host.errors import BulkheadError
from bulkhead_host.image.apt import PackageUnavailable, Suite, is_version
from bulkhead_host.image.recipe import LIBRARIES, RECIPES, Recipe
from bulkhead_host.image.sources import library, source_tree


def archive(path: Path, files: dict[str, bytes]) -> None:
    """Write an upstream archive, whose files are all below one top folder."""
    with tarfile.open(path, "w:xz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"top-1.0/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def installed_package(folder: Path, name: str, files: dict[str, bytes]) -> None:
    """Build a binary package that installs files."""
    root = folder / "root"
    (root / "DEBIAN").mkdir(parents=True)
    (root / "DEBIAN" / "control").write_text(
        f"Package: {name}\nVersion: 1.0\nArchitecture: all\nMaintainer: a test <a@b.c>\n"
        "Description: sources\n"
    )
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    subprocess.run(
        ["dpkg-deb", "--build", root, folder / f"{name}_1.0_all.deb"],
        check=True,
        capture_output=True,
    )


class FakeMirror:
    """Serves small packages; `gone` names versions of MicroPython it no longer has."""

    def __init__(self, tmp_path: Path, *, gone: tuple[str, ...] = ()) -> None:
        self._packages = tmp_path / "packages"
        self._gone = gone
        self.asked: list[str] = []
        self._packages.mkdir()

    def fetch(self, recipe: Recipe, into: Path) -> None:
        self.asked.append(recipe.version)
        if recipe.version in self._gone:
            raise PackageUnavailable(f"suite forky has no micropython {recipe.version}")
        for name in ("micropython", "mbedtls"):
            (into / name).mkdir()
            files = {"py/vm.c": recipe.version.encode()} if name == "micropython" else {"a.c": b""}
            archive(into / name / f"{name}_1.0.orig.tar.xz", files)
            (into / name / f"{name}_1.0.dsc").write_text("Format: 3.0\n")
        for name, path in (("pico-sdk", "README"), ("tinyusb", "src/tusb.c")):
            (into / f"{name}-source").mkdir()
            scratch = self._packages / f"{len(self.asked)}-{name}"
            installed_package(scratch, f"{name}-source", {f"usr/src/{name}/{path}": b"x"})
            package = next(scratch.glob("*.deb"))
            package.rename(into / f"{name}-source" / package.name)


def test_the_newest_recipe_is_preferred_and_has_the_hard_kill(tmp_path: Path) -> None:
    tree = source_tree(tmp_path / "cache", fetch=FakeMirror(tmp_path).fetch)
    assert (tree.recipe.version, tree.recipe.hard_timers) == ("1.26.1", True)
    assert (tree.micropython / "py" / "vm.c").read_text() == "1.26.1"
    assert (tree.micropython / "lib" / "mbedtls" / "a.c").exists()
    assert (tree.micropython / "lib" / "tinyusb" / "src" / "tusb.c").exists()
    assert (tree.micropython / "lib" / "micropython-lib" / "README.md").exists()
    assert (tree.pico_sdk / "README").exists()


def test_without_the_newer_suite_the_stable_one_is_taken_and_the_reason_said(
    tmp_path: Path,
) -> None:
    said: list[str] = []
    mirror = FakeMirror(tmp_path, gone=("1.26.1",))
    tree = source_tree(tmp_path / "cache", fetch=mirror.fetch, progress=said.append)
    assert (tree.recipe.version, tree.recipe.hard_timers) == ("1.25.0", False)
    assert mirror.asked == ["1.26.1", "1.25.0"]
    assert any("suite forky has no micropython 1.26.1" in line for line in said)


def test_without_any_suite_the_error_says_why_for_each(tmp_path: Path) -> None:
    mirror = FakeMirror(tmp_path, gone=("1.26.1", "1.25.0"))
    with pytest.raises(BulkheadError, match=r"1\.26\.1; .*1\.25\.0") as failure:
        source_tree(tmp_path / "cache", fetch=mirror.fetch)
    assert "--official" in failure.value.next_step
    assert not list((tmp_path / "cache" / "sources").iterdir())


def test_a_tree_in_the_cache_is_used_without_asking(tmp_path: Path) -> None:
    first = source_tree(tmp_path / "cache", fetch=FakeMirror(tmp_path).fetch)
    again = source_tree(tmp_path / "cache", fetch=_no_network)
    assert again == first


def test_a_library_is_fetched_once_beside_the_trees(tmp_path: Path) -> None:
    def fetch(recipe: Recipe, into: Path) -> None:
        assert [package.name for package in recipe.packages] == ["lwip"]
        (into / "lwip").mkdir()
        archive(into / "lwip" / "lwip_1.0.orig.tar.xz", {"src/tcp.c": b"x"})

    found = library(tmp_path / "cache", LIBRARIES["lwip"], fetch=fetch)
    assert ((found.folder / "src" / "tcp.c").read_bytes(), found.target) == (b"x", "lib/lwip")
    assert library(tmp_path / "cache", LIBRARIES["lwip"], fetch=_no_network) == found


def test_a_library_that_cannot_be_had_says_which_boards_need_none(tmp_path: Path) -> None:
    def fetch(_recipe: Recipe, _into: Path) -> None:
        raise PackageUnavailable("suite trixie has no lwip 2.2")

    with pytest.raises(BulkheadError, match="lwip cannot be had: suite trixie") as failure:
        library(tmp_path / "cache", LIBRARIES["lwip"], fetch=fetch)
    assert "--board pico" in failure.value.next_step
    assert not list((tmp_path / "cache" / "libraries").iterdir())


def test_a_changed_recipe_does_not_use_the_old_tree(tmp_path: Path) -> None:
    mirror = FakeMirror(tmp_path)
    first = source_tree(tmp_path / "cache", fetch=mirror.fetch)
    changed = replace(RECIPES[0], release_day=0)
    second = source_tree(tmp_path / "cache", recipes=[changed], fetch=mirror.fetch)
    assert second.folder != first.folder


def test_an_interrupted_fetch_leaves_no_tree(tmp_path: Path) -> None:
    def interrupted(_recipe: Recipe, into: Path) -> None:
        (into / "micropython").mkdir()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        source_tree(tmp_path / "cache", fetch=interrupted)
    assert not list((tmp_path / "cache" / "sources").iterdir())


def test_a_suite_that_a_mirror_does_not_have_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(PackageUnavailable, match="suite forky"):
        _suite(tmp_path).update()


def test_an_unsigned_suite_is_not_trusted(tmp_path: Path) -> None:
    lists = tmp_path / "mirror" / "dists" / "forky"
    sources = lists / "main" / "source" / "Sources"
    sources.parent.mkdir(parents=True)
    sources.write_text("Package: micropython\nVersion: 1.26.1-1\n")
    (lists / "Release").write_text("Suite: forky\nComponents: main\nArchitectures: all\n")
    suite = _suite(tmp_path)
    with pytest.raises(PackageUnavailable, match="not signed"):
        suite.update()
    with pytest.raises(PackageUnavailable):
        suite.version_of("micropython", "1.26.1", source=True)


@pytest.mark.parametrize(
    ("version", "wanted", "fits"),
    [
        ("1.26.1+ds-1", "1.26.1", True),
        ("1:1.26.1-2", "1.26.1", True),
        ("1.26.10-1", "1.26.1", False),
        ("1.27.0-1", "1.26.1", False),
        ("3.6.6-0.1~deb13u1", "3.6", True),
        ("3.60-1", "3.6", False),
        ("13.6-1", "3.6", False),
    ],
)
def test_versions_are_compared_by_whole_numbers(version: str, wanted: str, fits: bool) -> None:
    assert is_version(version, wanted) is fits


def _no_network(_recipe: Recipe, _into: Path) -> None:
    raise AssertionError("a warm cache asked for packages")


def _suite(tmp_path: Path) -> Suite:
    (tmp_path / "mirror").mkdir(exist_ok=True)
    return Suite(
        name="forky",
        mirror=f"file://{tmp_path / 'mirror'}",
        folder=tmp_path / "apt",
        kinds=frozenset({"deb-src"}),
    )
