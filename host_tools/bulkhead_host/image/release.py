"""`make release`: every artefact of a version, with checksums and a manifest.

    build/release/bulkhead-pico.uf2, bulkhead-pico_ppp.uf2, ...   the application that ships
    build/release/bulkhead_kernel-VERSION.tar.gz, ...whl          what pip installs
    build/release/manifest.json                                   what each is, and made of what
    build/release/SHA256SUMS                                      for `sha256sum -c`

The same tree gives the same bytes, on every machine and day: images as `build` says, archives with
the date of the sources' release in place of that of the files.
"""

import hashlib
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bulkhead_host import __version__
from bulkhead_host.errors import BulkheadError
from bulkhead_host.files import read_text, write_text
from bulkhead_host.image.application import system_files
from bulkhead_host.image.build import Image, build_image
from bulkhead_host.image.cache import Progress, quiet
from bulkhead_host.image.process import ProgramFailed, run
from bulkhead_host.image.recipe import RECIPES
from bulkhead_host.image.sources import source_tree
from bulkhead_host.paths import cache_dir, source_root
from bulkhead_host.system.boards import board_named, board_names

FOLDER = Path("build/release")
MANIFEST, SUMS = "manifest.json", "SHA256SUMS"


@dataclass(frozen=True, kw_only=True)
class Artefact:
    """A file of a release, and what the manifest says of it beside its size and sum."""

    name: str
    kind: str
    about: dict[str, object]


def release(folder: Path, *, progress: Progress = quiet) -> list[Artefact]:
    """Make all artefacts in a folder that has nothing else in it; raise `BulkheadError`."""
    strangers = [path.name for path in folder.iterdir()] if folder.exists() else []
    if strangers:
        raise BulkheadError(
            f"{folder} is not empty: {', '.join(sorted(strangers)[:3])}", f"rm -r {folder}"
        )
    folder.mkdir(parents=True, exist_ok=True)
    artefacts = [image_of(name, folder, progress) for name in built_here()]
    artefacts += _distributions(folder, progress)
    describe(folder, artefacts)
    return artefacts


def built_here() -> list[str]:
    """Return the boards whose image is built here."""
    return [
        name
        for name in board_names()
        if not (board := board_named(name)).image.why_not and board.method == "uf2"
    ]


def image_of(name: str, folder: Path, progress: Progress = quiet) -> Artefact:
    """Build the image of a board with the application that ships."""
    progress(f"building the image of {name}")
    path = folder / f"bulkhead-{name}.uf2"
    files = system_files(source_root() / "services", board=name)
    image: Image = build_image(board=name, files=files, output=path, progress=progress)
    about = {
        "board": name,
        "tier": board_named(name).tier,
        "micropython": image.micropython_version,
        "flash_used": image.flash_used,
        "flash_available": image.flash_available,
    }
    return Artefact(name=path.name, kind="image", about=about)


def _distributions(folder: Path, progress: Progress) -> list[Artefact]:
    progress("building the wheel and the sdist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder.resolve())]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(RECIPES[0].release_day)}
    try:
        run(command, folder=source_root(), environment=environment)
    except ProgramFailed as error:
        raise BulkheadError(f"{error}: {error.reason}", "make setup") from error
    kinds = {".whl": "wheel", ".gz": "sdist"}
    return [
        Artefact(name=path.name, kind=kinds[path.suffix], about={"version": __version__})
        for path in sorted(folder.iterdir())
        if path.suffix in kinds
    ]


def describe(folder: Path, artefacts: Sequence[Artefact]) -> None:
    """Write the manifest and the sums of artefacts that are in a folder."""
    described = []
    for artefact in sorted(artefacts, key=lambda one: one.name):
        content = (folder / artefact.name).read_bytes()
        described.append(
            {
                "name": artefact.name,
                "kind": artefact.kind,
                "bytes": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
                **artefact.about,
            }
        )
    sources = json.loads(read_text(source_tree(cache_dir()).folder / "sources.json"))
    manifest = {"bulkhead": __version__, "artefacts": described, "sources": sources}
    write_text(folder / MANIFEST, json.dumps(manifest, indent=1) + "\n")
    names = [*(one["name"] for one in described), MANIFEST]
    sums = [
        f"{hashlib.sha256((folder / str(name)).read_bytes()).hexdigest()}  {name}\n"
        for name in names
    ]
    write_text(folder / SUMS, "".join(sums))


def main() -> None:
    """Make a release in build/release, or the folder that is named."""
    folder = Path(sys.argv[1]) if sys.argv[1:] else FOLDER
    try:
        release(folder, progress=lambda line: print(f"release: {line}", file=sys.stderr))
    except BulkheadError as error:
        print(f"release: {error.cause}\n  try: {error.next_step}", file=sys.stderr)
        sys.exit(error.exit_code)
    print(read_text(folder / SUMS), end="")


if __name__ == "__main__":
    main()
