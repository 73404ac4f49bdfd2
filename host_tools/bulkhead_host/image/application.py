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
    for module in ("__init__.py", f"{port}.py"):
        sources[f"port/{module}"] = firmware / "port" / module
    for module in ("boot.py", "main.py"):
        sources[module] = firmware / "boot" / module
    for folder in generate.service_folders(application, board):
        sources |= _modules(folder, f"services/{folder.name}")
    files: dict[str, Path | bytes] = {**fold_tree(sources, firmware)}
    files["bulkhead_system.py"] = generate.system_module(application, board).encode()
    files["bulkhead_board.py"] = generate.board_module(board).encode()
    return files


def _modules(folder: Path, package: str) -> dict[str, Path]:
    found = (file.relative_to(folder) for file in folder.rglob("*.py"))
    return {f"{package}/{name.as_posix()}": folder / name for name in found}
