"""Interrupt lines of the RP2040 under real stimuli: edges, periods, bytes, a PIO program."""

from functools import partial

import pytest
from line_programs import PROGRAM, feed, run, when_ready

from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.emulator.repl import execute


@pytest.fixture(scope="module")
def program(case_board: EmulatedBoard) -> EmulatedBoard:
    execute(case_board, PROGRAM)
    return case_board


COUNTING = """
def driver(task):
    line = task.cap("line")
    yield task.acknowledge(line)
    before = ticks_us()
    for _ in range(10):
        yield task.recv()
        now = ticks_us()
        log.append(ticks_diff(now, before))
        before = now
        yield task.acknowledge(line)
    kernel.words[STOPPED] = 1
"""


@pytest.mark.parametrize("period_us", [500, 2000])
def test_a_timer_line_fires_by_its_period(program: EmulatedBoard, period_us: int) -> None:
    gaps = run(program, COUNTING, ("line", "timer", period_us, "", 10_000))
    assert isinstance(gaps, list)
    assert abs(sum(gaps) - 10 * period_us) < 200
    assert max(abs(gap - period_us) for gap in gaps) < 200


def test_a_timer_line_stays_on_its_grid_while_masked(program: EmulatedBoard) -> None:
    driver = """
def driver(task):
    line = task.cap("line")
    yield task.acknowledge(line)
    start = ticks_us()
    for _ in range(4):
        yield task.recv()
        log.append(ticks_diff(ticks_us(), start))
        yield task.sleep(3)
        yield task.acknowledge(line)
    kernel.words[STOPPED] = 1
"""
    seen = run(program, driver, ("line", "timer", 2000, "", 1000))
    assert isinstance(seen, list)
    for got, wanted in zip(seen, (2000, 6000, 10_000, 14_000), strict=True):
        assert wanted <= got < wanted + 300


def test_a_timer_stops_with_its_driver(program: EmulatedBoard) -> None:
    driver = """
def driver(task):
    line = task.cap("line")
    yield task.acknowledge(line)
    yield task.recv()
    yield task.acknowledge(line)
    source = kernel.line_sources[0]
    log.append(source.is_running)
    kernel.port.mask(source)
    log.append(source.is_running)
    log.append((yield task.recv(10)))
    kernel.words[STOPPED] = 1
"""
    assert run(program, driver, ("line", "timer", 2000, "", 1000)) == [True, False, 192]


def test_bytes_received_fire_a_uart_line_once_until_acknowledged(program: EmulatedBoard) -> None:
    driver = """
from machine import UART
def driver(task):
    line = task.cap("line")
    uart = kernel.line_sources[0].uart
    yield task.acknowledge(line)
    ready.on()
    for _ in range(3):
        yield task.recv()
        yield task.sleep(5)
        log.append(uart.read())
        yield task.acknowledge(line)
    log.append(counts())
    kernel.words[STOPPED] = 1
"""
    events = [(1000, b"one"), (4000, b"more"), (20_000, b"x" * 30), (30_000, b"last")]
    when_ready(program, *((delay, partial(feed, program, data)) for delay, data in events))
    line = ("line", "uart", (1, 115_200, 8, 9), "", 1000)
    wanted = [b"onemore", b"x" * 30, b"last", [3]]
    assert run(program, driver, line) == wanted


def test_a_uart_that_its_driver_sets_up_anew_still_fires(program: EmulatedBoard) -> None:
    driver = """
from machine import UART
def driver(task):
    line = task.cap("line")
    uart = UART(1, 9600, rxbuf=64)
    yield task.acknowledge(line)
    ready.on()
    yield task.recv()
    log.append(uart.read())
    kernel.words[STOPPED] = 1
"""
    when_ready(program, (1000, partial(feed, program, b"eight by")))
    line = ("line", "uart", (1, 115_200, 8, 9), "", 1000)
    assert run(program, driver, line) == [b"eight by"]


def test_a_pio_program_fires_its_line_also_by_a_flag_raised_while_masked(
    program: EmulatedBoard,
) -> None:
    driver = """
import rp2

@rp2.asm_pio()
def falling():
    wrap_target()
    wait(1, pin, 0)
    wait(0, pin, 0)
    irq(rel(0))
    wrap()

def driver(task):
    line = task.cap("line")
    machine = rp2.StateMachine(5, falling, in_base=Pin(10, Pin.IN, Pin.PULL_UP))
    machine.active(1)
    yield task.acknowledge(line)
    ready.on()
    start = ticks_us()
    for _ in range(3):
        yield task.recv()
        log.append(ticks_diff(ticks_us(), start) // 1000)
        yield task.sleep(3)
        yield task.acknowledge(line)
    machine.active(0)
    kernel.words[STOPPED] = 1
"""
    pin = program.pin(10)
    falls_us = (2000, 8000, 9000)
    events = [(at, lambda: pin.drive(0)) for at in falls_us]
    events += [(at + 300, pin.release) for at in falls_us]
    when_ready(program, *events)
    assert run(program, driver, ("line", "pio", 5, "", 1000)) == [2, 8, 11]


def test_a_masked_pin_is_not_fired_by_the_edge_of_another(program: EmulatedBoard) -> None:
    driver = """
def driver(task):
    for name in ("first", "second"):
        yield task.acknowledge(task.cap(name))
    ready.on()
    for _ in range(2):
        yield task.recv()
        log.append(task.bits())
    log.append((yield task.recv(5)))
    log.append(counts())
    kernel.words[STOPPED] = 1
"""
    first, second = program.pin(2), program.pin(3)
    first.drive(1)
    second.drive(1)
    events = [(delay, lambda level=level: first.drive(level)) for delay, level in
              ((1000, 0), (2000, 1), (3000, 0))]  # fmt: skip
    when_ready(program, *events, (5000, lambda: second.drive(0)))
    lines = [
        (name, "pin", pin, "falling none", 1000) for name, pin in (("first", 2), ("second", 3))
    ]
    assert run(program, driver, *lines) == [1, 2, 192, [1, 1]]
