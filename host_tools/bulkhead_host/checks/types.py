"""Types: the host strictly, what runs on a board against the board's stubs.

The stubs of MicroPython's modules lie loose in site-packages, where mypy does not look for
them. They are copied to a folder of their own: those of the board's modules beside MicroPython's
view of the standard library, which takes the place of mypy's own. The stubs of two boards have the
same file names, so those of the second are in `.venv/stubs`, where `setup.sh` puts what
`stubs.lock` pins.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from bulkhead_host.checks.files import python_files
from bulkhead_host.errors import BulkheadError
from bulkhead_host.files import read_text, write_text
from bulkhead_host.problem import Problem
from bulkhead_host.scaffold.typings import BOARD_STUBS, LIBRARY_STUBS, copy_stubs
from bulkhead_host.system import generate
from bulkhead_host.system.boards import board_named
from bulkhead_host.system.examine import load_system

SIMULATOR = "firmware/port/sim.py"
CPYTHON = "firmware/port/cpython"
PORTS = "firmware/port"
_QEMU = ("qemu", "qemu/stores")  # no stubs know what its C has
EXAMPLES = "services/examples"
APPLICATION_BOARD = "pico"
HOST_FOLDERS = (
    "host_tools/bulkhead_host", "host_tools/docs", "host_tools/pytest_bulkhead", "tests",
)  # fmt: skip
# Device code has few annotations; what it says without them must still be right.
_DEVICE_OPTIONS = (
    *("--check-untyped-defs", "--no-strict-optional", "--explicit-package-bases"),
    *("--disable-error-code=var-annotated", "--no-error-summary", "--hide-error-context"),
)


@dataclass(frozen=True, kw_only=True)
class Target:
    """A board that device code is checked for: its stubs, and what is not for it.

    `folder` is where its stubs are, below this environment; without it they are installed in it.
    """

    board: str
    stubs: str
    folder: str = ""
    other_ports: tuple[str, ...]
    left_out: tuple[str, ...] = ()


TARGETS = {
    "pico": Target(board="pico", stubs=BOARD_STUBS["rp2"], other_ports=("sim", "esp32", *_QEMU)),
    "esp32": Target(
        board="esp32",
        stubs=BOARD_STUBS["esp32"],
        folder="stubs/esp32",
        other_ports=("sim", "rp2", "rp2_lines", "rp2_prompt", "rp2_sources", "unix", *_QEMU),
        left_out=("firmware/bench", "firmware/boot/boot.py"),
    ),
}


def check_host_types(root: Path) -> list[Problem]:
    """Return what mypy finds in the host tools and tests, by the settings of pyproject.toml."""
    return _mypy(root, ["--no-error-summary", *HOST_FOLDERS])


def check_device_types(
    root: Path, *, work: Path, extra: Sequence[Path] = (), board: str = "pico"
) -> list[Problem]:
    """Return what mypy finds in firmware and services, and in `extra` files, for a board.

    `work` is a folder for stubs, generated modules and mypy's cache, one for each board.
    """
    target = TARGETS[board]
    others = {f"{PORTS}/{name}.py" for name in target.other_ports}
    files = [
        file.as_posix()
        for file in python_files(root, "firmware", "services")
        if file.as_posix() not in others and not file.is_relative_to(CPYTHON)
        if not any(file.is_relative_to(folder) for folder in target.left_out)
        if not any(file.match(f"{EXAMPLES}/*/{name}") for name in ("test_*.py", "desk.py"))
    ]
    stubs = _prepare_stubs(work, target)
    generated = _prepare_generated(work, root, board)
    folders = [root / "firmware", root, generated, _prepare_examples(work, root), stubs]
    options = [
        *("--config-file", str(_configuration(work, stubs)), *_DEVICE_OPTIONS),
        *("--custom-typeshed-dir", str(work / "typeshed"), "--cache-dir", str(work / "cache")),
    ]
    return _mypy(root, [*options, *files, *map(str, extra)], search=folders)


def check_simulator_types(root: Path, *, work: Path) -> list[Problem]:
    """Return what mypy finds in the simulated port, which runs under CPython."""
    folders = [root / "firmware", root / CPYTHON]
    options = ["--config-file=", "--follow-imports=silent", "--cache-dir", str(work / "cache-sim")]
    return _mypy(root, [*options, *_DEVICE_OPTIONS, SIMULATOR], search=folders)


def _mypy(root: Path, options: Sequence[str], search: Sequence[Path] = ()) -> list[Problem]:
    environment = dict(os.environ)
    if search:
        environment["MYPYPATH"] = os.pathsep.join(map(str, search))
    command = [sys.executable, "-m", "mypy", "--no-color-output", "--no-pretty", *options]
    done = subprocess.run(
        command,
        cwd=root,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    problems = [_problem(line) for line in done.stdout.splitlines() if ": note:" not in line]
    if done.returncode and not problems:
        problems.append(Problem(path=Path("mypy"), text=done.stderr.strip() or "failed"))
    return problems


def _problem(line: str) -> Problem:
    path, _, rest = line.partition(":")
    number, _, text = rest.partition(":")
    if not number.isdecimal():
        return Problem(path=Path(path), text=rest.strip())
    return Problem(path=Path(path), line=int(number), text=text.removeprefix(" error:").strip())


def _prepare_stubs(work: Path, target: Target) -> Path:
    """Copy the stubs under `work`, once for each version, and return the folder of modules."""
    path = [str(Path(sys.prefix) / target.folder)] if target.folder else sys.path
    board = next(iter(metadata.distributions(name=target.stubs, path=path)), None)
    if board is None:
        raise BulkheadError(f"{target.stubs} is not installed", "make clean, then make setup")
    library = metadata.distribution(LIBRARY_STUBS)
    stamp = work / "stubs-version"
    wanted = f"{board.version} {library.version}"
    stubs = work / "stubs"
    if stamp.is_file() and read_text(stamp) == wanted:
        return stubs
    shutil.rmtree(work, ignore_errors=True)
    copy_stubs((board, library), modules=stubs, typeshed=work / "typeshed")
    write_text(stamp, wanted)
    return stubs


def _prepare_generated(work: Path, root: Path, board: str) -> Path:
    """Write the modules that a build generates, for the application that ships.

    It is the pico's, whatever the board: a pin's number does not change a type.
    """
    folder = work / "generated"
    folder.mkdir(parents=True, exist_ok=True)
    for name, source in (
        ("bulkhead_system", generate.system_module(root / "services", APPLICATION_BOARD)),
        (
            "bulkhead_boot",
            generate.boot_source(*load_system(root / "services", APPLICATION_BOARD)),
        ),
        ("bulkhead_board", generate.board_module(APPLICATION_BOARD)),
        ("bulkhead_port", generate.port_source(board_named(board))),
        ("bulkhead_key", "KEY = bytes(32)\n"),
        ("bulkhead_outputs", 'STORES = b""\n'),
        ("bulkhead_slots", read_text(root / "firmware" / "boot" / "bulkhead_slots.py")),
    ):
        write_text(folder / f"{name}.py", source)
    return folder


def _prepare_examples(work: Path, root: Path) -> Path:
    """Make the services of the example applications importable as `services.NAME`."""
    folder = work / "examples"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "services").mkdir(parents=True)
    for manifest in sorted((root / EXAMPLES).glob("*/*/service.toml")):
        link = folder / "services" / manifest.parent.name
        if not link.exists():  # of the same name in another example: it is checked with that one's
            link.symlink_to(manifest.parent)
    return folder


def _configuration(work: Path, stubs: Path) -> Path:
    """Write mypy's settings: what is wrong in the stubs themselves is not ours to mend."""
    path = work / "mypy.ini"
    modules = sorted({file.relative_to(stubs).parts[0] for file in stubs.rglob("*.pyi")})
    names = [Path(module).stem for module in modules]
    sections = [f"[mypy-{name},{name}.*]\nignore_errors = True\n" for name in names]
    write_text(path, "[mypy]\n" + "\n".join(sections))
    return path
