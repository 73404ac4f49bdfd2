"""What pip installs: a wheel that has all it needs, used without the clone."""

import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path
from sysconfig import get_paths

import pytest

from bulkhead_host import DISTRIBUTION, __version__
from bulkhead_host.paths import source_root

TIMEOUT_S = 600
HEAVY = ("bulkhead_host", "rp2040py", "serial", "click", "rich")


def program(command: list[str | Path], *, folder: Path) -> str:
    """Run a program of the fresh environment to its good end, and return what it prints."""
    hidden = ("PYTHONPATH", "BULKHEAD_PORT", "VIRTUAL_ENV")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False,
        encoding="utf-8", stdin=subprocess.DEVNULL, timeout=TIMEOUT_S,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the sdist of this tree and the wheel that is built from that."""
    folder = tmp_path_factory.mktemp("dist")
    hatch: list[str | Path] = [sys.executable, "-m", "hatchling", "build", "-d", folder]
    program([*hatch, "-t", "sdist"], folder=source_root())
    with tarfile.open(next(folder.glob("*.tar.gz"))) as archive:
        archive.extractall(folder, filter="data")
    unpacked = folder / next(folder.glob("*.tar.gz")).name.removesuffix(".tar.gz")
    program([*hatch, "-t", "wheel"], folder=unpacked)
    return folder


@pytest.fixture(scope="module")
def installed(distributions: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Yield the programs' folder of a fresh environment with the wheel in it.

    The packages it asks for are those of this environment: a `.pth` file adds their folder, and
    runs no `.pth` file of it, so that the clone is not there.
    """
    folder = tmp_path_factory.mktemp("fresh") / "venv"
    venv.create(folder, with_pip=False)
    library = folder / "lib" / f"python3.{sys.version_info[1]}" / "site-packages"
    pip: list[str | Path] = [sys.executable, "-m", "pip", "--quiet", "--no-input"]
    wheel = next(distributions.glob("*.whl"))
    program(
        [*pip, "--python", folder / "bin" / "python", "install", "--no-deps", wheel], folder=folder
    )
    (library / "packages.pth").write_text(get_paths()["purelib"] + "\n", encoding="utf-8")
    yield folder / "bin"


def test_the_wheel_has_what_runs_on_boards_and_no_tests(distributions: Path) -> None:
    with zipfile.ZipFile(next(distributions.glob("*.whl"))) as wheel:
        names = wheel.namelist()
    tree = {name.removeprefix("bulkhead_host/tree/") for name in names}
    for file in ("firmware/kernel/dispatch.py", "services/led/service.toml"):
        assert file in tree
    assert "board_configs/pico/board.toml" in tree
    assert "services/template/service.py" in tree
    assert "bulkhead_host/dashboard/page/index.html" in names
    assert "bulkhead_host/py.typed" in names
    assert not [name for name in names if "/tests/" in f"/{name}" and "services" not in name]


def test_an_application_is_made_and_checked_without_the_clone(
    installed: Path, tmp_path: Path
) -> None:
    printed = program(
        [installed / "python", "-c", "import bulkhead_host.paths as p; print(p.source_root())"],
        folder=tmp_path,
    )
    assert Path(printed.strip()).is_relative_to(installed.parent)
    bulkhead = installed / "bulkhead"
    assert __version__ in program([bulkhead, "--version"], folder=tmp_path)
    program([bulkhead, "new", "demo"], folder=tmp_path)
    program([bulkhead, "new-service", "greeter"], folder=tmp_path / "demo")
    assert "nothing wrong" in program([bulkhead, "check", "."], folder=tmp_path / "demo")


def test_its_image_is_built_and_its_test_runs_without_the_clone(
    installed: Path, tmp_path: Path
) -> None:
    bulkhead = installed / "bulkhead"
    program([bulkhead, "new", "demo"], folder=tmp_path)
    program([bulkhead, "new-service", "greeter"], folder=tmp_path / "demo")
    printed = program([installed / "python", "-m", "pytest"], folder=tmp_path / "demo")
    assert "1 passed" in printed


def test_the_plugin_loads_nothing_for_other_projects(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "test_other.py").write_text(
        "import sys\n\n\ndef test_other():\n"
        f"    assert not [m for m in sys.modules if m.split('.')[0] in {HEAVY!r}]\n",
        encoding="utf-8",
    )
    printed = program([installed / "python", "-m", "pytest", "-p", "no:xdist"], folder=tmp_path)
    assert "1 passed" in printed


def test_the_name_is_not_that_of_the_other_project() -> None:
    assert DISTRIBUTION != "bulkhead"
