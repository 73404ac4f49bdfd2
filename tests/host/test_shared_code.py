"""`code =` in a manifest: several services of an application with one code, its own."""

from pathlib import Path

from bulkhead_host.image.application import system_files
from bulkhead_host.system.examine import examine, load_system

ZONE = '[service]\nname = "{name}"\n{code}priority = 5\n\n[config]\npin = {pin}\n'


def zones(folder: Path, *, code: str = "zone") -> Path:
    (folder / "zone").mkdir()
    (folder / "zone" / "service.toml").write_text(ZONE.format(name="zone", code="", pin=0))
    (folder / "zone" / "service.py").write_text("def main(task):\n    yield task.recv()\n")
    names = [f"zone{number}" for number in range(1, 5)]
    for number, name in enumerate(names):
        (folder / name).mkdir()
        text = ZONE.format(name=name, code=f'code = "{code}"\n', pin=number)
        (folder / name / "service.toml").write_text(text)
    started = ", ".join(f'"{name}"' for name in ["supervisor", "logger", "console", *names])
    (folder / "system.toml").write_text(
        f'[system]\nname = "garden"\nboard = "pico"\nstart = [{started}]\n'
    )
    return folder


def test_four_zones_have_one_code_and_settings_of_their_own(tmp_path: Path) -> None:
    folder = zones(tmp_path)
    assert examine(folder).problems == []
    services = load_system(folder)[0].services[3:]
    assert [service.package for service in services] == ["zone"] * 4
    assert [dict(service.config)["pin"] for service in services] == [0, 1, 2, 3]
    files = system_files(folder, board="pico")
    assert "services/zone/service.py" in files
    assert not [name for name in files if name.startswith("services/zone1")]


def test_code_that_is_nowhere_is_named(tmp_path: Path) -> None:
    (found, *_) = examine(zones(tmp_path, code="zome")).problems
    assert "there is no service zome with code" in found.text
    assert found.next_step
