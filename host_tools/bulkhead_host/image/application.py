"""Which files an application's image has in it."""

from pathlib import Path

from bulkhead_host.image.recipe import board_named
from bulkhead_host.paths import source_root
from bulkhead_host.system import generate


def system_files(application: Path, *, board: str) -> dict[str, Path | bytes]:
    """Return what goes into an application's image: path on the board to source.

    That is the kernel, the board's port, the user library, the boot files, the application's
    services, and `bulkhead_system.py`, the table generated from its manifests.
    """
    firmware = source_root() / "firmware"
    port = board_named(board).port
    files: dict[str, Path | bytes] = {}
    for package in ("kernel", "bulkhead"):
        files.update(_modules(firmware / package, package))
    for module in ("__init__.py", f"{port}.py"):
        files[f"port/{module}"] = firmware / "port" / module
    for module in ("boot.py", "main.py"):
        files[module] = firmware / "boot" / module
    for folder in generate.service_folders(application):
        files.update(_modules(folder, f"services/{folder.name}"))
    files["bulkhead_system.py"] = generate.system_module(application, board).encode()
    return files


def _modules(folder: Path, package: str) -> dict[str, Path | bytes]:
    found = (file.relative_to(folder) for file in folder.rglob("*.py"))
    return {f"{package}/{name.as_posix()}": folder / name for name in found}
