"""Files as the tools read and write them: text is UTF-8, and what is written is whole.

An error names the file that was to be read or written: the system names none when a disk is full.
"""

import errno
import os
import select
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from bulkhead_host.errors import UsageError

NOT_TEXT = "it is not text in UTF-8"
SAVE_AS_TEXT = "save the file as UTF-8"


class NotText(UsageError):
    """A file is not text in UTF-8; `line` is the first that is not."""

    def __init__(self, path: Path, line: int) -> None:
        super().__init__(f"{path}:{line}: {NOT_TEXT}", SAVE_AS_TEXT)
        self.line = line


def check_reader(stream: TextIO) -> None:
    """Raise `BrokenPipeError` where a stream is a pipe that nobody reads any more.

    Who writes a line now and then would hear of it with the next line alone.
    """
    if not hasattr(select, "poll"):  # a system without: Windows
        return
    looking, events = select.poll(), 0
    with suppress(OSError, ValueError):  # it is no file, or is closed
        looking.register(stream.fileno(), 0)
        events = max((found for _, found in looking.poll(0)), default=0)
    if events & select.POLLERR:
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def read_text(path: Path) -> str:
    """Return the text of a file; a byte order mark is left out, and every line ends in a newline.

    Raises `NotText` when it is no UTF-8, and `OSError` when it cannot be read.
    """
    return text_of(path.read_bytes(), path)


def text_of(data: bytes, path: Path) -> str:
    """Return the text that was read from a file, as `read_text` does."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NotText(path, data.count(b"\n", 0, error.start) + 1) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def python_files(folder: Path) -> list[Path]:
    """Return the Python files below a folder, in order, but what is hidden.

    Editors keep locks and copies under such names while a file is open: `.#service.py`.
    """
    return [
        file
        for file in sorted(folder.rglob("*.py"))
        if not any(part.startswith(".") for part in file.relative_to(folder).parts)
        and file.is_file()
    ]


def write_text(path: Path, text: str) -> None:
    """Write a text file as UTF-8, as `write_whole` does."""
    write_whole(path, text.encode())


def write_all(texts: Mapping[Path, str]) -> None:
    """Write several text files, or none of those that were not there before.

    Folders that were made for them are removed, too. Raises as `write_text` does.
    """
    made: list[Path] = []
    missing = {one for path in texts for one in path.parents if not one.exists()}
    try:
        for path, text in texts.items():
            is_new = not path.exists()
            write_text(path, text)
            made += [path] if is_new else []
    except BaseException:
        for path in made:
            path.unlink(missing_ok=True)
        for folder in sorted(missing, reverse=True):
            with suppress(OSError):
                folder.rmdir()
        raise


def append_text(path: Path, text: str) -> None:
    """Write at the end of a text file."""
    with _naming(path), path.open("ab") as file:
        file.write(text.encode())


def write_whole(path: Path, data: bytes | memoryview, *, is_synced: bool = False) -> None:
    """Write a file so that a reader, or an interruption, sees the old one or the new one.

    What is no regular file, as a terminal or a pipe, is written to. Folders that are missing are
    made, and removed again when it fails. With `is_synced` it is on the disk when this returns.
    Raises `OSError` that names `path`.
    """
    with _naming(path):
        target = path.resolve()
        if target.exists() and not target.is_file():
            target.write_bytes(data)
            return
        with _folder_of(target) as folder, _temporary(folder, target.name) as made:
            with made.open("wb") as file:
                file.write(data)
                if is_synced:
                    file.flush()
                    os.fsync(file.fileno())
            made.chmod(target.stat().st_mode if target.exists() else 0o644)
            made.replace(target)


def write_new(path: Path, data: bytes) -> None:
    """Write a file for this user alone, whole; one that is there, or comes first, is left alone.

    Raises `OSError` that names `path`.
    """
    with _naming(path), _folder_of(path) as folder, _temporary(folder, path.name) as made:
        made.write_bytes(data)
        with suppress(FileExistsError):
            path.hardlink_to(made)


@contextmanager
def folder_whole(folder: Path) -> Iterator[Path]:
    """Give a temporary folder that becomes `folder` when the block ends without an exception.

    An existing `folder` is replaced. The temporary one is a neighbour, so the last step is one
    rename; it is removed when the block raises. Errors of the block name files of `folder`.
    """
    with _folder_of(folder) as parent:
        with _naming(folder):
            made = Path(tempfile.mkdtemp(dir=parent, prefix=f".{folder.name}."))
        try:
            with _naming(folder, instead_of=made):
                yield made
            with _naming(folder):
                made.chmod(0o755)
                if folder.exists():
                    shutil.rmtree(folder)
                made.rename(folder)
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise


@contextmanager
def _naming(path: Path, *, instead_of: Path | None = None) -> Iterator[None]:
    """Have an error name `path`, or the same place in it as it names in another folder."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.strerror is None:
            raise
        named = Path(os.fsdecode(error.filename)) if isinstance(error.filename, str) else None
        if instead_of is not None:
            if named is None or not named.is_relative_to(instead_of):
                raise
            path = path / named.relative_to(instead_of)
        raise OSError(error.errno, error.strerror, str(path)) from error


@contextmanager
def _folder_of(path: Path) -> Iterator[Path]:
    """Give the folder of a file, made where it is missing, and removed again when that fails."""
    folder = path.parent
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
    except BaseException:
        for one in missing:
            with suppress(OSError):
                one.rmdir()
        raise


@contextmanager
def _temporary(folder: Path, name: str) -> Iterator[Path]:
    """Give an empty file beside a file, and remove it unless it has got that one's name."""
    handle, made = tempfile.mkstemp(dir=folder, prefix=f".{name}.")
    os.close(handle)
    try:
        yield Path(made)
    finally:
        Path(made).unlink(missing_ok=True)
