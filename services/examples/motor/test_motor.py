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


def test_a_blow_counts_before_the_key_however_close_they_come(fresh_board, kernel, clock, pins):
    turn_key(kernel, pins)
    for between_us in (0, 4, 30, -4):
        first, second = (KEY, MUSHROOM) if between_us >= 0 else (MUSHROOM, KEY)
        pins(first).drive(0)
        clock.run_for(abs(between_us) / 1000)
        pins(second).drive(0)
        clock.run_for(20)
        assert pins(POWER).level == 0, between_us
        pins(KEY).drive(1)
        pins(MUSHROOM).drive(1)
        clock.run_for(5)
        pins(KEY).press(ms=5)
        clock.run_for(20)
        assert pins(POWER).level == 1, between_us
        pins(MUSHROOM).press(ms=5)
        clock.run_for(20)
        assert pins(POWER).level == 0, f"{between_us}: the mushroom is dead"
        pins(KEY).press(ms=5)
        clock.run_for(20)


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


PAUSE_MS = 5  # from a fault to what the supervisor does about its group


def fail(kernel, clock, name):
    """Make a service fail, and return it as it was before."""
    before = kernel.inject("crash", target=name)
    clock.run_for(PAUSE_MS)
    return before


def still_without_power(pins, clock, ms):
    """Strike the mushroom and turn the key, and see that nothing of it gives power or a wave."""
    pins(POWER).clear_edges()
    pins(WAVE).clear_edges()
    for pin in (KEY, MUSHROOM, KEY):
        pins(pin).press(ms=2)
        clock.run_for(ms / 3)
    assert (pins(POWER).level, pins(WAVE).level) == (0, 0)
    assert not pins(POWER).edges and not pins(WAVE).edges


def test_power_goes_with_every_crash_and_stays_off_in_every_phase_of_the_pause(
    fresh_board, kernel, clock, pins
):
    kernel.client.control("planner", "hold")  # all its computing is emulated
    for count in range(10):
        pins(KEY).press(ms=5)
        clock.run_for(30)
        assert pins(POWER).level == 1
        name = ("motor", "stop")[count % 2]
        before = fail(kernel, clock, name)
        assert (pins(POWER).level, pins(WAVE).level) == (0, 0)
        if count % 2 == 0 and count > 2:
            assert kernel.service("stop").state == "attending"  # all the pause through
        pause_ms = 50 * 2 ** (count // 2) // 2
        if count > 3:
            still_without_power(pins, clock, pause_ms * 0.7)
        kernel.wait_for_restart(before)
        clock.run_for(20)
        assert pins(POWER).level == 0


def test_the_stop_works_while_the_motor_is_held_and_power_goes_when_the_stop_is(
    fresh_board, kernel, clock, pins
):
    kernel.client.control("planner", "hold")
    kernel.client.control("motor", "hold")
    pins(KEY).press(ms=5)
    clock.run_for(20)
    assert pins(POWER).level == 1
    pins(MUSHROOM).press(ms=5)
    clock.run_for(1)
    assert pins(POWER).level == 0
    pins(KEY).press(ms=5)
    clock.run_for(20)
    kernel.client.control("stop", "hold")
    assert pins(POWER).level == 0
    still_without_power(pins, clock, 30)


def test_power_goes_before_a_soft_reset_has_ended_and_stays_off(fresh_board, kernel, clock, pins):
    turn_key(kernel, pins)
    emulator = fresh_board.emulator
    emulator.write(b"\x03")
    emulator.run_for(ms=100)
    emulator.write(b"\x01")  # the raw REPL, as of a tool that copies files
    emulator.run_for(ms=100)
    assert pins(POWER).level == 1  # the services go on at the prompt
    pins(MUSHROOM).press(ms=5)
    emulator.run_for(ms=1)
    assert pins(POWER).level == 0
    emulator.run_for(ms=20)
    pins(KEY).press(ms=5)
    emulator.run_for(ms=20)
    assert pins(POWER).level == 1
    emulator.write(b"\x04")
    while pins(POWER).level:  # as long as there is power the mushroom can take it
        assert emulator.chip.mcu.gpio[MUSHROOM].irq_enable_mask
        emulator.run_for(us=20)
    emulator.run_for(ms=100)
    assert b"soft reboot" in emulator.read()
    assert pins(POWER).level == 0
    for pin in (KEY, MUSHROOM, KEY):
        pins(pin).press(ms=5)
        emulator.run_for(ms=20)
        assert (pins(POWER).level, pins(WAVE).level) == (0, 0)
