"""What an editor needs to know of what a service imports: `build/typings` of an application.

Links lead to the user library, the operations of each service, and the application's own, so an
`api.py` that changes is seen at once. MicroPython's modules are its stubs, copied: loose in an
environment they would be taken for CPython's, by every other project in it.
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from bulkhead_host.errors import BulkheadError, UsageError
from bulkhead_host.files import read_text, write_text
from bulkhead_host.paths import source_root
from bulkhead_host.system.boards import board_named
from bulkhead_host.system.examine import load_system
from bulkhead_host.system.generate import board_module, system_source

LIBRARY_STUBS = "micropython-stdlib-stubs"
BOARD_STUBS = {"rp2": "micropython-rp2-rpi_pico-stubs", "esp32": "micropython-esp32-stubs"}
"""The distributions with MicroPython's modules, by port."""

_LIBRARY_PARTS = ("stdlib", "stubs")  # what takes the place of a checker's own library


def write_typings(application: Path) -> Path:
    """Write `build/typings` and `build/typeshed` of an application; return the former.

    Stubs that are not installed are fetched by pip. Raises `UsageError` where the application is
    none or has errors, `BulkheadError` with pip's words.
    """
    if not (application / "system.toml").is_file():
        raise UsageError(
            f"there is no system.toml in {application.absolute()}",
            "cd into an application, or make one: bulkhead new NAME",
        )
    system, board = load_system(application, None)
    typings = application / "build" / "typings"
    with tempfile.TemporaryDirectory() as fetched:
        found = _distributions(BOARD_STUBS[board_named(board.name).port], Path(fetched))
        for folder in (typings, typings.parent / "typeshed"):
            shutil.rmtree(folder, ignore_errors=True)
        copy_stubs(found, modules=typings, typeshed=typings.parent / "typeshed")
    for file in typings.rglob("*.pyi"):  # what is wrong in the stubs is nobody's here to mend
        write_text(file, f"# mypy: ignore-errors\n{read_text(file)}")
    firmware = source_root() / "firmware"
    _link(typings / "bulkhead", firmware / "bulkhead")
    _link(typings / "kernel" / "abi.py", firmware / "kernel" / "abi.py")
    shipped = (source_root() / "services").glob("*/api.py")
    folders = {file.parent.name: file.parent for file in shipped}
    folders |= {service.package: service.folder for service in system.services}
    for name, folder in folders.items():
        _link(typings / "services" / name, folder)
    for name, path in system.packages:
        _link(typings / (name if path.is_dir() else f"{name}.py"), path)
    write_text(typings / "bulkhead_system.py", system_source(system, board))
    write_text(typings / "bulkhead_board.py", board_module(board.name))
    return typings


def copy_stubs(
    distributions: Iterable[metadata.Distribution], *, modules: Path, typeshed: Path
) -> None:
    """Copy stubs: those of the board's modules, and MicroPython's view of the library."""
    for distribution in distributions:
        for file in distribution.files or ():
            if file.suffix == ".pyi" or file.name == "VERSIONS":
                place = (typeshed if file.parts[0] in _LIBRARY_PARTS else modules) / file
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(Path(str(file.locate())), place)


def _distributions(board: str, fetched: Path) -> list[metadata.Distribution]:
    """Return the distributions of stubs: those installed here, or fetched to a folder."""
    names = (board, LIBRARY_STUBS)
    installed = [next(iter(metadata.distributions(name=name)), None) for name in names]
    if None not in installed:
        return [one for one in installed if one is not None]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(fetched), *names]
    done = subprocess.run(pip, capture_output=True, encoding="utf-8", check=False)
    if done.returncode:
        words = (done.stderr.strip() or "no reason given").splitlines()[-1]
        raise BulkheadError(f"pip: {words}", f"{sys.executable} -m pip install {' '.join(names)}")
    return [next(iter(metadata.distributions(name=name, path=[str(fetched)]))) for name in names]


def _link(place: Path, target: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(target.resolve())
