"""`bulkhead repl` on a served board: the prompt, and the services before, meanwhile and after."""

import os
from pathlib import Path

from desk import PROGRAM, WAIT_S, bulkhead, read_to_end, read_until, wait_until_raw
from processes import started

from bulkhead_host.commands.build import BuildOptions, build
from bulkhead_host.emulator.board import EmulatedBoard
from bulkhead_host.emulator.ports import PtyPort
from bulkhead_host.emulator.server import BoardServer

LED = 25


def test_the_prompt_is_left_to_the_services(tmp_path: Path) -> None:
    image = build(BuildOptions(output=tmp_path / "demo.uf2")).path
    master, slave = os.openpty()
    with BoardServer(EmulatedBoard(image=image), PtyPort()) as server:
        server.call(lambda board: board.run_for(ms=1000), timeout_s=WAIT_S)  # it has booted
        command = [PROGRAM, "repl", "--port", server.port.name]
        with started(command, terminal=slave) as running:
            os.close(slave)
            read_until(master, b"Use Ctrl-] or Ctrl-x to exit this shell")
            wait_until_raw(master)
            os.write(master, b"\x03")
            read_until(master, b">>> ")
            seen = server.call(lambda board: len(board.pin(LED).edges))
            os.write(master, b"print(6 * 7)\r")
            read_until(master, b"42")
            os.write(master, b"import time; time.sleep(2); print('slept')\r")
            read_until(master, b"\nslept")
            assert server.call(lambda board: len(board.pin(LED).edges)) >= seen + 3
            os.write(master, b"\x1d")
            read_to_end(master)
            assert running.wait(WAIT_S) == 0
        assert "blink" in bulkhead("ps", port=server.port.name).stdout
    os.close(master)
