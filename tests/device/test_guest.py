"""A guest program: an unmodified blocking main.py at the main level, the services above it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from guests import GUEST_PIN, LED, edges

from bulkhead_host.commands.build import BuildOptions, build
from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.link.client import Client
from bulkhead_host.link.emulated import BoardTransport

CLOSED_MS = 100

BLINKING = """\
#!/usr/bin/env micropython
import time
from machine import Pin

led = Pin(2, Pin.OUT)


def main():
    while True:
        led.toggle()
        time.sleep(0.25)


if __name__ == "__main__":
    main()
"""

ASYNCIO = """\
import asyncio
from machine import Pin


async def blink(led):
    while True:
        led.toggle()
        await asyncio.sleep_ms(250)


async def main():
    asyncio.create_task(blink(Pin(2, Pin.OUT)))
    await asyncio.sleep(3600)


asyncio.run(main())
"""

Boot = Callable[[str], EmulatedBoard]


@pytest.fixture
def boot(tmp_path: Path) -> Iterator[Boot]:
    """Yield a function that boots the application that ships with a guest."""
    with ExitStack() as boards:

        def boot(source: str) -> EmulatedBoard:
            guest = tmp_path / "old_main.py"
            guest.write_text(source)
            image = build(BuildOptions(guest=guest, output=tmp_path / "guest.uf2")).path
            return boards.enter_context(EmulatedBoard(image=image))

        yield boot


def generations(board: EmulatedBoard) -> dict[str, int]:
    table = Client(BoardTransport(board)).table()
    return {service.name: service.generation for service in table.services}


@contextmanager
def closed_port(board: EmulatedBoard) -> Iterator[None]:
    board.run_for(ms=CLOSED_MS)
    board.console.set_terminal_attached(False)
    board.run_for(ms=CLOSED_MS)
    yield
    board.console.set_terminal_attached(True)


def test_blocking_program_and_services_run_beside_each_other(boot: Boot) -> None:
    board = boot(BLINKING)
    board.run_for(ms=500)
    assert 7 <= edges(board, GUEST_PIN, ms=2000) <= 8
    assert 3 <= edges(board, LED, ms=2000) <= 4
    assert set(generations(board).values()) == {1}


def test_ctrl_c_ends_the_program_at_the_prompt_and_closing_the_port_starts_it_again(
    boot: Boot,
) -> None:
    board = boot(BLINKING)
    board.run_for(ms=500)
    board.write(b"\x03")
    said = board.run_until(b">>> ", timeout_ms=100)
    assert b'File "old_main.py", line 11, in main\r\nKeyboardInterrupt' in said
    assert edges(board, GUEST_PIN, ms=1000) == 0
    assert edges(board, LED, ms=1100) >= 2
    with closed_port(board):
        assert edges(board, GUEST_PIN, ms=1100) >= 4
    assert set(generations(board).values()) == {1}


def test_program_that_spins_leaves_the_services_their_time(boot: Boot) -> None:
    board = boot("while True:\n    pass\n")
    assert edges(board, LED, ms=1200) >= 2
    assert set(generations(board).values()) == {1}
    board.write(b"\x03")
    board.run_until(b">>> ", timeout_ms=100)


def test_program_that_ends_gives_the_main_level_to_the_kernel(boot: Boot) -> None:
    board = boot("print('the guest has', 'ended')\n")
    board.run_until(b"the guest has ended", timeout_ms=1000)
    board.run_for(ms=100)
    assert set(generations(board).values()) == {1}
    board.write(b"\x03")
    board.run_until(b">>> ", timeout_ms=100)
    with closed_port(board):
        pass
    assert b"the guest has" not in board.read()
    assert set(generations(board).values()) == {1}


def test_program_that_raises_leaves_a_traceback_and_the_services_running(boot: Boot) -> None:
    board = boot("def main():\n    return 1 // 0\n\nmain()\n")
    said = board.run_until(b"ZeroDivisionError", timeout_ms=1000)
    assert b'File "old_main.py", line 2, in main' in said
    board.run_for(ms=100)
    assert edges(board, LED, ms=1100) >= 2
    assert set(generations(board).values()) == {1}


READING = """\
import time


def spin(ms):
    end = time.ticks_add(time.ticks_ms(), ms)
    while time.ticks_diff(end, time.ticks_ms()) > 0:
        pass


print('begun')
spin(300)
while True:
    print('echo:', input('? '))
    spin(60)
"""


def test_program_gets_what_it_reads(boot: Boot) -> None:
    board = boot(READING)
    for word in ("one", "two", "three"):
        board.run_until(b"? ", timeout_ms=1000)
        for character in word + "\r":
            board.write(character.encode())
            board.run_for(ms=20)
        board.run_until(f"echo: {word}\r\n".encode(), timeout_ms=1000)


def test_what_is_typed_before_a_program_reads_waits_for_it_and_the_console_answers(
    boot: Boot,
) -> None:
    board = boot(READING.replace("60", "400"))
    board.run_until(b"begun", timeout_ms=1000)
    board.write(b"first\rsecond\r")
    board.run_until(b"echo: first", timeout_ms=1000)
    board.run_for(ms=50)
    assert set(generations(board).values()) == {1}
    board.write(b"third\r")
    for word in (b"second", b"third"):
        board.run_until(b"echo: " + word + b"\r\n", timeout_ms=1000)
    board.run_for(ms=50)
    board.write(b"x" * 400 + b"\x03")
    said = board.run_until(b">>> ", timeout_ms=200)
    assert b"KeyboardInterrupt" in said


def test_program_on_the_file_system_goes_before_the_one_built_in(boot: Boot) -> None:
    board = boot(BLINKING)
    board.run_for(ms=500)
    board.write(b"\x03")
    board.run_until(b">>> ", timeout_ms=100)
    board.write(b"open('guest.py', 'w').write(\"print('from the', 'file')\")\r")
    board.run_until(b">>> ", timeout_ms=2000)
    board.write(b"\x04")
    board.run_until(b"from the file\r\n", timeout_ms=2000)


def test_an_asyncio_program_runs_as_it_is_and_so_do_the_services(boot: Boot) -> None:
    board = boot(ASYNCIO)
    board.run_for(ms=500)
    assert 7 <= edges(board, GUEST_PIN, ms=2000) <= 9
    assert edges(board, LED, ms=1100) >= 2


def test_program_that_exits_has_ended_and_no_name_is_in_the_way_back(boot: Boot) -> None:
    board = boot("import sys\n\n\ndef main():\n    sys.exit()\n\n\nmain()\n")
    board.run_for(ms=500)
    resets = board.chip.reset_count
    assert edges(board, LED, ms=1100) >= 2
    board.write(b"\x03")
    board.run_until(b">>> ", timeout_ms=100)
    board.write(b"resume = kernel = sys = run = KeyboardInterrupt = 1\r")
    board.run_until(b">>> ", timeout_ms=500)
    with closed_port(board):
        board.run_for(ms=300)
    assert set(generations(board).values()) == {1}
    assert board.chip.reset_count == resets


HUNGRY = """\
import sys

while True:
    print('byte:', sys.stdin.buffer.read(1))
"""


def test_a_program_that_reads_every_byte_leaves_frames_and_a_ctrl_c_to_the_console(
    boot: Boot,
) -> None:
    board = boot(HUNGRY)
    board.run_for(ms=500)
    for _ in range(3):
        board.write(b"a\x1e")  # a mark that no frame follows is the program's
        board.run_until(b"byte: b'\\x1e'", timeout_ms=1000)
        assert set(generations(board).values()) == {1}
    board.write(b"\x03")
    said = board.run_until(b">>> ", timeout_ms=200)
    assert b"KeyboardInterrupt" in said
