"""Types: the errors that can be caught in device code without annotations, and the host's."""

import shutil
from pathlib import Path

import pytest

from bulkhead_host.checks.types import (
    HOST_FOLDERS,
    check_device_types,
    check_host_types,
    check_simulator_types,
)
from bulkhead_host.paths import source_root
from bulkhead_host.problem import Problem

# Each seed is one error in otherwise good device code, and a word of what is said about it.
SEEDS = {
    "undefined_name": ("def main(task):\n    yield nothing\n", "nothing"),
    "attribute_the_chip_lacks": ("from machine import Pin\n\nPin(1).toggel()\n", "toggel"),
    "argument_the_chip_lacks": ("from machine import Pin\n\nPin(1, pullup=1)\n", "pullup"),
    "pin_the_board_lacks": ("from bulkhead_board import BUZZER\n", "BUZZER"),
    "operation_a_service_lacks": ("from services.led.api import FLASH\n", "FLASH"),
    "module_micropython_lacks": ("import dataclasses\n", "dataclasses"),
    "missing_argument": ("from kernel.ready import push_back\n\npush_back(None)\n", "task"),
    "attribute_of_self": (
        "class A:\n    def __init__(self):\n        self.line = b''\n\n"
        "    def f(self):\n        return self.lien\n",
        "lien",
    ),
    "module_of_another_chip": ("from esp32 import NVS\n", "esp32"),
    "method_of_bytes": ("def f():\n    line = b''\n    return line.apend(1)\n", "apend"),
}
GOOD = """
import micropython
from kernel.layout import PRIORITY


@micropython.viper
def priority(w: ptr32, task: int) -> int:
    return w[task + PRIORITY] & ptr8(w)[0]


@micropython.native
def double(values):
    return [2 * value for value in values]
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Problem]]:
    """Return what the check says of each seed and of the tree, by the name of the file."""
    work = tmp_path_factory.mktemp("types")
    seeds = {name: text for name, (text, _) in SEEDS.items()} | {"good": GOOD}
    files = []
    for name, text in seeds.items():
        files.append(work / f"seed_{name}.py")
        files[-1].write_text(text)
    by_name: dict[str, list[Problem]] = {}
    for problem in check_device_types(source_root(), work=work / "work", extra=files):
        by_name.setdefault(problem.path.stem.removeprefix("seed_"), []).append(problem)
    return by_name


@pytest.mark.parametrize("name", SEEDS)
def test_device_types_find(found: dict[str, list[Problem]], name: str) -> None:
    text, word = SEEDS[name]
    assert len(found[name]) == 1
    assert word in found[name][0].text
    assert 0 < found[name][0].line <= len(text.splitlines())


def test_firmware_services_and_viper_code_pass(found: dict[str, list[Problem]]) -> None:
    rest = [str(problem) for name in found.keys() - SEEDS.keys() for problem in found[name]]
    assert rest == []


def test_each_board_is_checked_against_its_own_stubs(tmp_path: Path) -> None:
    seed = tmp_path / "seed.py"
    seed.write_text("from esp32 import NVS\n\nfrom rp2 import PIO\n")
    problems = check_device_types(
        source_root(), work=tmp_path / "work", extra=[seed], board="esp32"
    )
    assert [(problem.path.name, problem.line) for problem in problems] == [("seed.py", 3)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a tree with this project's settings and no code."""
    shutil.copy(source_root() / "pyproject.toml", tmp_path)
    for folder in (*HOST_FOLDERS, "firmware/port/cpython"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "good.py").write_text("x: int = 1\n")
    return tmp_path


def test_host_types_are_strict(root: Path) -> None:
    assert check_host_types(root) == []
    bad: list[Path] = []
    for folder in ("host_tools/bulkhead_host", "tests"):
        for name, text in (
            ("unannotated", "def f(a):\n    return a\n"),
            ("another_type", "x: int = 'a'\n"),
            ("library", "import click\n\nclick.nothing()\n"),
        ):
            bad.append(Path(folder) / f"{name}_{len(bad)}.py")
            (root / bad[-1]).write_text(text)
    assert sorted(problem.path for problem in check_host_types(root)) == sorted(bad)


def test_simulator_types_find_what_cpython_lacks(root: Path, tmp_path: Path) -> None:
    (root / "firmware/port/sim.py").write_text("import sys\n\n\ndef f():\n    sys.nothing()\n")
    problems = check_simulator_types(root, work=tmp_path / "work")
    assert [(str(problem.path), problem.line) for problem in problems] == [
        ("firmware/port/sim.py", 5)
    ]
