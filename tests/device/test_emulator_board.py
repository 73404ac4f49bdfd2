"""The emulated board runs the real MicroPython: time, console, pins, ADC, resets."""

from pathlib import Path

import pytest

from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.emulator.measure import measure, table
from bulkhead_host.emulator.repl import execute, wait_for_prompt
from bulkhead_host.errors import DeviceException, DeviceTimeout, UsageError

CYCLES_IN_MS = 125_000


@pytest.fixture
def board(stock_board: EmulatedBoard) -> EmulatedBoard:
    return stock_board


def test_two_boots_reach_the_prompt_in_the_same_cycle(stock_image: Path) -> None:
    cycles = []
    for _ in range(2):
        with EmulatedBoard(image=stock_image, seed=0) as board:
            wait_for_prompt(board)
            board.write(b"1+1\r")
            assert board.run_until(b">>> ", timeout_ms=100) == b"1+1\r\n2\r\n>>> "
            cycles.append(board.cycles)
    assert cycles[0] == cycles[1]


def test_two_boards_in_one_process_do_not_know_of_each_other(stock_image: Path) -> None:
    with EmulatedBoard(image=stock_image) as one, EmulatedBoard(image=stock_image) as other:
        wait_for_prompt(one)
        assert other.cycles == 0
        wait_for_prompt(other)
        execute(one, "x = 1")
        with pytest.raises(DeviceException, match="NameError"):
            execute(other, "print(x)")
        one.pin(3).drive(1)
        assert (one.pin(3).level, other.pin(3).level) == (1, 0)


def test_run_for_advances_the_device_by_exactly_the_time_asked_for(board: EmulatedBoard) -> None:
    for milliseconds in (0.5, 10, 3_600_000):
        before = board.cycles
        board.run_for(ms=milliseconds)
        # An instruction under way is finished; a few cycles at most.
        assert 0 <= board.cycles - before - milliseconds * CYCLES_IN_MS < 20


def test_the_devices_clock_and_the_boards_agree(board: EmulatedBoard) -> None:
    execute(board, "import time; t0 = time.ticks_us()")
    before_us = board.clock_us
    execute(board, "time.sleep_ms(250)")
    passed = int(execute(board, "print(time.ticks_diff(time.ticks_us(), t0))"))
    assert passed == pytest.approx(board.clock_us - before_us, abs=2000)
    assert passed >= 250_000


def test_run_until_takes_a_text_or_a_function_and_times_out_in_device_time(
    board: EmulatedBoard,
) -> None:
    board.write(b"import machine; machine.Pin(25, machine.Pin.OUT).on()\r")
    board.run_until(lambda: board.pin(25).level == 1, timeout_ms=100)
    before_us = board.clock_us
    with pytest.raises(DeviceTimeout, match="no 'never' within 50 ms"):
        board.run_until("never", timeout_ms=50)
    assert board.clock_us - before_us == pytest.approx(50_000, abs=5)


def test_holding_back_idle_usb_brings_the_times_of_real_hardware(
    stock_image: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = measure(stock_image, hold_idle_out=False)
    after = measure(stock_image)
    assert before.call_us > 25
    assert 9.5 < after.call_us < 11.5
    assert 9 < after.send_us < 11.5
    assert after.idle_device_s_per_s > 1000 * before.idle_device_s_per_s
    with capsys.disabled():
        print(f"\n{table(stock_image)}")


def test_a_long_text_goes_both_ways_unharmed(board: EmulatedBoard) -> None:
    text = "".join(chr(33 + index % 90) for index in range(5000))
    assert execute(board, f"print({text!r})", timeout_ms=2000) == text + "\n"


def test_an_exception_on_the_board_is_raised_with_its_traceback(board: EmulatedBoard) -> None:
    with pytest.raises(DeviceException, match="line 1, in <module>\nZeroDivisionError"):
        execute(board, "1/0")


def test_a_pressed_button_interrupts_the_firmware(board: EmulatedBoard) -> None:
    execute(
        board,
        "import machine; seen = []; p = machine.Pin(15, machine.Pin.IN, machine.Pin.PULL_UP)\n"
        "p.irq(lambda pin: seen.append(pin.value()))",
    )
    board.pin(15).press(ms=20)
    assert board.pin(15).level == 0
    board.run_for(ms=30)
    assert board.pin(15).level == 1
    assert execute(board, "print(seen)") == "[0, 1]\n"


def test_an_outside_change_comes_at_its_cycle(board: EmulatedBoard) -> None:
    pin = board.pin(14)
    pin.clear_edges()
    at = board.cycles + 1_000_003
    pin.drive_at(1, cycle=at)
    pin.drive_at(0, cycle=at + 77)
    pin.drive_at(None, cycle=at + 78)
    board.run_for(ms=20)
    assert [(edge.cycle - at, edge.level) for edge in pin.edges] == [(0, 1), (77, 0)]


def test_interrupt_latency_can_be_measured_to_the_cycle(board: EmulatedBoard) -> None:
    execute(
        board,
        "import machine; out = machine.Pin(16, machine.Pin.OUT, value=0)\n"
        "machine.Pin(17, machine.Pin.IN, machine.Pin.PULL_DOWN).irq(\n"
        "    lambda pin: out.on(), machine.Pin.IRQ_RISING, hard=True)",
    )
    answer, question = board.pin(16), board.pin(17)
    answer.clear_edges()
    at = board.cycles + 200_001
    question.drive_at(1, cycle=at)
    board.run_for(ms=5)
    question.release()
    (edge,) = answer.edges
    latency_us = (edge.cycle - at) * 8 / 1000
    assert 5 < latency_us < 40


def test_an_output_reads_back_as_it_drives(board: EmulatedBoard) -> None:
    led = board.pin(25)
    led.clear_edges()
    source = (
        "import machine; led = machine.Pin(25, machine.Pin.OUT); led.on(); print(led.value())\n"
        "led.toggle(); print(led.value())"
    )
    assert execute(board, source) == "1\n0\n"
    assert led.is_output
    assert [edge.level for edge in led.edges] == [1, 0]
    assert led.edges[0].cycle < led.edges[1].cycle


def test_a_wire_carries_a_level_and_an_interrupt(stock_image: Path) -> None:
    with EmulatedBoard(image=stock_image) as board:
        wait_for_prompt(board)
        board.pin(2).wire_to(board.pin(3))
        source = (
            "import machine, time; a = machine.Pin(2, machine.Pin.OUT, value=0)\n"
            "b = machine.Pin(3, machine.Pin.IN)\n"
            "seen = []; b.irq(lambda pin: seen.append(pin()))\n"
            "for level in (1, 0, 1):\n    a(level); time.sleep_ms(1)\n"
            "print(seen, b())"
        )
        assert execute(board, source) == "[1, 0, 1] 1\n"
        board.pin(3).drive(0)  # a pad that drives wins over a hand that pulls
        assert board.pin(2).level == 1


def test_a_pin_outside_the_chip_is_refused(board: EmulatedBoard) -> None:
    with pytest.raises(UsageError, match="no pin GP30"):
        board.pin(30)


def test_pwm_and_pio_move_pins(board: EmulatedBoard) -> None:
    source = (
        "import machine; pwm = machine.PWM(machine.Pin(6), freq=1000, duty_u16=32768)\n"
        "import time; time.sleep_ms(3); pwm.deinit()\n"
        "import rp2\n"
        "@rp2.asm_pio(set_init=rp2.PIO.OUT_LOW)\n"
        "def blink():\n    set(pins, 1) [31]\n    set(pins, 0) [31]\n"
        "sm = rp2.StateMachine(0, blink, freq=100000, set_base=machine.Pin(7))\n"
        "sm.active(1); time.sleep_ms(3); sm.active(0)"
    )
    for number in (6, 7):
        board.pin(number).clear_edges()
    execute(board, source)
    pwm = [edge.cycle for edge in board.pin(6).edges if edge.level]
    assert pwm[2] - pwm[1] == pytest.approx(125_000, rel=0.01)
    pio = [edge.cycle for edge in board.pin(7).edges if edge.level]
    assert pio[2] - pio[1] == pytest.approx(64 * 1250, rel=0.01)


@pytest.mark.parametrize("celsius", [-10.0, 27.0, 41.5])
def test_the_temperature_sensor_reads_what_was_set(board: EmulatedBoard, celsius: float) -> None:
    board.set_temperature_c(celsius)
    source = (
        "import machine; volts = machine.ADC(4).read_u16() * 3.3 / 65535\n"
        "print(27 - (volts - 0.706) / 0.001721)"
    )
    # One step of the converter is 0.47 degrees.
    assert float(execute(board, source)) == pytest.approx(celsius, abs=0.5)


def test_an_adc_pin_reads_its_voltage(board: EmulatedBoard) -> None:
    board.set_adc_volts(0, 1.65)
    value = int(execute(board, "import machine; print(machine.ADC(26).read_u16())"))
    assert value == pytest.approx(32768, abs=32)
    with pytest.raises(UsageError, match="no ADC channel 5"):
        board.set_adc_volts(5, 1.0)


def test_a_watchdog_resets_the_chip_and_scratch_registers_survive(board: EmulatedBoard) -> None:
    execute(
        board,
        "import machine; machine.mem32[0x4005800C] = 0x600DF00D; w = machine.WDT(timeout=300)\n"
        "import time; time.sleep_ms(250); w.feed(); time.sleep_ms(250)",
    )
    resets, started_us = board.chip.reset_count, board.clock_us
    wait_for_prompt(board)
    assert board.chip.reset_count == resets + 1
    assert board.clock_us - started_us < 120_000
    source = (
        "import machine; print(machine.reset_cause() == machine.WDT_RESET, "
        "hex(machine.mem32[0x4005800C]))"
    )
    assert execute(board, source) == "True 0x600df00d\n"


def test_machine_reset_keeps_the_scratch_registers_and_a_reset_button_does_not(
    board: EmulatedBoard,
) -> None:
    board.write(b"import machine; machine.mem32[0x40058010] = 7; machine.reset()\r")
    board.run_until(b"MicroPython v", timeout_ms=1000)
    wait_for_prompt(board)
    report = "import machine; print(machine.reset_cause(), machine.mem32[0x40058010])"
    assert execute(board, report) == "3 7\n"
    board.reset()
    wait_for_prompt(board)
    assert execute(board, report) == "1 0\n"


def test_an_armed_watchdog_does_not_outlive_the_reset_button(board: EmulatedBoard) -> None:
    execute(board, "import machine; machine.WDT(timeout=200)")
    board.reset()
    wait_for_prompt(board)
    resets = board.chip.reset_count
    board.run_for(ms=1000)
    assert board.chip.reset_count == resets


def test_a_soft_reset_starts_python_afresh_and_not_the_chip(board: EmulatedBoard) -> None:
    resets = board.chip.reset_count
    execute(board, "x = 1")
    board.write(b"\x04")
    assert b"soft reboot" in board.run_until(b"MicroPython v", timeout_ms=1000)
    wait_for_prompt(board)
    assert board.chip.reset_count == resets
    with pytest.raises(DeviceException, match="NameError"):
        execute(board, "x")


def test_the_firmware_sees_a_terminal_come_and_does_not_block_without_one(
    board: EmulatedBoard,
) -> None:
    board.run_for(ms=50)
    board.console.set_terminal_attached(False)
    board.write(b"import time; t = time.ticks_ms(); print('x' * 5000); t = time.ticks_ms() - t\r")
    board.run_for(ms=300)
    board.read()
    before = board.usb.frame_interrupts
    board.console.set_terminal_attached(True)
    board.run_for(ms=50)
    # MicroPython answers DTR by counting 16 USB frames before it flushes its output.
    assert board.usb.frame_interrupts - before > 16
    assert int(execute(board, "print(t)")) < 100


def test_real_pace_does_not_run_ahead_of_the_wall_clock(stock_image: Path) -> None:
    import time  # noqa: PLC0415  (the one test that looks at the wall clock)

    with EmulatedBoard(image=stock_image, pace="real") as board:
        start_s = time.monotonic()
        board.run_for(ms=300)
        assert time.monotonic() - start_s >= 0.29
