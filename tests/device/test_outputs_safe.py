"""The campaign's invariant `outputs_safe`: it sees a pin that moves while its driver is down."""

from collections.abc import Iterator

import pytest

from bulkhead_host.campaign.actions import Bench
from bulkhead_host.campaign.outputs import Outputs
from bulkhead_host.campaign.watch import Watch
from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.image.application import system_files
from bulkhead_host.image.build import build_image
from bulkhead_host.link.client import Client
from bulkhead_host.link.emulated import BoardTransport
from bulkhead_host.paths import source_root
from bulkhead_host.system.examine import load_system

THERMOSTAT = source_root() / "services" / "examples" / "thermostat"
HEATER = 16
CTRL = 0x40014004 + 8 * HEATER
SIO_OUT_SET = 0xD0000014


@pytest.fixture
def bench() -> Iterator[Bench]:
    application, description = load_system(THERMOSTAT)
    image = build_image(files=system_files(THERMOSTAT, board="pico")).path
    with EmulatedBoard(image=image) as board:
        board.set_temperature_c(18)
        client = Client(BoardTransport(board))
        board.run_for(ms=2500)
        yield Bench(
            client=client, application=application, description=description, emulated=board
        )


def crash(bench: Bench, times: int, *, poke: bool) -> list[str]:
    """Crash the heater, the last time for 50 ms or more; perhaps have its pin moved then."""
    board = bench.chip_of()
    assert board.pin(HEATER).level == 1
    outputs, watch = Outputs(bench), Watch(bench.client)
    watch.begin()
    outputs.begin()
    for _ in range(times):
        bench.client.inject("heater", "crash")
        board.run_for(ms=20)
    if poke:
        board.chip.mcu.write_uint32(CTRL, 5)
        board.chip.mcu.write_uint32(SIO_OUT_SET, 1 << HEATER)
        board.run_for(ms=2)
    for _ in range(10):
        watch.look()  # as a trial does: the ring holds 63 records
        board.run_for(ms=20)
    table = bench.client.table()
    return list(outputs.violations(watch, table.names, table))


def test_outputs_that_are_held_are_no_violation_and_one_that_moves_is(bench: Bench) -> None:
    assert crash(bench, 2, poke=False) == []
    board = bench.chip_of()
    while not board.pin(HEATER).level:
        board.run_for(ms=50)
    (told,) = crash(bench, 1, poke=True)
    assert told.startswith("GPIO 16 was not low, ")
    assert told.endswith(" ms after heater was faulted")
