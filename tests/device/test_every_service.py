"""Every service that ships is crashed on one board: all come back, and nobody else is harmed.

The application itself does it, with calls on their way to each service; then the host makes the
supervisor fail until the kernel resets the board.
"""

import re
import shutil
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from bulkhead_host import abi
from bulkhead_host.commands.build import BuildOptions, build
from bulkhead_host.commands.postmortem import postmortem
from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.errors import DeviceTimeout
from bulkhead_host.link.client import Client
from bulkhead_host.link.emulated import BoardTransport
from bulkhead_host.link.services import Table
from bulkhead_host.link.updater import update_to_itself
from bulkhead_host.paths import source_root

APPLICATION = Path(__file__).parents[1] / "cases" / "every_app"
START = tomllib.loads((APPLICATION / "system.toml").read_text())["system"]["start"]
MANIFESTS = {
    path.parent.name: tomllib.loads(path.read_text())["service"]
    for path in sorted((source_root() / "services").glob("*/service.toml"))
}
# A Pico has no wireless chip, and no module for one.
SHIPPED = [name for name, table in MANIFESTS.items() if "network" not in table.get("modules", ())]
CALLED = re.findall(r'^    "(\w+)",', (APPLICATION / "breaker" / "api.py").read_text(), re.M)

DEAD, REFUSED = 193, abi.REFUSED
MORE_FAULTS = 4
"""That the supervisor may take in ten seconds, beside the one that it has taken."""

_LINE = re.compile(
    r"breaker: (\w+): restarts (\d+) in (-?\d+) ms, waiting (\d+), answers \[(.*)\], "
    r"touched \[(.*)\], dropped \[(.*)\]"
)


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatedBoard]:
    """Yield the board of all tests here, which follow one upon the other."""
    folder = tmp_path_factory.mktemp("every") / "app"
    shutil.copytree(APPLICATION, folder)
    system = folder / "system.toml"
    others = "".join(f'"{name}", ' for name in SHIPPED if name not in START)
    system.write_text(system.read_text().replace('"breaker", ', f'{others}"breaker", '))
    image = folder.parent / "every.uf2"
    build(BuildOptions(application=folder, output=image))
    with EmulatedBoard(image=image) as board:
        yield board


@pytest.fixture(scope="module")
def found(board: EmulatedBoard) -> dict[str, tuple[str, ...]]:
    """Return what the application found of each service it crashed."""
    said = board.run_until(b"all done", timeout_ms=30_000).decode()
    assert "the board was reset" not in said
    return {match[1]: match.groups()[1:] for match in _LINE.finditer(said)}


@pytest.mark.parametrize("name", SHIPPED)
def test_a_service_that_crashes_comes_back_and_its_callers_are_told(
    found: dict[str, tuple[str, ...]], name: str
) -> None:
    restarts, took_ms, waiting, answers, touched, dropped = found[name]
    assert (restarts, touched, dropped) == ("1", "", "")
    assert int(took_ms) >= 0
    # One call was being served and one queued; both are answered, and so is the next of each.
    expected = [f"{DEAD} then {REFUSED}"] * 2 if name in CALLED else []
    assert answers == ", ".join(expected)
    assert int(waiting) >= len(expected)  # blink calls too


def generations(table: Table) -> dict[str, int]:
    return {service.name: service.generation for service in table.services}


def test_every_service_is_updated_to_itself_and_no_generation_changes(
    board: EmulatedBoard, found: dict[str, tuple[str, ...]]
) -> None:
    assert found
    client = Client(BoardTransport(board))
    before = client.table()
    for name in SHIPPED:
        if name != "updater":  # which comes with the image
            update_to_itself(client, [name], probation_ms=0)
    after = client.table()
    assert generations(after) == generations(before)
    dropped = {service.name: service.dropped for service in after.services}
    assert dropped == {service.name: service.dropped for service in before.services}
    down = ("dormant", "faulted", "held", "degraded")
    were_down = {service.name for service in before.services if service.state in down}
    assert {service.name for service in after.services if service.state in down} == were_down


def test_a_supervisor_that_fails_is_started_again_and_what_is_held_stays_so(
    board: EmulatedBoard, found: dict[str, tuple[str, ...]]
) -> None:
    assert found
    client = Client(BoardTransport(board))
    client.control("blink", "hold")
    before = generations(client.table())
    for _ in range(MORE_FAULTS):
        client.inject("supervisor", "crash")
        client.listen(0.1)
    table = client.table()
    blink = table.named("blink")
    assert blink is not None
    assert blink.state == "held"
    expected = {**before, "supervisor": before["supervisor"] + MORE_FAULTS}
    assert generations(table) == expected


def test_a_supervisor_that_fails_too_often_resets_the_board(
    board: EmulatedBoard, found: dict[str, tuple[str, ...]]
) -> None:
    assert found
    client = Client(BoardTransport(board))
    with suppress(DeviceTimeout):  # the board is reset before it answers
        client.inject("supervisor", "crash")
    crash = postmortem(client).crash
    assert crash is not None
    assert (crash.task, crash.kind) == (1, abi.SUPERVISOR_DIED)
    assert client.fault_text("") == "supervisor died too often"
    assert generations(client.table())["supervisor"] == 1
