"""Outputs of services that leave behind all they can: `tests/cases/outputs_app`."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from bulkhead_host.campaign.actions import Bench
from bulkhead_host.campaign.outputs import Outputs
from bulkhead_host.campaign.watch import Watch
from bulkhead_host.commands.build import BuildOptions, build
from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.errors import BulkheadError
from bulkhead_host.link.client import Client
from bulkhead_host.link.emulated import BoardTransport
from bulkhead_host.system.examine import load_system

APPLICATION = Path(__file__).parents[1] / "cases" / "outputs_app"
PINS = {
    "waver": (6, 7),
    "pulser": (8,),
    "stopper": (16,),
    "partner": (17,),
    "phoenix": (20,),
    "filler": (21,),
}
"""What drives a pin whose level the emulator shows; all are safe low."""
BUSES = {"talker": (4,), "bus": (18, 19)}
EDGE = 15
CTRL = 0x40014004
HELD_LOW = 3 << 12 | 2 << 8 | 5  # output enabled, level low, SIO
TRACE_MS = 5  # between two looks: the ring holds 63 records


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatedBoard]:
    output = tmp_path_factory.mktemp("image") / "outputs.uf2"
    image = build(BuildOptions(application=APPLICATION, output=output)).path
    with EmulatedBoard(image=image) as board:
        yield board


@pytest.fixture
def bench(running: EmulatedBoard) -> Bench:
    """Return a board that has just booted, on which every pin is driven high."""
    application, description = load_system(APPLICATION)
    running.reset()
    client = Client(BoardTransport(running))
    running.run_for(ms=800)
    running.pin(EDGE).press(ms=5)
    running.run_for(ms=10)
    assert all(running.pin(pin).level for pins in PINS.values() for pin in pins)
    return Bench(client=client, application=application, description=description, emulated=running)


def levels(board: EmulatedBoard, name: str) -> list[int]:
    return [board.pin(pin).level for pin in PINS[name]]


def fail(bench: Bench, name: str, times: int) -> None:
    """Crash a service as often, so that the pause after its next fault is long."""
    board = bench.chip_of()
    for _ in range(times):
        first = bench.client.table().named(name)
        assert first is not None
        bench.client.inject(name, "crash")
        while True:
            board.run_for(ms=20)
            now = bench.client.table().named(name)
            if now and now.generation > first.generation and now.safe_since_ms is None:
                break


def test_nothing_that_a_service_has_left_running_moves_its_pins(bench: Bench) -> None:
    board = bench.chip_of()
    for name in (*PINS, *BUSES):
        bench.client.control(name, "hold")
    board.run_for(ms=50)
    for pins in PINS.values():
        for pin in pins:
            board.pin(pin).clear_edges()
    for _ in range(5):
        board.pin(EDGE).press(ms=5)  # the hard driver of the group sets its pin at each
        board.run_for(ms=10)
    bench.client.heap_free()  # collects
    for name, pins in PINS.items():
        assert levels(board, name) == [0] * len(pins), name
        assert not any(board.pin(pin).edges for pin in pins), name
    for pin in (pin for pins in BUSES.values() for pin in pins):
        assert board.chip.mcu.read_uint32(CTRL + 8 * pin) & 0x3F1F == HELD_LOW, pin
    for keys in (b"\r\x03", b"from machine import Pin\r", b"Pin(20).on(); Pin(20)(1)\r"):
        board.write(keys)
        board.run_for(ms=200)
    assert b"Error" not in board.read()
    assert levels(board, "phoenix") == [0]  # held against the prompt too


@pytest.mark.parametrize("way", [1, 2, 3], ids=["text", "return", "closing"])
def test_no_code_that_a_service_has_left_behind_drives_its_pin(bench: Bench, way: int) -> None:
    board = bench.chip_of()
    fail(bench, "phoenix", 3)
    board.pin(20).clear_edges()
    with suppress(BulkheadError):  # nobody answers
        bench.client.call("phoenix", way, timeout_ms=10)
    for _ in range(3):
        bench.client.heap_free()
        assert levels(board, "phoenix") == [0]
    now = bench.client.table().named("phoenix")
    assert now is not None and now.safe_since_ms is not None
    assert [edge.level for edge in board.pin(20).edges] == [0]  # in its closing steps neither


@pytest.mark.parametrize("name", ["filler", "logger", "supervisor"])
def test_outputs_are_safe_when_a_full_heap_takes_others_along(bench: Bench, name: str) -> None:
    board = bench.chip_of()
    outputs, watch = Outputs(bench), Watch(bench.client)
    watch.begin()
    outputs.begin()
    with suppress(BulkheadError):  # it may be what answers
        bench.client.inject(name, "memory-full")
    for _ in range(30):
        board.run_for(ms=TRACE_MS)
        watch.look()
    table = bench.client.table()
    assert list(outputs.violations(watch, table.names, table)) == []
