"""A pin that is held in its safe state is nobody's until it is given back.

The stores are made at the raw REPL, as the kernel makes them; the image's MicroPython is what has
to leave the pin alone (`host_tools/bulkhead_host/image/held_pins.py`).
"""

import pytest

from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.emulator.repl import execute, wait_for_prompt
from bulkhead_host.system.outputs import stores

PIN = 4
CTRL, PAD = 0x40014004 + 8 * PIN, 0x4001C004 + 4 * PIN
SIO, FUNCSEL = 5, 0x1F
WAYS = {
    "Pin(4, Pin.OUT, value={level})": SIO,
    "Pin(4).init(Pin.OPEN_DRAIN, value={level})": SIO,
    "Pin(4, Pin.IN, Pin.PULL_UP if {level} else Pin.PULL_DOWN)": SIO,
    "Pin(4, Pin.ALT, alt=4)": 4,
    "PWM(Pin(4), freq=1000, duty_u16=65535 * {level})": 4,
    "UART(1, tx=Pin(4), rx=Pin(5), invert=0 if {level} else UART.INV_TX)": 2,
    "SPI(0, sck=Pin(2), mosi=Pin(3), miso=Pin(4))": 1,
    "I2C(0, sda=Pin(4), scl=Pin(5))": 3,
    "StateMachine(0, put, set_base=Pin(4)).exec('set(pins, {level})')": 6,
    "bitstream(Pin(4), 0, (400, 850, 800, 450), b'1')": SIO,
    "time_pulse_us(Pin(4, Pin.IN, pull=Pin.PULL_UP if {level} else None), 1, 100)": SIO,
}
PRELUDE = """
from array import array
from machine import *
from rp2 import PIO, StateMachine, asm_pio
from port.rp2_outputs import hold, release

@asm_pio(set_init=PIO.OUT_LOW)
def put():
    nop()
"""


@pytest.fixture(scope="module")
def board(cases_board: EmulatedBoard) -> EmulatedBoard:
    cases_board.reset()
    cases_board.read()
    wait_for_prompt(cases_board)
    execute(cases_board, PRELUDE)
    return cases_board


def word(board: EmulatedBoard, address: int) -> int:
    return int(board.chip.mcu.read_uint32(address))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("state", "level"), [("low", 0), ("high", 1), ("input down", 0)])
def test_a_held_pin_stays_as_it_is_whoever_sets_it_up_until_it_is_given_back(
    board: EmulatedBoard, way: str, state: str, level: int
) -> None:
    execute(board, f"outputs = array('I', {stores({PIN: state})!r}); hold(outputs)")
    held = word(board, CTRL), word(board, PAD)
    board.pin(PIN).clear_edges()
    execute(board, way.format(level=1 - level))
    assert (word(board, CTRL), word(board, PAD)) == held
    assert board.pin(PIN).level == level
    assert not board.pin(PIN).edges
    execute(board, "release(outputs)")
    assert board.pin(PIN).level == level
    execute(board, way.format(level=1 - level))
    assert word(board, CTRL) & FUNCSEL == WAYS[way]
