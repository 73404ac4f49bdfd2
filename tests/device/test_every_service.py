"""Every service that ships is crashed on one board: all come back, and nobody else is harmed.

The application itself does it, with calls on their way to each service. Then each is updated to
itself, with a state that it has to keep, and the host makes the supervisor fail until the kernel
resets the board.
"""

import re
import shutil
import tomllib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from heap import free_heap

from bulkhead_host import abi
from bulkhead_host.commands.build import BuildOptions, build
from bulkhead_host.commands.postmortem import postmortem
from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.emulator.chip import CYCLE_NS
from bulkhead_host.emulator.serial_peer import SerialPeer
from bulkhead_host.errors import DeviceTimeout
from bulkhead_host.link.client import Client
from bulkhead_host.link.emulated import BoardTransport
from bulkhead_host.link.services import Table
from bulkhead_host.link.updater import update_to_itself
from bulkhead_host.paths import source_root
from bulkhead_host.system.operations import load_interface

APPLICATION = Path(__file__).parents[1] / "cases" / "every_app"
START = tomllib.loads((APPLICATION / "system.toml").read_text())["system"]["start"]
MANIFESTS = {
    path.parent.name: tomllib.loads(path.read_text())
    for path in sorted((source_root() / "services").glob("*/service.toml"))
}


def networked() -> set[str]:
    """Return the services for which a board needs a network, by what they use, and so on."""
    found = {
        name
        for name, table in MANIFESTS.items()
        if {"network", "socket"} & set(table["service"].get("modules", ()))
    }
    while more := {
        name
        for name, table in MANIFESTS.items()
        if name not in found and found & set(table.get("uses", ()))
    }:
        found |= more
    return found


# A Pico has no wireless chip, and no modules for one.
SHIPPED = sorted(set(MANIFESTS) - networked())
CALLED = re.findall(r'^    "(\w+)",', (APPLICATION / "breaker" / "api.py").read_text(), re.M)

DEAD, REFUSED = 193, abi.REFUSED
FAULTS_MAX, WINDOW_S = 5, 10
"""So many faults the supervisor may take in that time, by the board's clock."""

PIECE_BYTES = 50_000
"""Of heap in one piece, with every service: 64 KB are, of 109 KB that are free."""

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


@dataclass
class Desk:
    """The board after the crashes, a client, and what the board has printed to it."""

    board: EmulatedBoard
    printed: list[str] = field(default_factory=list)

    @cached_property
    def client(self) -> Client:
        return Client(BoardTransport(self.board), on_output=self.printed.append)

    def call(self, words: str, value: object = None) -> Any:
        """Call an operation, `led.SET`; return what it answers."""
        service, name = words.split(".")
        interface = load_interface(service, [APPLICATION, source_root() / "services"])
        number = interface.named(name).number
        status, answer = self.client.call(service, number, value, timeout_ms=2000)
        assert status == abi.OK, (words, status)
        return answer

    def wait_for(self, result: object) -> None:
        """Wait for what the patient client waits for."""
        for _ in range(100):
            self.client.listen(0.02)
            if self.call("patient.RESULT") == result:
                return
        raise AssertionError(self.call("patient.RESULT"))

    def pause_after_crash(self, name: str) -> int:
        """Crash a service, wait until it is back, and return the pause before that in ms."""
        self.printed.clear()
        self.client.inject(name, "crash")
        for _ in range(100):
            self.client.listen(0.02)
            service = self.client.table().named(name)
            if service is not None and service.state not in ("faulted", "dormant"):
                break
        said = re.search(
            rf"{name} faulted: .*again (?:in (\d+) ms|at once)", "".join(self.printed)
        )
        assert said is not None
        return int(said[1] or 0)


@pytest.fixture(scope="module")
def desk(board: EmulatedBoard, found: dict[str, tuple[str, ...]]) -> Desk:
    assert found
    return Desk(board)


Keeps = Iterator[None]
"""Brings a service into a state, yields for the update, and looks at the state."""

LED, WAVE, OUTPUT, BUTTON, EDGE, LIGHTS = 25, 6, 2, 15, 3, 22
NOON_MS = 1_800_000_000_000


def keeps_led(desk: Desk) -> Keeps:
    desk.client.control("blink", "hold")
    desk.call("led.SET", 1)
    assert desk.client.call("led", 1, "off") == (REFUSED, None)
    desk.board.pin(LED).clear_edges()
    yield
    assert desk.call("led.STATE") == 1
    assert not desk.board.pin(LED).edges  # it did not flicker
    desk.client.control("blink", "release")


def keeps_pwm(desk: Desk) -> Keeps:
    desk.call("pwm.SET", (0, 1000, 16384))
    desk.client.listen(0.01)
    pin = desk.board.pin(WAVE)
    pin.clear_edges()
    yield
    rises = [edge.cycle for edge in pin.edges if edge.level]
    desk.call("pwm.OFF", 0)
    assert len(rises) > 10
    assert all(abs((b - a) * CYCLE_NS - 1e6) < 1000 for a, b in pairwise(rises))
    assert pin.level == 0


def keeps_gpio(desk: Desk) -> Keeps:
    desk.call("gpio.WRITE", (0, 1))
    desk.call("gpio.MODE", (0, 3))
    desk.call("patient.EDGE")
    desk.board.pin(EDGE).drive(1)
    desk.wait_for(8)
    count, level, _ = desk.call("gpio.EDGES", 1)
    desk.board.pin(OUTPUT).clear_edges()
    yield
    assert not desk.board.pin(OUTPUT).edges
    assert desk.call("gpio.READ", 0) == 1
    assert level == 1
    desk.call("patient.EDGE")  # forgets the bits
    desk.wait_for("0 None")
    desk.board.pin(EDGE).drive(0)
    desk.wait_for(8)
    assert desk.call("gpio.EDGES", 1) == (count + 1, 0, 0)


def keeps_button(desk: Desk) -> Keeps:
    presses = desk.call("button.PRESSES")
    assert isinstance(presses, int)
    desk.call("patient.PUSH")
    yield
    desk.board.pin(BUTTON).press(ms=60)  # more than a collection takes
    desk.wait_for(f"0 ({presses + 1}, 0)")


def keeps_clock(desk: Desk) -> Keeps:
    desk.call("clock.SET", NOON_MS)
    desk.call("patient.ALARM", 3000)
    yield
    assert 0 < desk.call("clock.TIME") - NOON_MS < 3000
    desk.client.listen(3)
    desk.wait_for(4)


def keeps_names(desk: Desk) -> Keeps:
    desk.client.control("led", "hold")
    desk.call("patient.FIND_LED")
    yield
    desk.client.control("led", "release")
    desk.wait_for("0 True")


def keeps_logger(desk: Desk) -> Keeps:
    number = 1 + desk.client.table().names.index("template")
    desk.call("logger.KEEP", (number, 4))
    yield
    desk.printed.clear()
    desk.client.control("template", "restart")
    desk.client.listen(0.1)
    desk.call("logger.KEEP", (number, 1))
    desk.client.control("template", "restart")
    desk.client.listen(0.1)
    assert "".join(desk.printed).count("template is up") == 1


def keeps_store(desk: Desk) -> Keeps:
    desk.call("store.SAVE")
    written = desk.call("store.USE")
    desk.call("store.PUT", ("pace", 250))
    yield
    assert desk.call("store.GET", "pace") == 250
    _, _, after = desk.call("store.USE")
    assert after == written[2]
    desk.call("store.SAVE")
    assert desk.call("store.USE")[2] == after + 1


def keeps_journal(desk: Desk) -> Keeps:
    desk.call("journal.SAVE")
    desk.client.control("template", "restart")
    desk.client.listen(1.5)  # until it has taken the line from the logger
    flash = bytes(desk.board.chip.flash)
    yield
    assert bytes(desk.board.chip.flash) == flash
    desk.call("journal.SAVE")
    assert bytes(desk.board.chip.flash).count(b"template is up") > flash.count(b"template is up")


def keeps_uart(desk: Desk) -> Keeps:
    peer = SerialPeer(desk.board)
    port = desk.board.chip.mcu.uart[0]
    desk.call("uart.SET_UP", (9600, 7, 2, 1))
    baudrate = port.baud_rate
    assert desk.client.call("uart", 3, (9600, 9, 0, 1)) == (REFUSED, None)
    peer.send(b"before ")
    desk.client.listen(0.05)
    yield
    assert desk.call("uart.READ", (20, 0)) == b"before "
    assert (port.word_length, port.baud_rate) == (7, baudrate)
    desk.call("patient.BYTES")
    update_to_itself(desk.client, ["uart"], probation_ms=0)
    peer.send(b"!")
    desk.wait_for("0 b'!'")


def keeps_neopixel(desk: Desk) -> Keeps:
    desk.call("neopixel.FILL", (2, 1, 2, 3))
    desk.board.pin(LIGHTS).clear_edges()
    yield
    desk.call("neopixel.SHOW")
    assert len([edge for edge in desk.board.pin(LIGHTS).edges if edge.level]) == 2 * 24


def keeps_spi(desk: Desk) -> Keeps:
    bus = desk.board.chip.mcu.spi[0]
    desk.call("spi.SET_UP", (0, 4_000_000, 3))
    desk.call("spi.TRANSFER", (0, b"x"))
    settings = (bus.spi_mode, bus.clock_frequency)
    bus.reset()
    yield
    desk.call("spi.TRANSFER", (0, b"x"))
    assert (bus.spi_mode, bus.clock_frequency) == settings


def keeps_supervisor(desk: Desk) -> Keeps:
    desk.client.control("blink", "hold")
    desk.pause_after_crash("template")
    pause_ms = desk.pause_after_crash("template")
    yield
    assert desk.pause_after_crash("template") == 2 * pause_ms > 0
    blink = desk.client.table().named("blink")
    assert blink is not None
    assert blink.state == "held"
    desk.client.control("blink", "release")


def keeps_console(desk: Desk) -> Keeps:
    desk.call("led.STATE")  # an order, of a session
    losses = desk.client.table().losses
    yield
    assert desk.client.table().losses == losses


KEEPERS: dict[str, Callable[[Desk], Keeps]] = {
    name.removeprefix("keeps_"): keeps
    for name, keeps in globals().items()
    if name.startswith("keeps_")
}


@pytest.mark.parametrize("name", [name for name in SHIPPED if name != "updater"])
def test_a_service_that_is_updated_to_itself_keeps_its_generation_and_its_state(
    desk: Desk, name: str
) -> None:
    keeps = KEEPERS[name](desk) if name in KEEPERS else iter([None])
    next(keeps)
    before = desk.client.table()
    update_to_itself(desk.client, [name], probation_ms=0)
    after = desk.client.table()
    assert generations(after) == generations(before)
    down = ("dormant", "faulted", "held", "degraded")
    for was, service in zip(before.services, after.services, strict=True):
        assert (service.dropped, service.state in down) == (was.dropped, was.state in down)
    assert next(keeps, None) is None


def test_what_lives_on_does_not_lie_all_over_the_heap(
    board: EmulatedBoard, found: dict[str, tuple[str, ...]]
) -> None:
    assert found
    assert free_heap(board)[1] >= PIECE_BYTES


def test_a_supervisor_that_fails_is_started_again_and_what_is_held_stays_so(
    board: EmulatedBoard, found: dict[str, tuple[str, ...]]
) -> None:
    assert found
    client = Client(BoardTransport(board))
    client.listen(WINDOW_S)  # earlier faults count no more
    client.control("blink", "hold")
    before = generations(client.table())
    for _ in range(FAULTS_MAX):
        client.inject("supervisor", "crash")
        client.listen(0.1)
    table = client.table()
    blink = table.named("blink")
    assert blink is not None
    assert blink.state == "held"
    expected = {**before, "supervisor": before["supervisor"] + FAULTS_MAX}
    assert generations(table) == expected


def test_a_supervisor_that_fails_too_often_resets_the_board(
    board: EmulatedBoard, found: dict[str, tuple[str, ...]]
) -> None:
    assert found
    client = Client(BoardTransport(board))
    resets = board.chip.reset_count
    with suppress(DeviceTimeout):  # the board is reset before it answers
        client.inject("supervisor", "crash")
    crash = postmortem(client).crash
    assert board.chip.reset_count == resets + 1
    assert crash is not None
    assert (crash.task, crash.kind) == (1, abi.SUPERVISOR_DIED)
    assert client.fault_text("") == "supervisor died too often"
    assert generations(client.table())["supervisor"] == 1
