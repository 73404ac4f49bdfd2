"""`bulkhead explore`: worlds of an application, visited by the real kernel."""

import json
import shutil
from pathlib import Path

from click.testing import CliRunner

from bulkhead_host.commands.explore import command
from bulkhead_host.explore.application import SERVICES_MAX, explore, worlds_of
from bulkhead_host.paths import source_root
from bulkhead_host.system.examine import load_system
from docs.schemas import differences, schemas

THERMOSTAT = source_root() / "services" / "examples" / "thermostat"


def test_an_example_application_holds_in_every_world() -> None:
    done = CliRunner().invoke(command, [str(THERMOSTAT), "--seconds", "2", "--json"])
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert differences(schemas()["explore"], said) == []
    worlds = {world["world"]: world for world in said["worlds"]}
    assert "thermostat" in worlds
    for world in worlds.values():
        assert (world["violated"], world["for_ever"]) == ([], [])
        assert world["states"] > 1
        assert len(world["services"]) <= SERVICES_MAX
    reach = {(one["service"], one["target"]): one["rights"] for one in said["reach"]}
    assert reach["thermostat", "heater"] == ["call"]
    assert reach["supervisor", "kernel"] == ["control"]
    assert ("thermometer", "heater") not in reach


def test_every_service_that_reaches_another_is_in_a_world() -> None:
    application, _ = load_system(THERMOSTAT)
    inside = {row.name for world in worlds_of(application).values() for row in world.services}
    reaching = {
        service.name
        for service in application.services
        if service.name != "supervisor"
        and any(not use.is_implied and use.target != "kernel" for use in service.uses)
    }
    assert reaching <= inside


def test_what_does_not_hold_is_printed_with_the_steps_to_it(tmp_path: Path) -> None:
    shutil.copytree(source_root() / "firmware", tmp_path / "firmware")
    timeouts = tmp_path / "firmware" / "kernel" / "timeouts.py"
    counted = "    awaited[CLIENTS] -= 1\n"
    assert timeouts.read_text().count(counted) == 1
    timeouts.write_text(timeouts.read_text().replace(counted, ""))
    application, _ = load_system(THERMOSTAT)
    found = [each.result.found for each in explore(application, tmp_path, seconds=3)]
    assert any("counts" in text for texts in found for text in texts)
