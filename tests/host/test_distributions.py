"""Services that a distribution brings: found by its entry points, and read, not imported."""

from pathlib import Path

import pytest

from bulkhead_host.commands.check import check
from bulkhead_host.commands.options import operations_of
from bulkhead_host.system.examine import load_system

SERVICE = """\
from bulkhead import OK


def main(task):
    while True:
        yield task.recv()
        yield task.reply(OK)
"""
MANIFEST = '[service]\nname = "soil"\nversion = 3\npriority = 4\n'


def published(folder: Path, name: str, package: str, *, has_manifest: bool = True) -> None:
    """Lay a distribution as pip installs it."""
    service = folder / package / "soil"
    service.mkdir(parents=True)
    (folder / package / "__init__.py").write_text("raise SystemExit('it was imported')\n")
    (service / "service.py").write_text(SERVICE)
    (service / "api.py").write_text("WET = const(7)  # -> OK\n")
    if has_manifest:
        (service / "service.toml").write_text(MANIFEST)
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[bulkhead.services]\nsoil = {package}.soil\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of installed distributions."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    return folder


def application(tmp_path: Path, *names: str) -> Path:
    folder = tmp_path / "garden"
    folder.mkdir(exist_ok=True)
    named = ", ".join(f'"{name}"' for name in names)
    (folder / "system.toml").write_text(
        '[system]\nname = "garden"\nboard = "pico"\n'
        f"distributions = [{named}]\n"
        'start = ["supervisor", "logger", "console", "soil"]\n'
    )
    return folder


def test_an_application_starts_what_a_distribution_brings(tmp_path: Path, site: Path) -> None:
    published(site, "garden-sensors", "garden_sensors")
    folder = application(tmp_path, "garden-sensors")
    assert check(folder).problems == []
    (soil,) = [one for one in load_system(folder)[0].services if one.name == "soil"]
    assert (soil.folder, soil.version) == (site / "garden_sensors" / "soil", 3)
    assert operations_of(["soil"], folder) == {"soil": {7: "WET"}}


def test_a_manifest_of_the_application_takes_the_code_that_is_brought(
    tmp_path: Path, site: Path
) -> None:
    published(site, "garden-sensors", "garden_sensors")
    folder = application(tmp_path, "garden-sensors")
    (folder / "soil").mkdir()
    (folder / "soil" / "service.toml").write_text(MANIFEST.replace("priority = 4", "priority = 6"))
    (soil,) = [one for one in load_system(folder)[0].services if one.name == "soil"]
    assert (soil.folder, soil.priority) == (site / "garden_sensors" / "soil", 6)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("no-such-thing",), "the distribution no-such-thing is not installed"),
        (("pytest",), "the distribution pytest brings no services"),
        (("garden-sensors", "more-sensors"), "two distributions bring a service soil"),
        (("half-sensors",), "half-sensors brings a service soil, and"),
    ],
)
def test_what_is_wrong_with_a_distribution_is_said_by_its_line(
    tmp_path: Path, site: Path, names: tuple[str, ...], said: str
) -> None:
    published(site, "garden-sensors", "garden_sensors")
    published(site, "more-sensors", "more_sensors")
    published(site, "half-sensors", "half_sensors", has_manifest=False)
    problems = check(application(tmp_path, *names)).problems
    assert any(said in one.text and one.line == 4 for one in problems), problems
