"""Which files an application's image has in it."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from bulkhead_host.files import python_files, read_text
from bulkhead_host.image.cache import digest, digest_files
from bulkhead_host.image.folded import folded_tree
from bulkhead_host.image.key_slot import MODULE, key_source
from bulkhead_host.paths import source_root
from bulkhead_host.system.boards import Board
from bulkhead_host.system.checks import ASYNCIO
from bulkhead_host.system.examine import load_system
from bulkhead_host.system.fold import fold_tree
from bulkhead_host.system.generate import (
    Identity,
    board_source,
    boot_source,
    outputs_source,
    port_source,
    system_source,
)
from bulkhead_host.system.manifest import Application, Service
from bulkhead_host.system.network import NET

_DIGITS = 16


def system_files(
    application: Path,
    *,
    board: str,
    guest: tuple[str, str] | None = None,
    loaded: tuple[Application, Board] | None = None,
) -> dict[str, Path | bytes]:
    """Return what goes into an application's image: path on the board to source.

    That is kernel, guard, the board's port, the user library, the boot files, the application's
    services, each with the constants it imports folded in, and the modules generated from the
    manifests: `bulkhead_system.py`, its table, `bulkhead_boot.py`, what is needed once,
    `bulkhead_board.py`, the pins by name, `bulkhead_port.py`, which is the board's port, and
    `bulkhead_key.py`, a place for the device key. `guest` is the name and the source of a guest
    program, `loaded` what `load_system` has returned, where that was asked before.
    """
    system, config = loaded or load_system(application, board)
    firmware = source_root() / "firmware"
    sources: dict[str, Path] = {}
    for package in ("kernel", "guard"):
        sources |= _modules(firmware / package, package)
    sources |= library_modules(system.services)
    sources |= port_modules(config.port, chip=config.chip)
    sources["main.py"] = firmware / "boot" / "main.py"
    sources["bulkhead_slots.py"] = firmware / "boot" / "bulkhead_slots.py"
    if f"port/{config.port}_prompt.py" in sources:
        sources["boot.py"] = firmware / "boot" / "boot.py"
        sources["bulkhead_end.py"] = firmware / "boot" / "bulkhead_end.py"
    for service in system.services:
        sources |= _modules(service.folder, f"services/{service.package}")
    for name, path in system.packages:
        sources |= _modules(path, name) if path.is_dir() else {f"{name}.py": path}
    files: dict[str, Path | bytes] = {**folded_tree(sources, firmware)}
    used = {pin for service in system.services for pin in service.all_pins}
    files["bulkhead_board.py"] = board_source(config, used=used).encode()
    files["bulkhead_port.py"] = port_source(config).encode()
    if "boot.py" in sources:
        files["bulkhead_outputs.py"] = outputs_source(system, config).encode()
    files[MODULE] = key_source().encode()
    identity = Identity(
        image=_digest(files),
        interface=interface_digest(),
        codes=tuple(_digest(_below(files, f"services/{s.name}/")) for s in system.services),
    )
    table = system_source(system, config, guest=guest, identity=identity)
    files["bulkhead_system.py"] = table.encode()
    files["bulkhead_boot.py"] = boot_source(system, config).encode()
    return files


def library_modules(services: Sequence[Service] = ()) -> dict[str, Path]:
    """Return the user library of an image with such services: path on the board to source."""
    found = _modules(source_root() / "firmware" / "bulkhead", "bulkhead")
    has_asyncio = any(ASYNCIO in service.modules for service in services)
    if not has_asyncio:
        del found["bulkhead/loop.py"]
    if not has_asyncio or not any(service.package == NET for service in services):
        del found["bulkhead/streams.py"]
    return found


def interface_digest() -> str:
    """Return a digest of what services are compiled against, and call: the user library."""
    firmware = source_root() / "firmware"
    numbers = [firmware / "kernel" / f"{name}.py" for name in ("abi", "layout", "limits")]
    paths = [*numbers, *sorted((firmware / "bulkhead").glob("*.py"))]
    return digest(*(path.read_bytes() for path in paths))[:_DIGITS]


def service_files(folder: Path, name: str) -> dict[str, bytes]:
    """Return the modules of a service as they are compiled: path on the board to source."""
    firmware = source_root() / "firmware"
    return fold_tree(_modules(folder, f"services/{name}"), firmware)


def code_digest(files: Mapping[str, bytes]) -> str:
    """Return a digest of a service's modules, by which two versions are told apart."""
    return digest_files(files)[:_DIGITS]


def _digest(files: Mapping[str, Path | bytes]) -> str:
    return code_digest({path: data for path, data in files.items() if isinstance(data, bytes)})


def _below(files: Mapping[str, Path | bytes], prefix: str) -> dict[str, Path | bytes]:
    return {path: data for path, data in files.items() if path.startswith(prefix)}


def port_modules(port: str, *, chip: str = "") -> dict[str, Path]:
    """Return the modules of a port: path on the board to source.

    A chip that has a file of registers, `CHIP_chip.py`, has it in the place of the port's own.
    The others are `PORT.py`, `PORT_*.py`, what these import of the modules that ports share, and
    those that the kernel imports.
    """
    folder = source_root() / "firmware" / "port"
    own = (folder / f"{port}.py", *sorted(folder.glob(f"{port}_*.py")))
    waiting = [folder / "__init__.py", folder / "modules.py", folder / "places.py", *own]
    found: dict[str, Path] = {}
    while waiting:
        file = waiting.pop()
        if f"port/{file.name}" not in found:
            found[f"port/{file.name}"] = file
            names = re.findall(r"^from port\.(\w+)", read_text(file), re.M)
            waiting += [folder / f"{name}.py" for name in names]
    registers = folder / f"{chip}_chip.py"
    if chip and registers.is_file():
        found[f"port/{port}_chip.py"] = registers
    return found


def _modules(folder: Path, package: str) -> dict[str, Path]:
    found = (file.relative_to(folder) for file in python_files(folder))
    return {f"{package}/{name.as_posix()}": folder / name for name in found}
