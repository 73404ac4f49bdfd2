"""The modules that are generated from manifests."""

import ast
from pathlib import Path
from typing import Any

import pytest

from bulkhead_host import abi
from bulkhead_host.errors import UsageError
from bulkhead_host.image.application import port_modules
from bulkhead_host.system.examine import load_system
from bulkhead_host.system.generate import boot_source, system_module
from bulkhead_host.system.words import words_of
from kernel import layout
from plan.words import lay_out

CORE = ("supervisor", "console", "logger")
MAINS = {"plain": "def main(task):\n    yield 0\n", "waits": "async def main(task):\n    pass\n"}


@pytest.fixture
def application(tmp_path: Path) -> Path:
    """Return an application of a service that yields and one that awaits."""
    (tmp_path / "system.toml").write_text(
        f'[system]\nname = "two"\nboard = "pico"\nstart = {[*CORE, *MAINS]}\n'
    )
    for name, main in MAINS.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "service.py").write_text(main)
        manifest = f'[service]\nname = "{name}"\npriority = 3\n'
        (tmp_path / name / "service.toml").write_text(manifest)
    return tmp_path


def test_service_whose_main_is_an_async_def_is_marked(application: Path) -> None:
    names: dict[str, object] = {}
    exec(system_module(application, "pico"), names)
    rows = names["SERVICES"]
    assert isinstance(rows, tuple)
    flags = {row[0]: row[8][4] for row in rows}
    assert flags == {**dict.fromkeys(CORE, 0), "plain": 0, "waits": abi.ASYNC}


def test_the_words_at_boot_are_those_that_the_table_says(application: Path) -> None:
    names: dict[str, Any] = {}
    exec(system_module(application, "pico"), names)
    exec(boot_source(*load_system(application, "pico")), names)
    words, rows = memoryview(names["WORDS"]).cast("i"), names["SERVICES"]
    assert list(words) == list(lay_out(rows))
    for number, row in enumerate(rows, start=1):
        task = number * layout.RECORD
        assert words[task + layout.PRIORITY] == row[2]
        for slot, (_, target, _, _) in enumerate(row[5]):
            place = words[task + layout.CAPABILITIES] + layout.CAPABILITY * slot
            reached = (words[place] & layout.OFFSET_MASK) // layout.RECORD
            assert target == ("kernel", *(other[0] for other in rows))[reached]


def test_a_table_that_no_kernel_can_be_made_of_is_refused() -> None:
    options = (0, 0, 0, 0, 0)
    row = ("one", "", 3, 1, None, (("two", "two", 1, 1),), (), None, options, ())
    with pytest.raises(ValueError, match="one uses two, which is not in the system"):
        words_of([row])
    with pytest.raises(ValueError, match="more services than TASKS_MAX"):
        words_of([row] * abi.TASKS_MAX)


def test_service_without_a_file_says_so(application: Path) -> None:
    (application / "plain" / "service.py").unlink()
    with pytest.raises(UsageError, match=r"plain has no service\.py"):
        system_module(application, "pico")


def test_manifest_without_code_is_for_the_service_that_ships(application: Path) -> None:
    (application / "thermometer").mkdir()
    manifest = '[service]\nname = "thermometer"\nversion = 7\npriority = 3\n'
    manifest += 'modules = ["machine"]\npins = ["gp3"]\n[safe]\ngp3 = "low"\n'
    (application / "thermometer" / "service.toml").write_text(manifest)
    system = application / "system.toml"
    system.write_text(system.read_text().replace("'plain'", "'thermometer', 'plain'"))
    names: dict[str, tuple[object, ...]] = {}
    exec(system_module(application, "pico"), names)
    assert names["VERSIONS"] == (1, 2, 1, 7, 1, 1)
    assert names["PINS"] == (("thermometer", (3,)),)


def test_service_may_come_twice_with_settings_of_its_own(application: Path) -> None:
    manifest = '[service]\nname = "%s"\ncode = "files"\npriority = 5\n'
    manifest += 'modules = ["os", "vfs", "builtins.open"]\n[config]\nquota_kb = %d\n'
    for name, quota_kb in (("slow", 9), ("fast", 3)):
        (application / name).mkdir()
        (application / name / "service.toml").write_text(manifest % (name, quota_kb))
    system = application / "system.toml"
    system.write_text(system.read_text().replace("'plain'", "'slow', 'fast', 'plain'"))
    names: dict[str, Any] = {}
    exec(system_module(application, "pico"), names)
    entries = {row[0]: row[1] for row in names["SERVICES"]}
    assert entries["slow"] == entries["fast"] == "services.files.service"
    shipped = {"medium": "flash", "size_kb": 16}
    assert {name: dict(config) for name, config in names["CONFIG"]} == {
        "slow": {**shipped, "quota_kb": 9},
        "fast": {**shipped, "quota_kb": 3},
    }


def test_service_that_does_not_compile_says_where(application: Path) -> None:
    (application / "plain" / "service.py").write_text("def main(task):\n  yield (\n")
    with pytest.raises(UsageError, match=r"plain/service\.py:2: invalid syntax"):
        system_module(application, "pico")


@pytest.mark.parametrize("port", ["esp32", "rp2"])
def test_modules_of_a_port_import_only_what_comes_along(port: str) -> None:
    modules = port_modules(port)
    for path in modules.values():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("port."):
                assert (node.module or "").replace(".", "/") + ".py" in modules
