"""The source tree an image is built from: fetched once, unpacked, and kept in the cache.

sources/<recipe>/micropython/     MicroPython, mbedtls and tinyusb where it looks for them
sources/<recipe>/pico-sdk/        the Raspberry Pi Pico SDK
sources/<recipe>/sources.json     which package versions these are, and their SHA-256
libraries/<package>/              what only some boards are built with, in the same form
"""

import json
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bulkhead_host.errors import BulkheadError
from bulkhead_host.files import folder_whole, read_text, write_text
from bulkhead_host.image.apt import PackageUnavailable, Suite, machine_mirror
from bulkhead_host.image.cache import Progress, digest, keep_newest, quiet
from bulkhead_host.image.process import run
from bulkhead_host.image.recipe import RECIPES, Package, Recipe

# Raised when a tree is put together in another way.
_LAYOUT_VERSION = 1
_TREES_KEPT = 2


@dataclass(frozen=True, kw_only=True)
class SourceTree:
    """An unpacked source tree. `key` changes with every byte of the packages it came from."""

    recipe: Recipe
    folder: Path
    key: str

    @property
    def micropython(self) -> Path:
        """The root of MicroPython's own tree."""
        return self.folder / "micropython"

    @property
    def pico_sdk(self) -> Path:
        """The root of the Pico SDK."""
        return self.folder / "pico-sdk"


@dataclass(frozen=True, kw_only=True)
class Library:
    """A library's sources, unpacked; `target` is where in MicroPython's tree they belong."""

    folder: Path
    target: str
    key: str


# Fetches a recipe's packages into a folder, one sub-folder for each, or raises
# `PackageUnavailable`.
Fetch = Callable[[Recipe, Path], None]


def source_tree(
    cache: Path,
    *,
    recipes: Sequence[Recipe] = RECIPES,
    fetch: Fetch | None = None,
    progress: Progress = quiet,
) -> SourceTree:
    """Return the source tree of the most preferred recipe that can be had.

    A tree in the cache is used without asking the network. Raises `BulkheadError` when no
    recipe's packages can be had.
    """
    folders = {recipe.version: cache / "sources" / _folder_name(recipe) for recipe in recipes}
    for recipe in recipes:
        if _is_whole(folders[recipe.version]):
            return _opened(recipe, folders[recipe.version])
    reasons = []
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix=".apt.") as state:
        fetch = fetch or _AptFetch(Path(state), progress)
        for recipe in recipes:
            progress(f"fetching the sources of MicroPython {recipe.version}")
            try:
                _make_tree(recipe, folders[recipe.version], fetch)
            except PackageUnavailable as reason:
                progress(f"MicroPython {recipe.version} cannot be had: {reason}")
                reasons.append(str(reason))
                continue
            return _opened(recipe, folders[recipe.version])
    raise BulkheadError(
        f"MicroPython's sources cannot be had: {'; '.join(reasons)}",
        "check the network, or take the official image: bulkhead build --official",
    )


def are_at_hand(cache: Path, libraries: Sequence[Package] = ()) -> bool:
    """Tell whether a source tree, and these libraries, are in the cache: nothing is fetched."""
    trees = (cache / "sources" / _folder_name(recipe) for recipe in RECIPES)
    return any(map(_is_whole, trees)) and all(
        _is_whole(_library_folder(cache, package)) for package in libraries
    )


def library(
    cache: Path, package: Package, *, fetch: Fetch | None = None, progress: Progress = quiet
) -> Library:
    """Return a library's sources, from the cache or fetched; raise `BulkheadError`."""
    # Its file names say which version it is; a recipe's other packages are not wanted here.
    recipe = replace(RECIPES[0], packages=(replace(package, target="."),))
    folder = _library_folder(cache, package)
    if not _is_whole(folder):
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix=".apt.") as state:
            try:
                with _made_folder(recipe, folder, fetch or _AptFetch(Path(state), progress)):
                    progress(f"unpacked {package.name}")
            except PackageUnavailable as reason:
                raise BulkheadError(
                    f"the sources of {package.name} cannot be had: {reason}",
                    "check the network, or build for a board without it: --board pico",
                ) from reason
    key = digest(read_text(folder / "sources.json"))
    return Library(folder=folder, target=package.target, key=key)


class _AptFetch:
    """Fetch with apt; a suite's lists are fetched once, however many recipes use it."""

    def __init__(self, folder: Path, progress: Progress) -> None:
        self._folder = folder
        self._progress = progress
        self._updated: set[str] = set()
        self._mirror = ""

    def __call__(self, recipe: Recipe, into: Path) -> None:
        for package in recipe.packages:
            suite = self._suite(package.suite, recipe.packages)
            version = suite.version_of(package.name, package.version, source=package.source)
            self._progress(f"fetching {package.name} {version} from suite {package.suite}")
            target = into / package.name
            target.mkdir()
            suite.download(package.name, version, target, source=package.source)

    def _suite(self, name: str, packages: Sequence[Package]) -> Suite:
        self._mirror = self._mirror or machine_mirror(self._folder)
        used = [package for package in packages if package.suite == name]
        kinds = frozenset("deb-src" if package.source else "deb" for package in used)
        folder = self._folder / name
        suite = Suite(name=name, mirror=self._mirror, folder=folder, kinds=kinds)
        if name not in self._updated:
            self._progress(f"fetching the package lists of suite {name}")
            suite.update()
            self._updated.add(name)
        return suite


def _folder_name(recipe: Recipe) -> str:
    return f"micropython-{recipe.version}-{digest(repr(recipe), str(_LAYOUT_VERSION))[:12]}"


def _library_folder(cache: Path, package: Package) -> Path:
    return cache / "libraries" / f"{package.name}-{digest(repr(package))[:12]}"


def _is_whole(folder: Path) -> bool:
    return (folder / "sources.json").exists()


def _opened(recipe: Recipe, folder: Path) -> SourceTree:
    described = read_text(folder / "sources.json")
    return SourceTree(recipe=recipe, folder=folder, key=digest(described))


def _make_tree(recipe: Recipe, folder: Path, fetch: Fetch) -> None:
    with _made_folder(recipe, folder, fetch) as tree:
        # MicroPython's CMake files look for it; nothing of that library is frozen.
        frozen = tree / "micropython" / "lib" / "micropython-lib"
        frozen.mkdir(parents=True, exist_ok=True)
        (frozen / "README.md").touch()
        tinyusb = tree / "micropython" / "lib" / "tinyusb"
        shutil.copytree(tree / "tinyusb", tinyusb, dirs_exist_ok=True)
    keep_newest(folder.parent, _TREES_KEPT)


@contextmanager
def _made_folder(recipe: Recipe, folder: Path, fetch: Fetch) -> Iterator[Path]:
    """Yield a folder with a recipe's packages, which is `folder` when the block has ended."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=folder.parent, prefix=".fetch.") as downloads,
        folder_whole(folder) as tree,
    ):
        fetch(recipe, Path(downloads))
        described = {}
        for package in recipe.packages:
            files = sorted((Path(downloads) / package.name).iterdir())
            described[package.name] = {f.name: digest(f.read_bytes()) for f in files}
            _unpack(package, files, tree)
        yield tree
        write_text(tree / "sources.json", json.dumps(described, indent=1, sort_keys=True))


def _unpack(package: Package, files: Sequence[Path], tree: Path) -> None:
    target = tree / package.target
    target.mkdir(parents=True, exist_ok=True)
    if package.source:
        archive = next(file for file in files if ".orig.tar." in file.name)
        _unpack_archive(archive, target)
        return
    with tempfile.TemporaryDirectory(dir=tree.parent, prefix=".unpack.") as scratch:
        for file in files:
            run(["dpkg-deb", "--extract", str(file), scratch])
        for installed in (Path(scratch) / "usr" / "src").iterdir():
            shutil.move(installed, target / installed.name)


def _unpack_archive(archive: Path, target: Path) -> None:
    """Unpack a tar archive without its top folder. Its links and paths may not lead outside."""
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".unpack.") as scratch:
        with tarfile.open(archive) as tar:
            # Python 3.11.2, which Debian 12 has, may not know filters yet.
            tar.extraction_filter = getattr(tarfile, "data_filter", lambda member, _path: member)
            tar.extractall(scratch)
        (top,) = Path(scratch).iterdir()
        for entry in top.iterdir():
            if (target / entry.name).is_dir():
                shutil.copytree(entry, target / entry.name, dirs_exist_ok=True)
            else:
                entry.rename(target / entry.name)
