"""The greenhouse on the emulated Pico, with `desk.py` around it: `pytest` in this folder."""

PUMP, POWER, BUTTON = 17, 16, 15  # GPIO
WATER, FAN_STATE = 2, 2  # operations of gardener and fan


def test_dry_soil_is_watered_for_as_long_as_is_set_and_hot_air_is_moved(desk, kernel, clock, pins):
    desk.sht31.celsius = 30.0
    desk.moisten(0.2)
    kernel.expect("pump on for 5 s", timeout_ms=3000)
    assert desk.waters()
    clock.run_for(1000)
    status, (speed, wanted) = kernel.client.call("fan", FAN_STATE, None)
    assert (status, speed) == (0, wanted)
    assert 600 <= wanted <= 700
    assert desk.shown()[1].startswith(("air 29.9", "air 30.0"))
    pins(PUMP).clear_edges()
    clock.run_for(5000)
    assert [edge.level for edge in pins(PUMP).edges] == [0]


def test_an_empty_tank_cuts_the_power_in_the_interrupt_whoever_fails(desk, kernel, clock, pins):
    for kind in ("crash", "spin", "hang"):
        pins(BUTTON).press(ms=50)
        kernel.expect("pump on", timeout_ms=3000)
        gardener = kernel.inject(kind, target="gardener")
        pins(POWER).clear_edges()
        begin = desk.desk.board.cycles
        desk.empty_tank()
        clock.run_for(20)
        (edge,) = pins(POWER).edges
        assert edge.level == 0
        assert edge.cycle - begin < 50 * 125  # cycles of 8 ns
        desk.fill_tank()
        kernel.expect("water is back", timeout_ms=3000)
        kernel.wait_for_restart(gardener, timeout_ms=8000)  # one that hangs is given 5 s


def test_no_water_runs_without_its_driver(desk, kernel, clock, pins):
    for count in range(10):
        kernel.client.call("gardener", WATER, None)
        clock.run_for(50)
        assert desk.waters()
        pins(PUMP).clear_edges()
        before = kernel.inject("crash", target=("pump", "cutoff")[count % 2])
        clock.run_for(5)
        assert not desk.waters()
        kernel.wait_for_restart(before, timeout_ms=8000)
        assert not desk.waters()
        assert [edge.level for edge in pins(PUMP).edges] == [0]
        clock.run_for(20)
