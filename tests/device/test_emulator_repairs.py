"""What rp2040py leaves out of the chip's blocks, and the emulated board puts in."""

from pathlib import Path
from typing import cast

import pytest

from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.emulator.repairs import Uart
from bulkhead_host.emulator.repl import execute, wait_for_prompt
from bulkhead_host.errors import UsageError


@pytest.fixture
def board(stock_board: EmulatedBoard) -> EmulatedBoard:
    return stock_board


BYTE_US = 10 * 1_000_000 / 115_200


def test_a_uart_sends_all_it_is_given_and_receives(board: EmulatedBoard) -> None:
    uart = board.chip.mcu.uart[0]
    sent = bytearray()
    uart.on_byte = sent.append
    setup = "import machine; u = machine.UART(0, 115200, tx=machine.Pin(0), rx=machine.Pin(1))\n"
    assert execute(board, setup + "print(u.write(b'hi' * 100))") == "200\n"
    assert sent == b"hi" * 100
    for byte in b"answer":
        uart.feed_byte(byte)
    assert execute(board, "print(u.any(), u.read())") == "6 b'answer'\n"


def test_a_uart_on_a_line_sends_each_byte_in_its_time(board: EmulatedBoard) -> None:
    uart = cast(Uart, board.chip.mcu.uart[1])
    uart.byte_ns = BYTE_US * 1000
    sent: list[int] = []
    uart.on_byte = sent.append
    source = (
        "import machine, time\nu = machine.UART(1, 115200, txbuf=256)\nbegan = time.ticks_us()\n"
        "u.write(bytes(range(200)))\nwhile not u.txdone(): pass\n"
        "print(time.ticks_diff(time.ticks_us(), began))"
    )
    assert 200 <= int(execute(board, source)) / BYTE_US < 215  # and the last turns of the loop
    assert sent == list(range(200))


def test_random_bytes_are_the_same_for_the_same_seed_and_no_other(stock_image: Path) -> None:
    drawn = []
    for seed in (1, 1, 2, None, None):
        with EmulatedBoard(image=stock_image, seed=seed) as board:
            wait_for_prompt(board)
            drawn.append(execute(board, "import os; print(os.urandom(64).hex())"))
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) == 4
    assert len(set(bytes.fromhex(drawn[0]))) > 40


def test_a_board_has_the_id_it_was_given(stock_image: Path) -> None:
    with EmulatedBoard(image=stock_image, unique_id=b"bulkhead") as board:
        wait_for_prompt(board)
        assert execute(board, "import machine; print(machine.unique_id())") == "b'bulkhead'\n"
    with pytest.raises(UsageError, match="8 bytes, not 3"):
        EmulatedBoard(image=stock_image, unique_id=b"abc")
