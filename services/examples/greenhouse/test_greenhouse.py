"""The greenhouse on the emulated Pico: `pytest` in this folder."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from desk import BUTTON, POWER, PUMP, Garden

WATER, FAN_STATE = 2, 2  # operations of gardener and fan


@pytest.fixture
def garden(fresh_board):
    return Garden(fresh_board)


def test_dry_soil_is_watered_for_as_long_as_is_set_and_hot_air_is_moved(
    garden, kernel, clock, pins
):
    garden.sht31.celsius = 30.0
    garden.moisten(0.2)
    kernel.expect("pump on for 5 s", timeout_ms=3000)
    assert garden.waters()
    clock.run_for(1000)
    status, (speed, wanted) = kernel.client.call("fan", FAN_STATE, None)
    assert (status, speed) == (0, wanted)
    assert 600 <= wanted <= 700
    assert garden.shown()[1].startswith(("air 29.9", "air 30.0"))
    pins(PUMP).clear_edges()
    clock.run_for(5000)
    assert [edge.level for edge in pins(PUMP).edges] == [0]


def test_an_empty_tank_cuts_the_power_in_the_interrupt_whoever_fails(garden, kernel, clock, pins):
    for kind in ("crash", "spin", "hang"):
        pins(BUTTON).press(ms=50)
        kernel.expect("pump on", timeout_ms=3000)
        gardener = kernel.inject(kind, target="gardener")
        pins(POWER).clear_edges()
        begin = garden.board.emulator.cycles
        garden.empty_tank()
        clock.run_for(20)
        (edge,) = pins(POWER).edges
        assert edge.level == 0
        assert edge.cycle - begin < 50 * 125  # cycles of 8 ns
        garden.fill_tank()
        kernel.expect("water is back", timeout_ms=3000)
        kernel.wait_for_restart(gardener)


def test_no_water_runs_without_its_driver(garden, kernel, clock, pins):
    for victim in ("pump", "cutoff"):
        kernel.client.call("gardener", WATER, None)
        clock.run_for(50)
        assert garden.waters()
        pins(PUMP).clear_edges()
        kernel.inject("crash", target=victim)
        clock.run_for(5)
        assert not garden.waters()
        clock.run_for(200)
        assert [edge.level for edge in pins(PUMP).edges] == [0]
