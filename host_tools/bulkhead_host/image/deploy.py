"""Put a folder of modules on a board's file system, with the user's own tools.

The board is asked for the SHA-256 of what it has, and gets what differs. What it has in the
folders of the modules and the modules do not, is removed: MicroPython would import it.
"""

import hashlib
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path, PurePosixPath

from bulkhead_host.errors import BulkheadError, DeviceTimeout
from bulkhead_host.files import write_text
from bulkhead_host.image.bootloader import check_that_it_opens
from bulkhead_host.image.cache import Progress, quiet
from bulkhead_host.image.key_slot import with_key
from bulkhead_host.link.key import device_key
from bulkhead_host.link.ports import find_address
from bulkhead_host.link.tool import command as tool_command

TOOLS = ("mpremote", "ampy")
TIMEOUT_S = 300

# main.py starts the kernel: it arrives when all it needs is there.
_LAST = ("boot.py", "main.py")
_MARK = "bulkhead-file"

# Runs on the board, also on one that has nothing of ours. {files} are at the root.
_LIST = """
import hashlib, os
from binascii import hexlify
def show(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while True:
            piece = file.read(512)
            if not piece:
                break
            digest.update(piece)
    print("{mark}", hexlify(digest.digest()).decode(), path)
def walk(folder):
    for entry in os.ilistdir(folder):
        path = folder + "/" + entry[0]
        if entry[1] == 0x4000:
            walk(path)
        else:
            show(path)
for name in {names!r}:
    try:
        kind = os.stat(name)[0]
    except OSError:
        continue
    if kind & 0x4000:
        walk(name)
    else:
        show(name)
"""

_PREPARE = """
import os
for path in {stale!r}:
    os.remove(path)
for folder in {folders!r}:
    try:
        os.mkdir(folder)
    except OSError:
        pass
"""


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """What was done, in paths on the board; `same` counts the files that it had already."""

    copied: tuple[str, ...]
    removed: tuple[str, ...]
    same: int


def deploy(
    port: str,
    folder: Path,
    via: str = "mpremote",
    *,
    timeout_s: float = TIMEOUT_S,
    progress: Progress = quiet,
) -> Deployed:
    """Make the board's file system have what is in `folder`; reset the board if it had not.

    `port` is in mpremote's forms. `via` is `mpremote` or `ampy`. The board gets this user's
    device key. Raises `DeviceNotFound`, `DeviceBusy`, `DeviceTimeout`, or `BulkheadError` with
    the tool's words.
    """
    address = find_address(port)
    check_that_it_opens(address)  # the tools do not tell a missing port from a busy one
    with tempfile.TemporaryDirectory() as made:
        place = Path(made)
        wanted = _with_key(folder, place)
        tool = _Tool(via=via, port=_from_anywhere(address.url), folder=place, timeout_s=timeout_s)
        progress(f"asking {address.url} with {via} what it has")
        there = _there(tool, wanted)
        changed = [path for path in wanted if there.get(path) != _digest(wanted[path])]
        stale = sorted(there.keys() - wanted.keys())
        if changed or stale:
            progress(f"copying {len(changed)} of {len(wanted)} files, removing {len(stale)}")
            for command in tool.install(_in_order(changed), stale):
                tool.run(command)
    return Deployed(
        copied=tuple(_in_order(changed)),
        removed=tuple(stale),
        same=len(wanted) - len(changed),
    )


def _from_anywhere(url: str) -> str:
    """Return the name of a port for a program that runs in another folder."""
    scheme, mark, rest = url.rpartition("://")
    path, _, options = rest.partition("?")
    if scheme not in ("", "spy", "alt") or not Path(path).exists():
        return url
    return scheme + mark + str(Path(path).absolute()) + (f"?{options}" if options else "")


@dataclass(frozen=True, kw_only=True)
class _Tool:
    """One of `TOOLS`, run in the folder of the files."""

    via: str
    port: str
    folder: Path
    timeout_s: float

    def execute(self, program: str) -> str:
        """Run a program on the board; return what it prints."""
        return self.run(self._program(program))

    def install(self, paths: Sequence[str], stale: Sequence[str]) -> Iterator[list[str]]:
        """Yield the commands that copy files, after removing others, and reset the board."""
        parents = {str(parent) for path in paths for parent in PurePosixPath(path).parents}
        prepare = _PREPARE.format(stale=list(stale), folders=sorted(parents - {"."}))
        if self.via == "ampy":
            yield self._program(prepare)
            yield from (["put", path, path] for path in paths)
            yield ["reset", "--hard"]
            return
        command = ["exec", prepare]
        for parent, group in groupby(paths, lambda path: PurePosixPath(path).parent):
            target = ":" if str(parent) == "." else f":{parent}/"
            command += ["+", "fs", "--no-verbose", "cp", *group, target]
        yield [*command, "+", "reset"]

    def run(self, command: Sequence[str]) -> str:
        module = {"ampy": "ampy.cli", "mpremote": "mpremote"}[self.via]
        where = ["--port", self.port] if self.via == "ampy" else ["connect", self.port]
        try:
            done = subprocess.run(
                [*tool_command(module), *where, *command],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                errors="replace",
                timeout=self.timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise DeviceTimeout(
                f"{self.via} did not end within {self.timeout_s:.0f} s",
                "unplug the board, and try again",
            ) from error
        if done.returncode:
            raise _failure(self.via, done.stdout)
        return done.stdout

    def _program(self, program: str) -> list[str]:
        if self.via == "mpremote":
            return ["exec", program]
        write_text(self.folder / ".program", program)
        return ["run", ".program"]


def _with_key(folder: Path, made: Path) -> dict[str, bytes]:
    """Copy a folder of modules with the device key put in; return its files by their paths."""
    key = device_key()
    found = {}
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = file.relative_to(folder).as_posix()
        found[name] = with_key(file.read_bytes(), key)
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_bytes(found[name])
    return found


def _there(tool: _Tool, wanted: dict[str, bytes]) -> dict[str, str]:
    """Return the digests of the files on the board where the wanted ones are to be."""
    names = sorted({PurePosixPath(path).parts[0] for path in wanted})
    output = tool.execute(_LIST.format(mark=_MARK, names=names))
    marked = [line.partition(f"{_MARK} ")[2] for line in output.splitlines()]
    pairs = [line.partition(" ") for line in marked if line]
    return {path: digest for digest, _, path in pairs}


def _in_order(paths: Sequence[str]) -> list[str]:
    """Return paths by folder, those of the root last, and what starts the kernel at the end."""

    def key(path: str) -> tuple[bool, int, str, str]:
        parent = str(PurePosixPath(path).parent)
        return (parent == ".", _LAST.index(path) + 1 if path in _LAST else 0, parent, path)

    return sorted(paths, key=key)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _failure(via: str, output: str) -> BulkheadError:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    words = lines[-1] if lines else "no reason given"
    return BulkheadError(f"{via} failed: {words}", "reset the board, and try again")
