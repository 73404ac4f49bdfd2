"""Ctrl-C at any moment at the prompt, beside kills, crashes of the console and a log: none harms.

At random moments from one seed. The long run:
`BULKHEAD_CTRL_C=4000 make test-device ARGS="-k ctrl_c_at_any"`: half of them at each prompt.
"""

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from bulkhead_host.commands.build import BuildOptions, build
from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.link.client import Client
from bulkhead_host.link.emulated import BoardTransport

APPLICATION = Path(__file__).parents[1] / "cases" / "desk_app"
COUNT = int(os.environ.get("BULKHEAD_CTRL_C", "80"))
SEED = 1
LED = 25
PAUSE_MS = 25.0
INJECT = "from kernel import inject; inject(kernel, kernel.number('console') << 5, {})"
CRASH, SPIN = 1, 2
ENDLESS = "while True: pass"
PROMPT_MS = 1500
EARLY = 12
EARLY_MS = 100
"""For the program to begin beside what hogs the board, and to be looked at."""
KEYS = {"friendly": b"\x03", "raw": b"\x03\r\x01"}
SHOWN = {"friendly": b">>> ", "raw": b"exit\r\n>"}


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("image") / "desk.uf2"
    return build(BuildOptions(application=APPLICATION, output=output)).path


@pytest.fixture
def board(image: Path) -> Iterator[EmulatedBoard]:
    """Yield a board whose services log, fail and spin, with the kernel's own loop running."""
    with EmulatedBoard(image=image) as board:
        board.run_for(ms=1000)
        yield board


def enter(board: EmulatedBoard, mode: str) -> None:
    board.write(KEYS[mode])
    board.run_until(SHOWN[mode], timeout_ms=PROMPT_MS)


def run(board: EmulatedBoard, mode: str, line: str) -> None:
    board.write(line.encode() + (b"\x04" if mode == "raw" else b"\r\r"))


def interrupt(board: EmulatedBoard, chance: random.Random) -> None:
    board.run_for(ms=chance.uniform(0, PAUSE_MS))
    board.write(b"\x03")


def assert_alive(board: EmulatedBoard, mode: str) -> None:
    board.run_for(ms=40)
    board.read()
    run(board, mode, "print(6 * 7)")
    board.run_until(b"42\r\n", timeout_ms=PROMPT_MS)
    board.run_for(ms=20)
    board.read()


def assert_services_go_on(board: EmulatedBoard) -> None:
    """Leave the prompt; no service has met a Ctrl-C, and the board has not been reset."""
    seen = len(board.pin(LED).edges)
    board.run_for(ms=2100)
    assert len(board.pin(LED).edges) - seen >= 4
    board.console.set_terminal_attached(False)
    board.run_for(ms=300)
    board.console.set_terminal_attached(True)
    board.run_for(ms=500)
    assert board.chip.reset_count == 1
    services = Client(BoardTransport(board)).table().services
    assert "INJECTED" not in {service.fault for service in services}
    quiet = {service.name: service.generation for service in services}
    assert {quiet[name] for name in ("supervisor", "logger", "led", "blink", "talker")} == {1}
    assert quiet["breaker"] > 1
    assert quiet["spinner"] > 1


@pytest.mark.parametrize("mode", ["friendly", "raw"])
def test_ctrl_c_at_any_moment_of_the_prompt_harms_nothing(board: EmulatedBoard, mode: str) -> None:
    chance = random.Random(SEED)
    enter(board, mode)
    for number in range(COUNT // 2):
        if number % 10 == 3:
            run(board, mode, INJECT.format(chance.choice((CRASH, SPIN))))
        interrupt(board, chance)
        if number % 10 == 9:
            assert_alive(board, mode)
    assert_services_go_on(board)


@pytest.mark.parametrize("mode", ["friendly", "raw"])
def test_ctrl_c_at_any_moment_of_a_program_ends_the_program_alone(
    board: EmulatedBoard, mode: str
) -> None:
    chance = random.Random(SEED)
    enter(board, mode)
    for _ in range(COUNT // 8):
        run(board, mode, ENDLESS)
        board.run_for(ms=20)
        interrupt(board, chance)
        board.run_until(b"KeyboardInterrupt: ", timeout_ms=PROMPT_MS)
    assert_alive(board, mode)
    assert_services_go_on(board)


def test_ctrl_c_that_comes_before_the_program_runs_ends_it_too(board: EmulatedBoard) -> None:
    enter(board, "friendly")
    for number in range(EARLY):
        run(board, "friendly", ENDLESS)
        board.run_for(ms=number / 3)
        board.write(b"\x03")
        board.run_for(ms=EARLY_MS)
        assert_alive(board, "friendly")


def test_ctrl_c_finds_the_prompt_after_a_console_that_never_comes_back(
    board: EmulatedBoard,
) -> None:
    enter(board, "friendly")
    run(board, "friendly", "from kernel import end; end(kernel, kernel.number('console') << 5, 0)")
    assert_alive(board, "friendly")
    for _ in range(3):
        board.write(b"resume()\r")
        board.run_until(b"resume()\r\n", timeout_ms=PROMPT_MS)
        board.run_for(ms=100)
        board.write(b"what is sent before\r\x03\x03")
        board.run_until(b">>> ", timeout_ms=PROMPT_MS)
        assert_alive(board, "friendly")
