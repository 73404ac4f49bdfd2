"""Build a firmware image: MicroPython, with what `hardening` changes, and with modules frozen in.

Same inputs, same bytes: an image is named by the digest of all that goes into it, and one that
the cache has is not built again. Otherwise the C sources are compiled once for each toolchain
and source tree, and a changed module costs freezing and linking.

    cache/sources/       source trees, and cache/libraries/, see `sources`
    cache/build/         one CMake build folder for each source tree, toolchain and board
    cache/images/KEY/    firmware.uf2, firmware.elf, image.json
    cache/folded/, cache/compiled/: what was made of sources on the way, see `folded`, `mpy`
"""

import hashlib
import inspect
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from bulkhead_host.errors import BulkheadError
from bulkhead_host.files import read_text, write_whole
from bulkhead_host.image.cache import Progress, digest, digest_files, keep_newest, locked, quiet
from bulkhead_host.image.firmware import FirmwareBuild, changes_for
from bulkhead_host.image.frozen import read_files, stock_modules
from bulkhead_host.image.recipe import BUILDER_VERSION, LIBRARIES, Board, board_named
from bulkhead_host.image.sources import SourceTree, are_at_hand, library, source_tree
from bulkhead_host.image.tighten import own_source
from bulkhead_host.image.toolchain import Toolchain, missing_packages, toolchain
from bulkhead_host.image.uf2 import read_uf2
from bulkhead_host.paths import cache_dir
from bulkhead_host.system import merge as merge_module
from bulkhead_host.system import scopes
from bulkhead_host.system.merge import merge

IMAGES_KEPT = 64
BUILD_FOLDERS_KEPT = 6


# What is made of the files hangs on this code as well, and most changes to it change nothing else.
_MAKERS = digest(*(inspect.getsource(one) for one in (merge_module, scopes)), own_source())


@dataclass(frozen=True, kw_only=True)
class Image:
    """A firmware image.

    `flash_used` counts the bytes programmed, of `flash_available` that the file system leaves;
    `sections` are the linker's sections that make them up or take RAM, in bytes. `hard_timers`
    is false when the MicroPython in it is too old for the hard kill.
    """

    path: Path
    elf: Path
    sha256: str
    flash_used: int
    flash_available: int
    sections: Mapping[str, int]
    micropython_version: str
    hard_timers: bool


def build_image(  # noqa: PLR0913  (all by keyword)
    *,
    board: str = "pico",
    files: Mapping[str, Path | bytes],
    output: Path | None = None,
    may_install: bool = True,
    in_ram: tuple[str, ...] | None = None,
    progress: Progress = quiet,
) -> Image:
    """Build an image with `files` (path on the board to source) frozen in.

    MicroPython is changed as `hardening` says, but without files it is as it comes. The modules
    that its own images have are in both, where `files` has none of the name. `in_ram` takes the
    place of what the board's file says of it.

    Writes it to `output`, whole or not at all; without `output` the image's path is the cache's
    own. Installs missing programs with apt where it may, unless `may_install` is false. Raises
    `BulkheadError` when something is missing, does not compile, or does not fit.
    """
    target = board_named(board)
    if in_ram is not None:
        target = replace(target, in_ram=in_ram)
    contents = read_files(files)
    stock = {name: code for name, code in stock_modules().items() if name not in contents}
    cache = cache_dir()
    _check_place(cache)
    modules = digest(_MAKERS, digest_files(contents | stock))
    if is_at_hand(target, cache):
        ground = _ground(target, cache, is_changed=bool(contents))
        with suppress(FileNotFoundError):  # it is still to be made
            return _described(ground.folder(modules), target, ground.tree, output)
    with locked(cache / "build.lock", progress):
        ground = _ground(
            target, cache, is_changed=bool(contents), may_install=may_install, progress=progress
        )
        folder = ground.folder(modules)
        if not (folder / "image.json").exists():
            place = digest(ground.key, str(ground.tree.folder))  # which CMake records
            build_folder = cache / "build" / f"{target.name}-{place[:12]}"
            builder = FirmwareBuild(
                board=target,
                tools=ground.tools,
                tree=ground.tree,
                folder=build_folder,
                progress=progress,
                additions=ground.additions,
                as_it_comes=not contents,
            )
            builder.make(merge(contents) | stock, folder)
            keep_newest(folder.parent, IMAGES_KEPT)
            keep_newest(build_folder.parent, BUILD_FOLDERS_KEPT)
        return _described(folder, target, ground.tree, output)


@dataclass(frozen=True, kw_only=True)
class _Ground:
    """What an image is made of besides its modules. `key` changes with every byte of it."""

    cache: Path
    tools: Toolchain
    tree: SourceTree
    additions: Mapping[str, Path]
    key: str

    def folder(self, modules: str) -> Path:
        """Return the folder of the image that has modules of this digest."""
        return self.cache / "images" / digest(self.key, modules)[:32]


def is_at_hand(board: Board, cache: Path) -> bool:
    """Tell whether nothing has to be fetched or installed for an image of a board."""
    libraries = [LIBRARIES[name] for name in board.libraries]
    return are_at_hand(cache, libraries) and not missing_packages()


def _ground(
    target: Board,
    cache: Path,
    *,
    is_changed: bool,
    may_install: bool = False,
    progress: Progress = quiet,
) -> _Ground:
    """Return what an image is made of. Where it `is_at_hand` that takes no lock."""
    tools = toolchain(may_install=may_install, progress=progress)
    tree = source_tree(cache, progress=progress)
    additions, keys = _additions(target, cache, progress)
    changes = digest(repr(changes_for(target))) if is_changed else ""
    key = digest(str(BUILDER_VERSION), tree.key, tools.key, repr(target), changes, *keys)
    return _Ground(cache=cache, tools=tools, tree=tree, additions=additions, key=key)


def stock_image(*, board: str = "pico", progress: Progress = quiet) -> Image:
    """Build MicroPython as it comes, with its own modules and asyncio frozen and none of ours."""
    return build_image(board=board, files={}, progress=progress)


def _additions(
    board: Board, cache: Path, progress: Progress
) -> tuple[dict[str, Path], tuple[str, ...]]:
    """Return the folders that a board adds to MicroPython's tree, and digests of what they are."""
    found = [library(cache, LIBRARIES[name], progress=progress) for name in board.libraries]
    additions = {one.target: one.folder for one in found}
    keys = [one.key for one in found]
    if board.definition is not None:
        additions[f"ports/rp2/boards/{board.micropython_board}"] = board.definition
        files = sorted(board.definition.iterdir())
        keys.append(digest_files({file.name: file.read_bytes() for file in files}))
    return additions, tuple(keys)


def _check_place(cache: Path) -> None:
    if any(character.isspace() for character in str(cache)):
        raise BulkheadError(
            f"there is a space in the cache's path, and MicroPython's build takes none: {cache}",
            "export BULKHEAD_CACHE=/a/path/without/spaces",
        )


def _described(folder: Path, board: Board, tree: SourceTree, output: Path | None) -> Image:
    os.utime(folder)  # it stays in the cache for longer
    content = (folder / "firmware.uf2").read_bytes()
    if output is not None:
        write_whole(output, content)
    return Image(
        path=output or folder / "firmware.uf2",
        elf=folder / "firmware.elf",
        sha256=hashlib.sha256(content).hexdigest(),
        flash_used=len(
            read_uf2(content, flash_bytes=board.flash_bytes, family=board.uf2_family).data
        ),
        flash_available=board.firmware_bytes_max,
        sections=json.loads(read_text(folder / "image.json"))["sections"],
        micropython_version=tree.recipe.version,
        hard_timers=tree.recipe.hard_timers,
    )
