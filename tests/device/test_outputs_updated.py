"""Outputs at updates that fail: whatever new code has done, pins are safe until the old drives.

The services are those of `tests/cases/outputs_app`.
"""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from bulkhead_host.commands.build import BuildOptions, build
from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.emulator.chip import CYCLE_NS
from bulkhead_host.errors import DeviceTimeout
from bulkhead_host.image.bundle import make_bundle
from bulkhead_host.link.client import Client
from bulkhead_host.link.emulated import BoardTransport
from bulkhead_host.link.updater import Bundle, UpdateTakenBack, send_update
from bulkhead_host.system.examine import load_system

APPLICATION = Path(__file__).parents[1] / "cases" / "outputs_app"
KEY = bytes(range(32))
MOTOR = Path(__file__).parents[2] / "services" / "examples" / "motor"
LAMP = 22
STOPPER, PARTNER = 16, 17  # a group
MUSHROOM, KEY_SWITCH, POWER = 15, 14, 16
CYCLES_IN_MS = 1_000_000 // CYCLE_NS
PROBATION_MS = 150
LINK_MS = 30  # a client's first words, and its order

HEAD = """
from machine import PWM, Pin
class Level:
    def export_state(self):
        return True
    def import_state(self, version, state):
        pass
"""
DRIVES = "    pin = Pin(22, Pin.OUT, value=1)\n"
NO_TRAP = "yield 31 << 8\n"
BAD_CODE = {
    "raises": "def main(task):\n" + DRIVES + "    raise ValueError\n    yield\n",
    "returns": "def main(task):\n" + DRIVES + "    yield task.sleep(1)\n",
    "spins": "def main(task):\n" + DRIVES + "    while True: pass\n    yield\n",
    "never receives": "def main(task):\n" + DRIVES + "    while True: yield task.sleep(200)\n",
    "raises with the state": (
        "class Bad(Level):\n    def import_state(self, version, state):\n    "
        + DRIVES
        + "        raise KeyError\n"
        + "def main(task):\n    task.carry_over(Bad())\n    yield task.recv()\n"
    ),
    "makes a wave": (
        "def main(task):\n    PWM(Pin(22), freq=1000, duty_u16=65535)\n    " + NO_TRAP
    ),
    "drives as it closes": (
        "def main(task):\n    try:\n        while True: yield task.sleep(200)\n    finally:\n    "
        + DRIVES
    ),
    "raises in a finally": (
        f"def main(task):\n    try:\n        {NO_TRAP}    finally:\n    {DRIVES}        1 // 0\n"
    ),
    "crashes on probation": (
        "def main(task):\n    task.carry_over(Level())\n    yield task.recv(2)\n"
        + DRIVES
        + "    raise ValueError\n"
    ),
}
CATCHES = (
    "def main(task):\n    if not task.carry_over(Level()): Pin(22, Pin.OUT, value=0)\n"
    "    try:\n        yield task.recv()\n    finally:\n        while True:\n            try:\n"
    "                while True: Pin(22, Pin.OUT, value=1)\n"
    "            except BaseException: pass\n"
)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("image") / "outputs.uf2"
    return build(BuildOptions(application=APPLICATION, output=output)).path


@pytest.fixture(scope="module")
def running(image: Path) -> Iterator[EmulatedBoard]:
    with EmulatedBoard(image=image, key=KEY) as board:
        yield board


@pytest.fixture
def client(running: EmulatedBoard) -> Client:
    """Return a client of a board that has just booted."""
    running.reset()
    return booted(running)


def booted(board: EmulatedBoard) -> Client:
    found = Client(BoardTransport(board), key=KEY)
    board.run_for(ms=800)
    return found


def bundle(folder: Path, name: str, code: str) -> Bundle:
    """Return a signed update of a service to such code."""
    copy = Path(shutil.copytree(APPLICATION, folder / "app"))
    (copy / name / "service.py").write_text(code)
    return next_version(copy, name)


def next_version(application: Path, name: str) -> Bundle:
    """Return a signed update of a service of an application, which is changed."""
    manifest = application / name / "service.toml"
    manifest.write_text(manifest.read_text().replace("version = 1", "version = 2"))
    return make_bundle(*load_system(application, "pico"), name, key=KEY)


@pytest.mark.parametrize("kind", BAD_CODE)
def test_an_output_is_safe_from_the_end_of_new_code_that_fails(
    running: EmulatedBoard, client: Client, tmp_path: Path, kind: str
) -> None:
    client.call("lamp", 1, 1)
    assert running.pin(LAMP).level == 1
    running.pin(LAMP).clear_edges()
    with pytest.raises(UpdateTakenBack):
        send_update(
            client, [bundle(tmp_path, "lamp", HEAD + BAD_CODE[kind])], probation_ms=PROBATION_MS
        )
    if kind != "makes a wave":
        # Code that crashes on probation is started anew twice, and drives what is its own then.
        again = [1, 0, 1, 0] if kind == "crashes on probation" else []
        assert [edge.level for edge in running.pin(LAMP).edges] == [0, *again]
    assert running.pin(LAMP).level == 0
    running.run_for(ms=500)
    assert running.pin(LAMP).level == 0
    client.call("lamp", 1, 1)  # by the old code, which is back
    assert running.pin(LAMP).level == 1


def test_a_group_starts_whole_after_an_update_of_one_that_is_taken_back(
    running: EmulatedBoard, client: Client, tmp_path: Path
) -> None:
    code = (HEAD + BAD_CODE["crashes on probation"]).replace("22", str(PARTNER))
    code = code.replace("PWM, ", "")  # its stores stay as they are
    with pytest.raises(UpdateTakenBack, match="failed 3 times"):
        send_update(client, [bundle(tmp_path, "partner", code)], probation_ms=PROBATION_MS)
    running.run_for(ms=500)
    stopper, partner = (
        next(edge for edge in reversed(running.pin(pin).edges) if edge.level)
        for pin in (STOPPER, PARTNER)
    )
    assert abs(stopper.cycle - partner.cycle) < 10 * CYCLES_IN_MS
    assert running.pin(PARTNER).level == running.pin(STOPPER).level == 1


@pytest.mark.parametrize("loads", [True, False])
def test_modules_that_drive_as_they_load_leave_what_a_service_that_is_down_had(
    running: EmulatedBoard, client: Client, tmp_path: Path, *, loads: bool
) -> None:
    for pause_ms in (0, 50, 100, 200, 400):  # before a restart: 800 after the last
        client.inject("lamp", "crash")
        running.run_for(ms=pause_ms + 20)
    client.inject("lamp", "crash")
    fails = "" if loads else "1 // 0\n"
    end = "def main(task):\n    yield task.recv()\n"
    code = HEAD + "PIN = Pin(22, Pin.OUT, value=1)\n" + fails + end
    updates = [bundle(tmp_path, "lamp", code)]
    if loads:  # beside another that does not: what loads and is kept would be started
        updates.append(bundle(tmp_path / "other", "partner", "1 // 0\n" + end))
    with pytest.raises(UpdateTakenBack, match="ZeroDivisionError"):
        send_update(client, updates, probation_ms=PROBATION_MS)
    assert running.pin(LAMP).level == 0


@pytest.mark.parametrize("order", ["hold", "crash"])
def test_board_is_reset_for_code_that_catches_every_kill_as_it_closes_with_its_output_safe(
    image: Path, tmp_path: Path, order: str
) -> None:
    said: list[str] = []
    with EmulatedBoard(image=image, key=KEY) as board:  # which keeps the code, for every boot
        client = booted(board)
        client.call("lamp", 1, 1)
        send_update(client, [bundle(tmp_path, "lamp", HEAD + CATCHES)], probation_ms=10)
        lamp = board.pin(LAMP)
        assert lamp.level == 1
        lamp.clear_edges()
        begun = board.cycles
        client = Client(BoardTransport(board), key=KEY, on_output=said.append)
        with suppress(DeviceTimeout):  # the reset takes its answer along
            client.control("lamp", "hold") if order == "hold" else client.inject("lamp", "crash")
        assert "lamp caught every kill" in "".join(said)
        (safe,) = lamp.edges  # whatever it does until the board is reset
        # After the link's time at once; or, of what runs in its own step, its budget and a strike.
        most_ms = LINK_MS if order == "hold" else LINK_MS + 50 + 2
        assert 0 < safe.cycle - begun < most_ms * CYCLES_IN_MS
        lamps = client.table().named("lamp")
        assert lamps is not None and (lamps.generation, lamps.state) == (1, "receiving")


def test_the_motor_has_no_power_30_us_after_each_blow_during_an_update(tmp_path: Path) -> None:
    application = Path(shutil.copytree(MOTOR, tmp_path / "motor"))
    system = application / "system.toml"
    system.write_text(system.read_text().replace('"console",', '"console", "updater",'))
    image = build(BuildOptions(application=application, output=tmp_path / "motor.uf2")).path
    with EmulatedBoard(image=image, key=KEY) as board:
        client = Client(BoardTransport(board), key=KEY)
        board.run_for(ms=1000)
        client.control("planner", "hold")  # all its computing is emulated
        mushroom, key, power = (board.pin(one) for one in (MUSHROOM, KEY_SWITCH, POWER))
        begun = board.cycles
        for at_ms in range(0, 6000, 31):  # which is no multiple of any period of the board
            for pin, level, after_ms in (
                (key, 0, 0),
                (key, None, 5),
                (mushroom, 0, 20),
                (mushroom, None, 25),
            ):
                pin.drive_at(level, cycle=begun + (at_ms + after_ms) * CYCLES_IN_MS)
        send_update(client, [next_version(application, "motor")], probation_ms=PROBATION_MS)
        ended = board.cycles
        blows = [edge.cycle for edge in mushroom.edges if not edge.level]
        falls = [edge.cycle for edge in power.edges if not edge.level]
    blows = [cycle for cycle in blows if cycle < ended]
    assert len(blows) >= 10
    for blow in blows:
        assert any(0 < fall - blow <= 30 * CYCLES_IN_MS // 1000 for fall in falls), blow
