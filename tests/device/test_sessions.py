"""A serial tool that opens the port, runs something and leaves, at any moment: each is answered.

What it does is what pyboard.py, mpremote and ampy do: Ctrl-C, the raw REPL, raw paste; then it
leaves the prompt, closes the port without, or goes away in the midst of a paste. Beside it
services log, print, fail and hog the board. All by the board's clock and from one seed. The long
run: `BULKHEAD_SESSIONS=300 make test-device ARGS="-k sessions"`.
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
COUNT = int(os.environ.get("BULKHEAD_SESSIONS", "6"))
SEED = 2
READY = b"raw REPL; CTRL-B to exit\r\n>"
STEP_MS = 0.2
PROMPT_MS = 2000
CLOSED_MS = 120
OPEN_MS = 60
"""Within which after opening the port a tool writes: there is something to lose at first."""
QUIET = ("supervisor", "logger", "console", "led", "blink", "talker")


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatedBoard]:
    """Yield a board whose services log, print, fail and spin."""
    output = tmp_path_factory.mktemp("image") / "desk.uf2"
    image = build(BuildOptions(application=APPLICATION, output=output)).path
    with EmulatedBoard(image=image, report=lambda _: None) as board:
        board.run_for(ms=1000)
        yield board


def enter(board: EmulatedBoard, chance: random.Random) -> None:
    """Open the port and ask for the raw REPL, with a pause or none, as tools have them."""
    board.console.set_terminal_attached(True)
    board.run_for(ms=chance.uniform(0, OPEN_MS))
    board.read()
    board.write(b"\r\x03")
    board.run_for(ms=chance.choice((0, 1, 5, 100, chance.uniform(0, 40))))
    if chance.random() < 0.5:
        board.write(b"\x03")
    board.write(b"\r\x01")
    board.run_until(READY, timeout_ms=PROMPT_MS)


def paste(board: EmulatedBoard, source: bytes) -> bytes:
    """Run a program by raw paste; return what it prints."""
    board.write(b"\x05A\x01")
    board.run_until(b"R\x01", timeout_ms=PROMPT_MS, step_ms=STEP_MS)
    head = board.run_until(b"\x01", timeout_ms=PROMPT_MS, step_ms=STEP_MS)
    window = left = int.from_bytes(head[:2], "little")
    while source:
        said = board.read()
        assert set(said) <= {1}, said
        left += window * len(said)
        board.write(source[:left])
        source, left = source[left:], max(left - len(source), 0)
        board.run_for(ms=STEP_MS)
    board.write(b"\x04")
    end = board.run_until(b"\x04", timeout_ms=PROMPT_MS, step_ms=STEP_MS)
    assert end.strip(b"\x01") == b"\x04", end
    printed = board.run_until(b"\x04", timeout_ms=PROMPT_MS, step_ms=STEP_MS)
    assert board.run_until(b">", timeout_ms=PROMPT_MS, step_ms=STEP_MS) == b"\x04>"
    return printed.removesuffix(b"\x04")


def leave(board: EmulatedBoard, chance: random.Random) -> None:
    """Go away, politely or not."""
    how = chance.choice(("leave", "drop", "paste", "paste and stop"))
    if how == "leave":
        board.write(b"\r\x02")
    elif how != "drop":
        board.write(b"\x05A\x01")
        board.run_for(ms=chance.uniform(0, 10))
        board.write(b"print(" + bytes(chance.choices(range(32, 127), k=chance.randrange(20))))
        board.run_for(ms=chance.uniform(0, 5))
        board.write(b"\x03" if how == "paste and stop" else b"")
    board.run_for(ms=chance.uniform(0, 10))
    board.console.set_terminal_attached(False)
    board.run_for(ms=CLOSED_MS)


def test_each_of_many_sessions_at_any_moment_is_answered(board: EmulatedBoard) -> None:
    chance = random.Random(SEED)
    for _ in range(COUNT):
        enter(board, chance)
        for size in (10, 256):
            data = chance.randbytes(size)
            printed = paste(board, b"d = %r\nprint(len(d), sum(d), d[:4])" % data)
            assert printed == b"%d %d %r\r\n" % (size, sum(data), data[:4])
        leave(board, chance)
    board.console.set_terminal_attached(True)
    board.run_for(ms=500)
    assert board.chip.reset_count == 1
    table = Client(BoardTransport(board)).table()
    assert {table.named(name).generation for name in QUIET} == {1}  # type: ignore[union-attr]
