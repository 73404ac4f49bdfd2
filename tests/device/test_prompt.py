"""The prompt above a running system: reached by Ctrl-C, left when the host closes the port.

Bytes go through the emulated board's USB port; time is the board's own.
"""

from collections.abc import Iterator

import pytest

from bulkhead_host import abi
from bulkhead_host.commands.build import BuildOptions, build
from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.link.client import Client
from bulkhead_host.link.emulated import BoardTransport
from bulkhead_host.link.services import Table

LED = 25
HOG_BUDGETS_MS = 2 * 50
"""The longest budget in the demo, twice: a hog is started again at once after its first kill."""

LOOK_MS = 17
"""Between two looks for console input while the board is busy."""

PROMPT_MS = HOG_BUDGETS_MS + LOOK_MS + 10
"""In which a Ctrl-C leads to the prompt, whatever runs."""

LEAVE_MS = 100
SILENT_MS = 6000
"""In which a closed port leads back from the prompt."""

COMPILED = b"""
import micropython

@micropython.viper
def spin(n: int):
    while n:
        n -= 1

for _ in range(6):
    spin(1_000_000)
print("do" + "ne")
\x04"""
"""Nobody looks at the USB port for 40 ms, six times."""

USB_QUEUE = 16
"""Events that TinyUSB keeps."""

SPIN = "from kernel import inject; inject(kernel, kernel.number('{}') << 5, 2)\r"


@pytest.fixture(scope="module")
def started_board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatedBoard]:
    image = build(BuildOptions(output=tmp_path_factory.mktemp("image") / "demo.uf2")).path
    with EmulatedBoard(image=image) as board:
        board.run_for(ms=1000)
        yield board


@pytest.fixture
def board(started_board: EmulatedBoard) -> Iterator[EmulatedBoard]:
    """Yield the board with the kernel's own loop at the main level, before and after."""
    started_board.read()
    yield started_board
    started_board.console.set_terminal_attached(True)
    leave(started_board)
    Client(BoardTransport(started_board)).hello()


def prompt(board: EmulatedBoard) -> None:
    board.write(b"\x03")
    board.run_until(b">>> ", timeout_ms=PROMPT_MS)


def leave(board: EmulatedBoard) -> None:
    """Close the port, and open it again."""
    board.run_for(ms=LEAVE_MS)  # the board has seen it open
    board.console.set_terminal_attached(False)
    board.run_for(ms=LEAVE_MS)
    board.console.set_terminal_attached(True)
    board.read()


def evaluate(board: EmulatedBoard, expression: str) -> str:
    board.write(f"print('<', {expression}, '>')\r".encode())
    board.run_until(b"\r\n< ", timeout_ms=1000)
    return board.run_until(b" >", timeout_ms=1000).decode().removesuffix(" >")


def table(board: EmulatedBoard) -> Table:
    return Client(BoardTransport(board)).table()


def generations(board: EmulatedBoard) -> dict[str, int]:
    return {service.name: service.generation for service in table(board).services}


def has_reached_the_loop(board: EmulatedBoard) -> bool:
    """Return whether the console service reads: at the prompt nobody answers a frame."""
    return Client(BoardTransport(board)).hello().services > 0


def test_ctrl_c_reaches_the_prompt_at_once_and_harms_no_service(board: EmulatedBoard) -> None:
    before = generations(board)
    for _ in range(10):
        prompt(board)
        leave(board)
    assert generations(board) == before


def test_what_follows_a_ctrl_c_is_left_to_the_prompt(board: EmulatedBoard) -> None:
    board.write(b"\r\x03\r\x01")
    assert b"raw REPL; CTRL-B to exit\r\n>" in board.run_until(b"exit\r\n>", timeout_ms=PROMPT_MS)
    board.write(b"print(6 * 7)\x04")
    board.run_until(b"OK42\r\n\x04\x04>", timeout_ms=1000)


def test_services_go_on_under_the_prompt(board: EmulatedBoard) -> None:
    prompt(board)
    seen = len(board.pin(LED).edges)
    board.run_for(ms=2100)
    assert len(board.pin(LED).edges) - seen >= 4


def test_log_news_at_the_prompt_take_no_typed_character(board: EmulatedBoard) -> None:
    prompt(board)
    board.write(SPIN.format("blink").encode())
    for character in b"1234567 + 7654321\r":
        board.write(bytes((character,)))
        board.run_for(ms=40)
    assert b"8888888\r\n" in board.read()


@pytest.mark.parametrize("target", ["blink", "crasher"])
def test_ctrl_c_beside_a_hog_ends_the_hog_alone(board: EmulatedBoard, target: str) -> None:
    before = generations(board)
    prompt(board)
    board.write(SPIN.format(target).encode() + b"resume()\r")
    board.run_until(b"resume()\r\n", timeout_ms=1000)
    board.run_for(ms=20)
    start_us = board.clock_us
    board.write(b"\x03")
    board.run_until(b">>> ", timeout_ms=PROMPT_MS)
    assert board.clock_us - start_us <= PROMPT_MS * 1000
    board.run_for(ms=500)
    leave(board)
    expected = {**before, target: before[target] + 1}
    assert generations(board) == expected


def test_service_that_hogs_the_prompt_is_killed_and_the_line_stays(board: EmulatedBoard) -> None:
    before = generations(board)
    prompt(board)
    board.write(SPIN.format("led").encode() + b"print('ha'")
    board.run_for(ms=1500)
    board.write(b" + 'lf')\r")
    board.run_until(b"half\r\n", timeout_ms=1000)
    leave(board)
    assert generations(board)["led"] == before["led"] + 1


def test_kill_leaves_a_program_at_the_prompt_its_ctrl_c(board: EmulatedBoard) -> None:
    before = generations(board)
    prompt(board)
    board.write(SPIN.format("led").encode() + b"while True: pass\r\r")
    board.run_for(ms=600)
    assert b"faulted" not in board.read()
    board.write(b"\x03")
    board.run_until(b"KeyboardInterrupt: \r\n>>> ", timeout_ms=1000)
    assert evaluate(board, "1 + 1") == "2"
    leave(board)
    assert generations(board)["led"] == before["led"] + 1


def test_closing_the_port_brings_the_loop_back(board: EmulatedBoard) -> None:
    prompt(board)
    board.write(b"import o")  # half a line, which must not be run
    leave(board)
    assert has_reached_the_loop(board)


def test_closing_the_port_in_the_raw_repl_brings_the_loop_back(board: EmulatedBoard) -> None:
    board.write(b"\x03\x01")
    board.run_until(b"exit\r\n>", timeout_ms=PROMPT_MS)
    board.write(b"half a li")
    leave(board)
    assert has_reached_the_loop(board)


def test_prompt_held_open_for_minutes_stays(board: EmulatedBoard) -> None:
    prompt(board)
    board.write(b"port.stop_tick(); port.timer.deinit()\r")  # nothing but the prompt: idle time
    board.run_for(ms=180_000)
    assert evaluate(board, "2 + 2") == "4"


def test_host_that_never_opens_the_port_keeps_the_prompt(board: EmulatedBoard) -> None:
    board.console.set_terminal_attached(False)
    board.run_for(ms=3000)
    prompt(board)
    board.run_for(ms=3000)
    assert evaluate(board, "3 + 3") == "6"


@pytest.mark.parametrize("open_ms", [0, 1, 3, 10, 30])
def test_a_prompt_that_opens_as_its_port_is_closed_is_left(
    board: EmulatedBoard, open_ms: float
) -> None:
    board.run_for(ms=300)
    board.write(b"\x03")
    board.run_for(ms=open_ms)
    board.console.set_terminal_attached(False)
    board.run_for(ms=LEAVE_MS if open_ms else SILENT_MS)
    board.console.set_terminal_attached(True)
    assert has_reached_the_loop(board)


def test_a_prompt_at_a_closed_port_is_left_when_nobody_types(board: EmulatedBoard) -> None:
    board.console.set_terminal_attached(False)
    board.run_for(ms=3000)
    prompt(board)
    board.run_for(ms=3000)
    assert evaluate(board, "4 + 4") == "8"
    board.run_for(ms=SILENT_MS)
    board.console.set_terminal_attached(True)
    assert has_reached_the_loop(board)


def test_program_left_running_is_not_disturbed_and_then_the_loop_is_back(
    board: EmulatedBoard,
) -> None:
    prompt(board)
    board.write(b"import time\rtime.sleep(1); print('do' + 'ne')\r")
    board.run_for(ms=100)
    board.console.set_terminal_attached(False)
    board.run_until(b"done\r\n", timeout_ms=1500)
    board.run_for(ms=LEAVE_MS)
    board.console.set_terminal_attached(True)
    assert has_reached_the_loop(board)


@pytest.mark.parametrize("loop", ["pass", "sys.stdin.buffer.read(1)", "sys.stdin.read()"])
def test_endless_program_that_was_left_is_a_guest_that_a_ctrl_c_ends(
    board: EmulatedBoard, loop: str
) -> None:
    prompt(board)
    board.write(b"import sys\rwhile True: %s\r\r" % loop.encode())
    leave(board)
    board.write(20 * b"what no program reads fills the line's buffer\n")
    board.run_for(ms=500)
    assert has_reached_the_loop(board)
    board.write(b"\x03")
    assert b"KeyboardInterrupt" in board.run_until(b">>> ", timeout_ms=PROMPT_MS)
    assert evaluate(board, "5 + 5") == "10"
    leave(board)
    assert has_reached_the_loop(board)


def test_program_that_was_left_ends_and_the_loop_is_back_though_the_port_is_open(
    board: EmulatedBoard,
) -> None:
    prompt(board)
    board.write(b"import time\rtime.sleep(1); print('do' + 'ne')\r")
    leave(board)
    assert has_reached_the_loop(board)
    board.run_until(b"done\r\n", timeout_ms=1500)
    board.run_for(ms=LEAVE_MS)
    assert has_reached_the_loop(board)


def test_prompt_without_resume_is_left_by_a_soft_reset(board: EmulatedBoard) -> None:
    prompt(board)
    board.write(b"import sys; del sys.modules['bulkhead_resume']\r")
    board.run_for(ms=LEAVE_MS)
    board.console.set_terminal_attached(False)
    board.run_until(b"soft reboot\r\n", timeout_ms=4000)
    board.run_for(ms=1000)
    assert has_reached_the_loop(board)


def test_soft_reset_into_the_raw_repl_is_undone_when_the_port_is_closed(
    board: EmulatedBoard,
) -> None:
    board.write(b"\x03\x01")
    board.run_until(b"exit\r\n>", timeout_ms=PROMPT_MS)
    board.write(b"\x04")
    board.run_until(b"soft reboot\r\nraw REPL; CTRL-B to exit\r\n>", timeout_ms=1000)
    leave(board)
    board.run_for(ms=500)
    assert has_reached_the_loop(board)


@pytest.mark.parametrize("open_ms", [35, 80])
def test_a_port_that_is_closed_as_the_board_boots_does_not_reset_it(
    board: EmulatedBoard, open_ms: float
) -> None:
    Client(BoardTransport(board)).reset()
    resets = board.chip.reset_count
    board.run_until(lambda: board.chip.reset_count > resets, timeout_ms=500)
    board.run_for(ms=open_ms)
    board.console.set_terminal_attached(False)
    board.run_for(ms=500)
    board.console.set_terminal_attached(True)
    assert Client(BoardTransport(board)).fault("").kind == abi.ORDERED  # a reset would forget it


def test_what_is_sent_as_the_port_opens_is_heard_though_nobody_looks_at_it(
    board: EmulatedBoard,
) -> None:
    """An opened port has an event each millisecond."""
    board.write(b"\x03\x01")
    board.run_until(b"exit\r\n>", timeout_ms=PROMPT_MS)
    board.write(COMPILED)
    board.run_until(b"OK", timeout_ms=500)
    board.console.set_terminal_attached(False)
    board.run_for(ms=1)
    board.console.set_terminal_attached(True)
    frames = board.usb.frame_interrupts + USB_QUEUE
    board.run_until(lambda: board.usb.frame_interrupts > frames, timeout_ms=200)
    board.write(b"print(6 *")
    board.run_until(b"done\r\n", timeout_ms=500)
    board.write(b" 7)\x04")
    board.run_until(b"42\r\n", timeout_ms=500)
    leave(board)
    assert has_reached_the_loop(board)


def test_ctrl_c_reaches_the_prompt_without_a_console_service(board: EmulatedBoard) -> None:
    prompt(board)
    stop = "from kernel import end; end(kernel, kernel.number('console') << 5, 0)\r"
    board.write(stop.encode() + b"resume()\r")
    board.run_until(b"resume()\r\n", timeout_ms=1000)
    board.run_for(ms=200)
    board.write(b"\x03")
    board.run_until(b">>> ", timeout_ms=PROMPT_MS)
    board.write(b"import machine; machine.reset()\r")
    board.run_for(ms=1500)
