"""The hard level on the board: real edges, kills, Ctrl-C, recursion, each of the four sources."""

import ast
from bisect import bisect
from itertools import pairwise
from typing import Any

import pytest
from line_programs import CYCLES_IN_US, PROGRAM, RUN_MS, when_ready

from bulkhead_host import abi
from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.emulator.repl import execute

# A driver that moves pin 3 at every interrupt, beside what must not hold it up.
HARD = """
from kernel.abi import EXCEPTION, HARD, MEMORY, SYSCALL
from kernel.layout import FAULT, PARTICULARS, PARTICULAR_SHIFT, RECORD, STATE, STOPPED
import gc

answer = Pin(3, Pin.OUT, value=0)

def driver(task):
    line = task.cap("line")
    toggle = answer.toggle
    yield task.acknowledge(line)
    ready.on()
    while True:
        yield task.recv()
        toggle()
        for _ in range(2):  # branches, at which a pending exception would be raised
            pass
        yield task.acknowledge(line)

def fault(number):
    return kernel.words[kernel.words[PARTICULARS] + (RECORD * number >> PARTICULAR_SHIFT) + FAULT]

def finish():
    kernel.words[STOPPED] = 1
"""


@pytest.fixture(scope="module")
def program(case_board: EmulatedBoard) -> EmulatedBoard:
    execute(case_board, PROGRAM + HARD)
    case_board.pin(2).drive(1)
    return case_board


def edges(board: EmulatedBoard, count: int, *, apart_us: int, first_us: int = 1000) -> None:
    """Have pin 2 fall so many times once the driver is ready."""
    pin = board.pin(2)
    falls = [first_us + number * apart_us for number in range(count)]
    when_ready(
        board,
        *((at, lambda: pin.drive(0)) for at in falls),
        *((at + 20, lambda: pin.drive(1)) for at in falls),
    )
    pin.clear_edges()
    board.pin(3).clear_edges()


def latencies_us(board: EmulatedBoard) -> list[float]:
    """Return the time from each fall of pin 2 to the change of pin 3 that it caused."""
    asked = [edge.cycle for edge in board.pin(2).edges if not edge.level]
    answered = [edge.cycle for edge in board.pin(3).edges][-len(asked) :]
    assert len(answered) == len(asked)
    return [(after - before) / CYCLES_IN_US for before, after in zip(asked, answered, strict=True)]


def perform(board: EmulatedBoard, source: str) -> Any:
    """Run a program that fills `log`, and return that."""
    output = execute(board, f"log.clear()\n{source}\nprint(log)", timeout_ms=RUN_MS)
    return ast.literal_eval(output.splitlines()[-1])


PIN_LINE = '(("line", "pin", 2, "falling none", 100_000),)'


def test_a_hard_driver_is_never_the_victim_of_a_kill(program: EmulatedBoard) -> None:
    """Edges come at every phase of hundreds of kills."""
    source = f"""
kills = [0]

def supervisor(task):
    kernel_right = task.cap("kernel")
    yield task.start(kernel_right, 2)
    while kills[0] < 300:
        yield task.start(kernel_right, 3)
        yield task.recv()
        kills[0] += 1
        yield task.next_fault(kernel_right)
        if fault(3) != 2:
            break
    log.append((kills[0], fault(2), fault(3), counts()[0]))
    finish()
    while True:
        yield task.recv()

def hog(task):
    while True:
        pass
    yield

control = (("kernel", "kernel", 16, 1),)
perform(row("supervisor", supervisor, 0, 1_000_000, control),
        row("driver", driver, 2, 5_000, (), {PIN_LINE}, HARD),
        row("hog", hog, 5, 1_000))
"""
    # A step takes up to 185 us to its end: closer edges leave no time for anything else.
    edges(program, 4000, apart_us=211)
    ((kills, driver_fault, hog_fault, count),) = perform(program, source)
    assert (kills, driver_fault, hog_fault) == (300, 0, 2)
    assert count > 2000
    answers = [edge.cycle for edge in program.pin(3).edges]
    assert len(answers) == count
    asked = [edge.cycle for edge in program.pin(2).edges if not edge.level]
    late = [answer - asked[bisect(asked, answer) - 1] for answer in answers]
    assert max(late) < 60 * CYCLES_IN_US


def test_no_tick_holds_a_hard_driver_up(program: EmulatedBoard) -> None:
    """Edges come at every microsecond of the tick's period."""
    source = f"""
def hog(task):
    for _ in range(60_000):
        pass
    finish()
    yield

perform(row("driver", driver, 2, 5_000, (), {PIN_LINE}, HARD),
        row("hog", hog, 5, 1_000_000))
log.append(fault(1))
"""
    edges(program, 1000, apart_us=251)
    assert perform(program, source) == [0]
    late = latencies_us(program)
    assert len(late) == 1000
    assert max(late) < 1.2 * min(late)


def hard_fault(board: EmulatedBoard, step: str) -> Any:
    """Fire the line of a hard driver whose step is `step`; return its fault and last words."""
    edges(board, 1, apart_us=1)
    source = f"""
import kernel as records
kept = []

def wrong(task):
    line = task.cap("line")
    yield task.acknowledge(line)
    ready.on()
    while True:
        yield task.recv()
        {step}
        yield task.acknowledge(line)

def waiter(task):
    yield task.sleep(20)
    log.append((fault(1), records.words(kernel, 1).decode()))
    finish()

perform(row("driver", wrong, 2, 5_000, (), {PIN_LINE}, HARD), row("waiter", waiter, 3, 50_000))
"""
    ((kind, text),) = perform(board, source)
    return kind, text


def test_an_allocation_in_a_hard_step_is_a_memory_fault(program: EmulatedBoard) -> None:
    kind, text = hard_fault(program, "kept.append(bytearray(1000))")
    assert kind == abi.FAULT_NAMES.index("MEMORY")
    assert "MemoryError" in text


def test_an_exception_in_a_hard_step_keeps_its_traceback(program: EmulatedBoard) -> None:
    kind, text = hard_fault(program, "1 // 0")
    assert kind == abi.FAULT_NAMES.index("EXCEPTION")
    assert "ZeroDivisionError" in text


def test_a_timer_line_is_hard_too(program: EmulatedBoard) -> None:
    program.pin(3).clear_edges()
    source = """
def waiter(task):
    yield task.sleep(25)
    log.append(counts()[0])
    finish()

line = ("line", "timer", 1_000, "", 2_000)
perform(row("driver", driver, 2, 5_000, (), (line,), HARD), row("waiter", waiter, 3, 50_000))
"""
    (count,) = perform(program, source)
    cycles = [edge.cycle for edge in program.pin(3).edges]
    assert count >= 20
    apart = [after - before for before, after in pairwise(cycles[-count:])]
    assert all(abs(gap - 1000 * CYCLES_IN_US) < 60 * CYCLES_IN_US for gap in apart)
