"""`system.packages`: a file or folder of the application's `lib`, or of this Python."""

from pathlib import Path

import pytest
from small_system import application

from bulkhead_host.image.application import system_files
from bulkhead_host.problem import Report
from bulkhead_host.system.examine import examine
from bulkhead_host.system.manifest import load_application


def with_packages(folder: Path, *names: str) -> Path:
    application(folder, reader='modules = ["micropython_sht20"]')
    system = folder / "system.toml"
    quoted = ", ".join(f'"{name}"' for name in names)
    system.write_text(system.read_text() + f"packages = [{quoted}]\n")
    return folder


def test_a_module_of_one_file_is_taken_of_the_applications_library(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "ssd1306.py").write_text("WIDTH = 128\n")
    with_packages(tmp_path, "ssd1306", "max7219", "micropython_sht20")
    report = Report()
    loaded = load_application(tmp_path, shipped=tmp_path, report=report)
    assert loaded is not None
    assert report.problems == []
    places = dict(loaded.packages)
    assert places["ssd1306"] == tmp_path / "lib" / "ssd1306.py"
    assert places["max7219"].is_dir()
    files = system_files(tmp_path, board="pico")
    assert files["ssd1306.py"] == b"WIDTH = 128\n"
    assert "micropython_sht20/sht20.py" in files


def test_the_applications_own_comes_before_what_is_installed(tmp_path: Path) -> None:
    (tmp_path / "lib" / "max7219").mkdir(parents=True)
    with_packages(tmp_path, "max7219")
    loaded = load_application(tmp_path, shipped=tmp_path, report=Report())
    assert loaded is not None
    assert dict(loaded.packages)["max7219"] == tmp_path / "lib" / "max7219"


@pytest.mark.parametrize("name", ["kernel", "services", "time", "../ssd1306", "no_such_driver"])
def test_what_cannot_be_taken_is_named(tmp_path: Path, name: str) -> None:
    with_packages(tmp_path, name)
    (found,) = [one for one in examine(tmp_path).problems if "packages" in one.text]
    assert name in found.text
    assert found.next_step
