"""Who may import whom: the tree keeps to it, and each way to break it is found."""

import re
from pathlib import Path

import pytest

from bulkhead_host.checks.layers import HOST_PARTS, check_cycles, check_layers
from bulkhead_host.paths import source_root
from bulkhead_host.problem import Problem
from bulkhead_host.system.imports import is_allowed

_MANIFEST = '[service]\nname = "{name}"\npriority = 3\nmodules = [{modules}]\n'


def _tree(root: Path, files: dict[str, str], *, modules: str = "") -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for folder in (root / "services").glob("*"):
        manifest = _MANIFEST.format(name=folder.name, modules=modules)
        (folder / "service.toml").write_text(manifest)
    return root


def _found(problems: list[Problem]) -> list[str]:
    return [str(problem) for problem in problems]


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("firmware/kernel/ready.py", "import machine"),
        ("firmware/kernel/ready.py", "from machine import Pin"),
        ("firmware/kernel/ready.py", "from port.rp2 import Port"),
        ("firmware/kernel/ready.py", "from services.led import api"),
        ("firmware/kernel/ready.py", "import bulkhead_system"),
        ("firmware/kernel/ready.py", "import time"),
        ("firmware/kernel/ready.py", "from guard.seal import seal_module"),
        ("firmware/guard/guards.py", "from kernel.faults import fault"),
        ("firmware/guard/guards.py", "from port.rp2 import Port"),
        ("firmware/kernel/ready.py", "from . import abi"),
        ("firmware/kernel/ready.py", "from bulkhead_host.errors import BulkheadError"),
        ("firmware/kernel/ready.py", "def start():\n    import os"),
        ("firmware/bulkhead/frame.py", "from kernel import ipc"),
        ("firmware/bulkhead/frame.py", "from kernel.ipc import call"),
        ("firmware/bulkhead/frame.py", "import machine"),
        ("firmware/boot/main.py", "import machine"),
        ("firmware/boot/main.py", "from services.led import service"),
        ("firmware/port/rp2.py", "from services.led import api"),
        ("services/led/service.py", "import machine"),
        ("services/led/service.py", "from machine import Pin"),
        ("services/led/service.py", "import micropython"),
        ("services/led/service.py", "from micropython import kbd_intr"),
        ("services/led/service.py", "from kernel.ipc import call"),
        ("services/led/service.py", "from kernel import state"),
        ("services/led/service.py", "from services.logger import service"),
        ("services/led/service.py", "from services.logger.service import main"),
        ("services/led/service.py", "import sys"),
        ("services/led/service.py", "import os"),
        ("services/led/service.py", 'machine = __import__("machine")'),
        ("services/led/service.py", 'exec("import machine")'),
        ("host_tools/bulkhead_host/link/frames.py", "import kernel.abi"),
        ("host_tools/bulkhead_host/link/frames.py", "import requests"),
        ("host_tools/bulkhead_host/link/frames.py", "from bulkhead_host.image import uf2"),
        ("host_tools/bulkhead_host/system/checks.py", "from bulkhead_host.cli import main"),
    ],
)
def test_an_import_out_of_layer_is_found(tmp_path: Path, file: str, line: str) -> None:
    root = _tree(tmp_path, {file: f'"""A module."""\n\n{line}\n'})
    problems = check_layers(root)
    assert [(problem.path, problem.line > 2) for problem in problems] == [(Path(file), True)]


@pytest.mark.parametrize(
    "line",
    [
        "from bulkhead import OK",
        "import bulkhead_board",
        "from bulkhead_system import SERVICES",
        "from kernel.abi import DEAD",
        "from micropython import const",
        "from services.led import api",
        "from services.led.parts import Lamp",
        "from services.logger import api",
        "from services.logger.api import INFO",
        "import struct",
        "from machine import Pin",
    ],
)
def test_a_service_may_import_what_its_manifest_gives(tmp_path: Path, line: str) -> None:
    root = _tree(tmp_path, {"services/led/service.py": line + "\n"}, modules='"machine"')
    assert _found(check_layers(root)) == []


@pytest.mark.parametrize(
    ("folder", "package", "base"),
    [
        ("firmware", "kernel", "kernel"),
        (".", "services", "services.led"),
        ("host_tools", "bulkhead_host", "bulkhead_host.link"),
    ],
)
def test_imports_in_a_circle_are_found(
    tmp_path: Path, folder: str, package: str, base: str
) -> None:
    place = f"{folder}/{base.replace('.', '/')}"
    files = {
        f"{place}/a.py": f"from {base}.b import x\n",
        f"{place}/b.py": f"from {base} import c\n",
        f"{place}/c.py": f"import {base}.a\n",
    }
    root = _tree(tmp_path, files)
    problems = check_cycles(root / folder, (package,), root)
    circle = " -> ".join(f"{base}.{name}" for name in "abca")
    assert [problem.text for problem in problems] == [f"imports go in a circle: {circle}"]


def test_an_import_inside_a_function_makes_no_circle(tmp_path: Path) -> None:
    files = {
        "firmware/kernel/a.py": "from kernel.b import x\n",
        "firmware/kernel/b.py": "def f():\n    from kernel import a\n",
    }
    root = _tree(tmp_path, files)
    assert check_cycles(root / "firmware", ("kernel",), root) == []


def test_the_host_readme_shows_the_parts_and_what_each_may_use() -> None:
    shown = {}
    for line in (source_root() / "host_tools" / "README.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 3 and cells[0].startswith("`") and cells[0].endswith("/`"):
            part = re.findall(r"`(\w+)/`", cells[0])[0]
            shown[part] = tuple(re.findall(r"`(\w+)`", cells[2]))
    assert shown == HOST_PARTS


def test_a_star_stands_for_one_component() -> None:
    assert is_allowed("services.led.api.SET", ["services.*.api"])
    assert not is_allowed("services.led.parts.api", ["services.*.api"])
    assert not is_allowed("services.led", ["services.*.api"])
