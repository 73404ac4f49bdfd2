"""The thermostat on the emulated Pico: `pytest` in this folder."""

HEATER = 16


def test_it_heats_when_cold_and_stops_when_warm(fresh_board, kernel, clock, pins):
    fresh_board.emulator.set_temperature_c(18)
    kernel.expect("heat on", timeout_ms=3000)
    assert pins(HEATER).level == 1
    fresh_board.emulator.set_temperature_c(23)
    kernel.expect("heat off", timeout_ms=3000)
    assert pins(HEATER).level == 0


def test_a_crash_of_the_thermostat_does_not_cool_the_room(fresh_board, kernel, clock, pins):
    fresh_board.emulator.set_temperature_c(18)
    kernel.expect("heat on", timeout_ms=3000)
    before = kernel.services()
    pins(HEATER).clear_edges()
    kernel.wait_for_restart(kernel.inject("crash", target="thermostat"))
    clock.run_for(2000)
    assert not list(pins(HEATER).edges)
    kernel.assert_untouched(before, except_for=("thermostat",))


def test_without_the_thermostat_the_heat_ends_by_itself(fresh_board, kernel, clock, pins):
    fresh_board.emulator.set_temperature_c(18)
    kernel.expect("heat on", timeout_ms=3000)
    kernel.inject("hang", target="thermostat")
    kernel.expect("heater: nobody asks for heat: off", timeout_ms=5000)
    assert pins(HEATER).level == 0
    kernel.expect("heat on", timeout_ms=8000)


def test_without_a_reading_there_is_no_heat(fresh_board, kernel, pins):
    fresh_board.emulator.set_temperature_c(18)
    kernel.expect("heat on", timeout_ms=3000)
    kernel.inject("hang", target="thermometer")
    kernel.expect("no reading: heat off", timeout_ms=3000)
    assert pins(HEATER).level == 0
    kernel.expect("heat on", timeout_ms=8000)


def test_there_is_no_heat_without_a_living_driver(fresh_board, kernel, clock, pins):
    fresh_board.emulator.set_temperature_c(18)
    for count in range(10):
        kernel.wait_for("heater", lambda now: now.state == "receiving", timeout_ms=6000)
        while not pins(HEATER).level:
            clock.run_for(50)
        kernel.inject("spin" if count % 3 == 0 else "crash", target="heater")
        clock.run_for(10)
        if count > 1:  # the first start is at once
            assert pins(HEATER).level == 0
        service = kernel.service("heater")
        while service.state in ("faulted", "dormant"):
            assert pins(HEATER).level == 0
            clock.run_for(100)
            service = kernel.service("heater")
    kernel.client.control("heater", "hold")
    clock.run_for(20_000)
    assert pins(HEATER).level == 0
