"""The motor and its emergency stop, on the emulated Pico: `pytest` in this folder."""

MUSHROOM, KEY, POWER, WAVE = 15, 14, 16, 17


def turn_key(kernel, pins):
    """Give the motor its power, and wait until it moves."""
    pins(KEY).press(ms=50)
    kernel.expect("planner: on the way", timeout_ms=3000)


def test_the_motor_has_no_power_before_its_key_is_turned(fresh_board, kernel, clock, pins):
    clock.run_for(2000)
    assert pins(POWER).level == 0
    turn_key(kernel, pins)
    assert pins(POWER).level == 1


def test_the_emergency_stop_takes_the_power_within_30_us_of_the_edge(
    fresh_board, kernel, clock, pins
):
    turn_key(kernel, pins)
    for after_ms in (11, 23, 37, 53, 71, 97):
        pins(KEY).press(ms=5)
        clock.run_for(50 + after_ms)
        assert pins(POWER).level == 1
        pins(POWER).clear_edges()
        pins(MUSHROOM).clear_edges()
        pins(MUSHROOM).press(ms=5)
        clock.run_for(20)
        pressed = next(edge for edge in pins(MUSHROOM).edges if not edge.level)
        fallen = next(edge for edge in pins(POWER).edges if not edge.level)
        assert 0 < fallen.cycle - pressed.cycle <= 30 * 125  # cycles of 8 ns
    kernel.expect("motor: EMERGENCY STOP")


def test_no_power_comes_back_by_a_restart_or_while_the_mushroom_is_in(
    fresh_board, kernel, clock, pins
):
    turn_key(kernel, pins)
    kernel.wait_for_restart(kernel.inject("crash", target="motor"))
    clock.run_for(100)
    assert pins(POWER).level == 0
    pins(MUSHROOM).drive(0)
    clock.run_for(50)
    pins(KEY).press(ms=50)
    clock.run_for(500)
    assert pins(POWER).level == 0
    pins(MUSHROOM).drive(1)
    turn_key(kernel, pins)


def test_the_stop_works_while_other_services_fail(fresh_board, kernel, clock, pins):
    turn_key(kernel, pins)
    before = kernel.services()
    kernel.inject("spin", target="planner")
    pins(MUSHROOM).press(ms=50)
    clock.run_for(20)
    assert pins(POWER).level == 0
    clock.run_for(1000)
    kernel.assert_untouched(before, except_for=("planner",))
