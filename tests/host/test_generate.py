"""The modules that are generated from manifests."""

from pathlib import Path

import pytest

from bulkhead_host import abi
from bulkhead_host.errors import UsageError
from bulkhead_host.system.generate import is_async, system_module

MAINS = {"plain": "def main(sys):\n    yield 0\n", "waits": "async def main(sys):\n    pass\n"}


@pytest.fixture
def application(tmp_path: Path) -> Path:
    """Return an application of a service that yields and one that awaits."""
    (tmp_path / "system.toml").write_text(
        f'[system]\nname = "two"\nboard = "pico"\nstart = {list(MAINS)}\n'
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
    assert {row[0]: row[8][4] for row in rows} == {"plain": 0, "waits": abi.ASYNC}


def test_service_without_a_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"service\.py is missing"):
        is_async(tmp_path)


def test_service_that_does_not_compile_says_where(tmp_path: Path) -> None:
    (tmp_path / "service.py").write_text("def main(sys):\n  yield (\n")
    with pytest.raises(UsageError, match=r"service\.py:2"):
        is_async(tmp_path)
