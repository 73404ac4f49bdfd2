"""A served board takes the tools people have: mpremote, ampy and pyserial, on a PTY and on TCP."""

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import serial

from bulkhead_host.emulator import EmulatedBoard, ports
from bulkhead_host.emulator.ports import PtyPort, TcpPort
from bulkhead_host.emulator.server import BoardServer
from bulkhead_host.errors import UsageError

TOOLS = Path(sys.executable).parent
TOOL_TIMEOUT_S = 300
READ_TIMEOUT_S = 300


def tool(*words: str | Path) -> str:
    """Run a program of the virtual environment and return what it prints."""
    line = [str(TOOLS / words[0]), *(str(word) for word in words[1:])]
    done = subprocess.run(
        line, capture_output=True, text=True, timeout=TOOL_TIMEOUT_S, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def wait_until(condition: Callable[[], bool], *, timeout_s: float = TOOL_TIMEOUT_S) -> None:
    """Wait, in host time, for what another thread or process does."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "nothing happened in time"
        time.sleep(0.005)


def wait_for_device(server: BoardServer, *, ms: int) -> None:
    """Wait until the board's own clock has advanced."""
    end_us = server.call(lambda board: board.clock_us) + ms * 1000
    wait_until(lambda: server.call(lambda board: board.clock_us) >= end_us)


def talk(port: serial.SerialBase, line: bytes, answer: bytes) -> bytes:
    """Type a line and read until the answer."""
    port.write(line + b"\r")
    received: bytes = port.read_until(answer)
    assert received.endswith(answer), received
    return received


@pytest.fixture(scope="module")
def server(stock_image: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoardServer]:
    """Yield a board served on a PTY with a stable name."""
    link = tmp_path_factory.mktemp("port") / "pico"
    board = EmulatedBoard(image=stock_image, report=lambda _: None)
    with BoardServer(board, PtyPort(link=link)) as served:
        assert served.port.name == str(link)
        yield served
    assert not link.is_symlink()


def test_mpremote_runs_code_again_and_again(server: BoardServer) -> None:
    for _ in range(3):
        assert tool("mpremote", "connect", server.port.name, "exec", "print(1+1)") == "2\n"


def test_mpremote_copies_a_file_there_and_back(server: BoardServer, tmp_path: Path) -> None:
    there, back = tmp_path / "there", tmp_path / "back"
    there.write_bytes(bytes(range(256)) * 20)
    tool("mpremote", "connect", server.port.name, "fs", "cp", there, ":copied")
    tool("mpremote", "connect", server.port.name, "fs", "cp", ":copied", back)
    assert back.read_bytes() == there.read_bytes()
    assert "copied" in tool("mpremote", "connect", server.port.name, "fs", "ls")


def test_ampy_puts_lists_and_gets(server: BoardServer, tmp_path: Path) -> None:
    source = tmp_path / "hello.py"
    source.write_text("print('hello from ampy')\n")
    tool("ampy", "-p", server.port.name, "put", source)
    assert "/hello.py" in tool("ampy", "-p", server.port.name, "ls").split()
    got = tool("ampy", "-p", server.port.name, "get", "hello.py")
    assert got.strip() == source.read_text().strip()
    assert "hello from ampy" in tool("ampy", "-p", server.port.name, "run", source)


class LatePort(PtyPort):
    """A pseudo-terminal whose next client comes just after the server has looked for one."""

    client: serial.Serial | None = None
    is_due = False

    def update(self) -> bool:
        is_attached = super().update()
        if self.is_due and self.client is None:
            self.client = serial.Serial(self.name, timeout=READ_TIMEOUT_S)
            self.client.write(b"\x03\r")
        return is_attached


def test_a_client_that_comes_between_two_looks_is_answered(stock_image: Path) -> None:
    port = LatePort()
    with BoardServer(EmulatedBoard(image=stock_image, report=lambda _: None), port) as served:
        wait_for_device(served, ms=1000)
        port.is_due = True
        wait_until(lambda: port.client is not None)
        assert port.client is not None
        assert port.client.read_until(b">>> ").endswith(b">>> ")
        port.client.close()


def test_the_port_stays_open_across_a_reset(server: BoardServer) -> None:
    resets = server.call(lambda board: board.chip.reset_count)
    with serial.Serial(server.port.name, timeout=READ_TIMEOUT_S) as port:
        talk(port, b"\x03", b">>> ")
        talk(port, b"import machine; machine.reset()", b"MicroPython v")
        port.read_until(b">>> ")
        talk(port, b"print('still', 'here')", b"still here\r\n>>> ")
    assert server.call(lambda board: board.chip.reset_count) == resets + 1


def test_what_nobody_reads_is_dropped_and_blocks_nothing(server: BoardServer) -> None:
    start = b"import machine; n = 0\r\ndef tick(t):\n global n; n += 1; print('tick' * 20, n)\n"
    with serial.Serial(server.port.name, timeout=READ_TIMEOUT_S) as port:
        talk(port, b"\x03", b">>> ")
        port.write(b"\x05" + start + b"timer = machine.Timer(period=5, callback=tick)\r\x04")
        seen = port.read_until(b"tick 1\r\n")
    wait_for_device(server, ms=500)
    with serial.Serial(server.port.name, timeout=READ_TIMEOUT_S) as port:
        port.write(b"\x03timer.deinit()\r")
        seen += port.read_until(b"timer.deinit()")
        seen += talk(port, b"print('at', 'tick', n, 'now')", b" now\r\n")
    numbers = [int(number) for number in re.findall(rb"tick (\d+)(?: now)?\r\n", seen)]
    # Half a second is 100 lines, of which the board itself buffers a few.
    assert max(after - before for before, after in pairwise(numbers)) > 50


def test_a_client_that_reads_late_loses_nothing(
    server: BoardServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ports, "STALLED_AFTER_S", READ_TIMEOUT_S)
    with serial.Serial(server.port.name, timeout=READ_TIMEOUT_S) as port:
        talk(port, b"\x03", b">>> ")
        port.write(b"for i in range(3000): print(i, 'abcdefghijklmnop')\r\r\r\r")
        wait_for_device(server, ms=400)
        text = port.read_until(b"2999 abcdefghijklmnop\r\n")
    lines = [line for line in text.splitlines() if line.endswith(b"p")]
    assert lines[-3000:] == [b"%d abcdefghijklmnop" % number for number in range(3000)]


def test_device_time_is_never_ahead_of_the_wall_clock(server: BoardServer) -> None:
    start_s = time.monotonic()
    start_us = server.call(lambda board: board.clock_us)
    wait_for_device(server, ms=200)
    passed_us = server.call(lambda board: board.clock_us) - start_us
    assert passed_us <= (time.monotonic() - start_s) * 1e6 + 50_000


def test_a_call_runs_on_the_board_and_brings_exceptions_back(server: BoardServer) -> None:
    server.call(lambda board: board.pin(9).drive(1))
    assert server.call(lambda board: board.pin(9).level) == 1
    with pytest.raises(UsageError, match="no pin GP99"):
        server.call(lambda board: board.pin(99))


def test_the_drive_appears_when_mpremote_asks_for_the_bootloader(
    server: BoardServer, stock_image: Path
) -> None:
    tool("mpremote", "connect", server.port.name, "bootloader")
    wait_until(lambda: server.call(lambda board: board.drive) is not None)
    folder = server.call(lambda board: board.drive)
    assert folder is not None
    subprocess.run(["cp", str(stock_image), str(folder)], check=True)
    wait_until(lambda: not folder.exists())
    assert tool("mpremote", "connect", server.port.name, "exec", "print(6*7)") == "42\n"


def test_tcp_serves_pyserial_and_mpremote_one_after_the_other(stock_image: Path) -> None:
    board = EmulatedBoard(image=stock_image)
    with BoardServer(board, TcpPort(port=0)) as served:
        for _ in range(2):
            with serial.serial_for_url(served.port.name, timeout=READ_TIMEOUT_S) as port:
                talk(port, b"\x03", b">>> ")
                talk(port, b"print(20+3)", b"23\r\n>>> ")
        line = ("mpremote", "connect", served.port.name, "exec", "print(1+1)")
        assert tool(*line) == "2\n"


def test_a_second_tcp_client_is_turned_away(stock_image: Path) -> None:
    board = EmulatedBoard(image=stock_image)
    with (
        BoardServer(board, TcpPort(port=0)) as served,
        serial.serial_for_url(served.port.name, timeout=READ_TIMEOUT_S) as first,
    ):
        talk(first, b"\x03", b">>> ")
        with (
            serial.serial_for_url(served.port.name, timeout=READ_TIMEOUT_S) as second,
            pytest.raises(serial.SerialException),
        ):
            second.read(1)
        talk(first, b"print(5)", b"5\r\n>>> ")
