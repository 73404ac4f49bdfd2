"""Which files an application's image has in it."""

from pathlib import Path

from bulkhead_host.image.recipe import board_named
from bulkhead_host.paths import source_root
from bulkhead_host.system import generate
from bulkhead_host.system.fold import fold_tree


def system_files(application: Path, *, board: str) -> dict[str, Path | bytes]:
    """Return what goes into an application's image: path on the board to source.

    That is the kernel, the board's port, the user library, the boot files, the application's
    services, each with the constants it imports folded in, and the modules generated from the
    manifests: `bulkhead_system.py`, its table, and `bulkhead_board.py`, the pins by name.
    """
    firmware = source_root() / "firmware"
    port = board_named(board).port
    sources: dict[str, Path] = {}
    for package in ("kernel", "bulkhead"):
        sources |= _modules(firmware / package, package)
    sources |= port_modules(port)
    for module in ("boot.py", "main.py"):
        sources[module] = firmware / "boot" / module
    for folder in generate.service_folders(application, board):
        sources |= _modules(folder, f"services/{folder.name}")
    files: dict[str, Path | bytes] = {**fold_tree(sources, firmware)}
    files["bulkhead_system.py"] = generate.system_module(application, board).encode()
    files["bulkhead_board.py"] = generate.board_module(board).encode()
    return files


def port_modules(port: str) -> dict[str, Path]:
    """Return the modules of a port: path on the board to source.

    Those are `PORT.py`, `PORT_*.py` and what every port on MicroPython shares.
    """
    folder = source_root() / "firmware" / "port"
    shared = (folder / "__init__.py", folder / "memory.py")
    files = (*shared, folder / f"{port}.py", *sorted(folder.glob(f"{port}_*.py")))
    return {f"port/{file.name}": file for file in files}


def _modules(folder: Path, package: str) -> dict[str, Path]:
    found = (file.relative_to(folder) for file in folder.rglob("*.py"))
    return {f"{package}/{name.as_posix()}": folder / name for name in found}
