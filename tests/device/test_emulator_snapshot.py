"""A board that goes on from where another was does what that one does, to the cycle."""

import gc
import hashlib
import sys
import types
from collections import deque
from dataclasses import is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, cast

import pytest

from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.emulator.repl import execute, wait_for_prompt
from bulkhead_host.emulator.snapshot import Snapshot
from bulkhead_host.errors import UsageError

# Everything at work at once: both PIOs, a UART, a timer, PWM, an interrupt of a pin.
AT_WORK = """
import machine, rp2, time, os
from machine import Pin
@rp2.asm_pio(set_init=rp2.PIO.OUT_LOW)
def square():
    set(pins, 1) [7]
    set(pins, 0) [3]
machines = [rp2.StateMachine(n, square, freq=100_000, set_base=Pin(n)) for n in (2, 5)]
for one in machines: one.active(1)
uart = machine.UART(0, 9600, tx=Pin(0), rx=Pin(1))
pwm = machine.PWM(Pin(8), freq=1000, duty_u16=20000)
seen = []
Pin(15, Pin.IN, Pin.PULL_UP).irq(lambda pin: seen.append(time.ticks_us()))
timer = machine.Timer(freq=200, callback=lambda _: seen.append(os.urandom(1)))
"""
# Calls and returns of functions, in a fortieth of a second: twice what there are today.
STEPS_MAX = 120_000
GO_ON = "for i in range(20): time.sleep_ms(1); uart.write('x'); print(i, seen, os.urandom(3))\r"


def at_work(image: Path) -> EmulatedBoard:
    """Return a board in the midst of a line, with a button that is about to be released."""
    board = EmulatedBoard(image=image, seed=3)
    board.start()
    wait_for_prompt(board)
    execute(board, AT_WORK)
    board.pin(3).wire_to(board.pin(15))
    board.pin(15).press(ms=12.5)
    board.write(GO_ON.encode() + b"\r\r")
    board.run_for(ms=6, cycles=12_345)
    return board


def what_it_does(board: EmulatedBoard) -> tuple[Any, ...]:
    """Let a board go on; return everything there is to compare."""
    board.run_for(ms=10)
    execute(board, "machines[0].active(0); del seen[:-3]")
    chip = board.chip.mcu
    memory = hashlib.sha256(bytes(chip.sram) + bytes(chip.usb_dpram)).hexdigest()
    edges = [board.pin(number).edges for number in (2, 5, 8, 15)]
    answer = execute(board, "import gc; print(gc.mem_free(), time.ticks_us(), seen)")
    return board.cycles, chip.core.cycles, memory, answer, board.read(), edges


@pytest.fixture(scope="module")
def original(stock_image: Path) -> EmulatedBoard:
    return at_work(stock_image)


@pytest.fixture(scope="module")
def snapshot(original: EmulatedBoard) -> Snapshot:
    return Snapshot(original)


def test_a_copy_and_its_copy_do_what_the_original_does_to_the_cycle(
    original: EmulatedBoard, snapshot: Snapshot
) -> None:
    before = what_it_does(snapshot.board())
    expected = what_it_does(original)
    assert [len(edges) > 1 for edges in expected[-1]] == [True, True, True, True]
    assert before == expected
    # The snapshot's original has gone on, and a copy has been made of a copy.
    assert what_it_does(Snapshot(snapshot.board()).board()) == expected


def test_a_copy_boots_and_is_reset_like_any_board(snapshot: Snapshot) -> None:
    board = snapshot.board()
    board.reset()
    wait_for_prompt(board)
    board.stop()
    board.start()
    wait_for_prompt(board)
    board.read()
    assert execute(board, "print(6 * 7)") == "42\n"


def test_a_copy_takes_few_steps(snapshot: Snapshot) -> None:
    steps = 0

    def count(*_: object) -> None:
        nonlocal steps
        steps += 1

    sys.setprofile(count)
    try:
        snapshot.board()
    finally:
        sys.setprofile(None)
    assert steps < STEPS_MAX


def test_a_copy_shares_nothing_that_changes(snapshot: Snapshot) -> None:
    one, other = (reachable(snapshot.board()) for _ in range(2))
    shared = [one[key] for key in one.keys() & other.keys()]
    assert len(one) > 1000
    assert [thing for thing in shared if may_change(thing)] == []


def reachable(board: EmulatedBoard) -> dict[int, Any]:
    """Return every object that a board leads to, but for what belongs to modules and classes."""
    found: dict[int, Any] = {}
    ahead: deque[Any] = deque([board])
    while ahead:
        thing = ahead.popleft()
        is_code = isinstance(thing, types.ModuleType | type | types.CodeType | Enum)
        is_compiled = type(thing).__name__ == "cython_function_or_method"
        if id(thing) in found or is_code or is_compiled:
            continue
        found[id(thing)] = thing
        if isinstance(thing, types.FunctionType):
            ahead.extend(thing.__closure__ or ())
        else:
            ahead.extend(gc.get_referents(thing))
    return found


def may_change(thing: object) -> bool:
    home = type(thing).__module__
    is_frozen = is_dataclass(thing) and cast(Any, thing).__dataclass_params__.frozen
    is_ours = home.startswith(("rp2040py", "bulkhead_host")) and not is_frozen
    return is_ours or isinstance(thing, list | dict | set | bytearray | deque)


def test_what_cannot_be_two_is_refused(stock_image: Path, tmp_path: Path) -> None:
    with (
        EmulatedBoard(image=stock_image, flash=tmp_path / "flash") as board,
        pytest.raises(UsageError, match="its flash in a file cannot be two"),
    ):
        Snapshot(board)
    with pytest.raises(UsageError, match="the pace of the wall clock cannot be two"):
        Snapshot(EmulatedBoard(image=stock_image, pace="real"))
    empty = EmulatedBoard(report=lambda _: None, drive=tmp_path / "drive")
    with empty, pytest.raises(UsageError, match="its drive shown cannot be two"):
        Snapshot(empty)


def test_what_a_caller_has_attached_is_refused_by_name(snapshot: Snapshot) -> None:
    heard: list[object] = []

    class Listener:
        def hear(self, edge: object) -> None:
            heard.append(edge)

    for listener in (Listener().hear, lambda _: heard.append(snapshot), heard.append):
        board = snapshot.board()
        board.pin(15).on_edge(listener)
        with pytest.raises(UsageError, match=r"attached"):
            Snapshot(board)
