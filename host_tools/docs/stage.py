"""Put pages, READMEs and generated pages into the folder that Sphinx reads."""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from bulkhead_host.errors import BulkheadError
from bulkhead_host.files import read_text, write_text
from bulkhead_host.paths import source_root
from docs import boards, commands, errors, keys, operations, schemas

PAGES = PurePosixPath("host_tools/docs/pages")
GENERATED: dict[str, Callable[[], str]] = {
    "reference/commands.md": commands.page,
    "reference/exit_codes.md": errors.exit_codes_page,
    "reference/errors.md": errors.messages_page,
    "reference/manifest.md": keys.page,
    "reference/operations.md": operations.page,
    "reference/boards.md": boards.page,
    "reference/json.md": schemas.page,
}
"""Pages that are made of the tree itself, by their place in the site."""

_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)\s]+)\)")
_PICTURE = re.compile(r"!\[([^\]]*)\]\(([^):\s]+)\)")
_FENCE = re.compile(r"^(```.*?^```)", re.MULTILINE | re.DOTALL)
_SCHEME = re.compile(r"[a-z]+:")
_HIDDEN = {".venv", "build", "node_modules", ".pytest_cache"}


def stage(folder: Path) -> Path:
    """Write all pages of the site below `folder`, emptied before; return it.

    Raises BulkheadError for a link that leads nowhere, and for what of the tree no page tells.
    """
    root = source_root()
    shutil.rmtree(folder, ignore_errors=True)
    places = site_places(root)
    for origin, place in places.items():
        if origin.endswith(".md"):
            text = with_pictures(read_text(root / origin), root / origin, folder / place)
            write_page(folder / place, relinked(text, origin, root, places))
    for place, make in GENERATED.items():
        write_page(folder / place, make())
    shutil.copy(root / PAGES / "conf.py", folder / "conf.py")
    return folder


def write_page(path: Path, text: str) -> None:
    """Write a page, with the folders it is in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text)


def with_pictures(text: str, origin: Path, page: Path) -> str:
    """Return a page whose pictures lie beside it, and put copies of them there."""

    def beside(picture: re.Match[str]) -> str:
        source = origin.parent / picture[2]
        if not source.exists():
            problem = f"{origin} shows {picture[2]}, which is not there"
            raise BulkheadError(problem, "mend the link")
        page.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, page.parent / source.name)
        return f"![{picture[1]}]({source.name})"

    return _PICTURE.sub(beside, text)


def site_places(root: Path) -> dict[str, str]:
    """Return where each page of the tree is in the site, by its path from the tree's root."""
    places = {}
    for file in sorted(root.rglob("*.md")):
        path = file.relative_to(root)
        if any(part in _HIDDEN or part.startswith(".") for part in path.parts):
            continue
        if path.is_relative_to(PAGES):
            places[path.as_posix()] = path.relative_to(PAGES).as_posix()
        else:
            name = "_".join(path.with_suffix("").parts).lower()
            places[path.as_posix()] = f"explanation/{name}.md"
    return places


def relinked(text: str, origin: str, root: Path, places: dict[str, str]) -> str:
    """Return a page whose links lead to pages of the site; what is no page loses its link."""
    pieces = _FENCE.split(text)
    return "".join(
        piece
        if piece.startswith("```")
        else _LINK.sub(lambda link: _relinked(link, origin, root, places), piece)
        for piece in pieces
    )


def _relinked(link: re.Match[str], origin: str, root: Path, places: dict[str, str]) -> str:
    words, target = link[1], link[2]
    if _SCHEME.match(target) or target.startswith("#"):
        return link[0]
    path, mark, anchor = target.partition("#")
    wanted = os.path.normpath(PurePosixPath(origin).parent / path)
    here = PurePosixPath(places[origin]).parent
    generated = os.path.normpath(here / path)
    if origin.startswith(str(PAGES)) and generated in GENERATED:
        return link[0]
    page = next((name for name in (wanted, f"{wanted}/README.md") if name in places), None)
    if page is not None:
        return f"[{words}]({os.path.relpath(places[page], here)}{mark}{anchor})"
    if not (root / wanted).exists():
        raise BulkheadError(f"{origin} links to {target}, which is not there", "mend the link")
    return words if words.startswith("`") else f"{words} (`{wanted}`)"
