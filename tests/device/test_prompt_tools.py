"""mpremote and ampy on a running system: they reach a prompt, and when they leave it goes on.

The commands and what they do to the services are a table of `host_tools/README.md`.
"""

import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bulkhead_host.commands.build import BuildOptions, build
from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.emulator.ports import PtyPort
from bulkhead_host.emulator.server import BoardServer
from bulkhead_host.errors import BulkheadError
from bulkhead_host.link.client import Client
from bulkhead_host.link.ports import open_port
from bulkhead_host.paths import source_root

BIN = Path(sys.executable).parent
README = source_root() / "host_tools" / "README.md"
ROWS = re.findall(r"^\| `((?:mpremote|ampy) [^`]+)` \| (.*) \|$", README.read_text(), re.MULTILINE)
LED = 25
WAIT_S = 300
NOTE = "what is kept\n" * 100
RESETS = 10
"""A board is asked that often, 2 s each time, until it is back from a reset."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoardServer]:
    image = build(BuildOptions(output=tmp_path_factory.mktemp("image") / "demo.uf2")).path
    with BoardServer(EmulatedBoard(image=image, report=lambda _: None), PtyPort()) as served:
        yield served


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("desk")
    (made / "note.txt").write_text(NOTE)
    (made / "program.py").write_text("print(6 * 7)\n")
    return made


def tool(server: BoardServer, folder: Path, command: str) -> str:
    port = server.port.name
    name, *arguments = shlex.split(command)
    if name == "mpremote":
        arguments = ["connect", port, *arguments]
    done = subprocess.run(
        [BIN / name, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        cwd=folder,
        env={**os.environ, "AMPY_PORT": port},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def generations(server: BoardServer, *, restart: str = "") -> dict[str, int]:
    """Ask the console service, which answers only while nobody is at the prompt."""
    deadline_s = time.monotonic() + WAIT_S
    while server.call(lambda board: board.console.is_terminal_attached):  # the tool has left
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    for attempt in range(RESETS):
        transport = None
        try:
            transport = open_port(server.port.name)
            client = Client(transport)
            if restart:
                client.control(restart, "restart")
            return {service.name: service.generation for service in client.table().services}
        except BulkheadError:
            if attempt == RESETS - 1:
                raise
        finally:
            if transport is not None:
                transport.close()
    raise AssertionError


def edges(server: BoardServer) -> int:
    return server.call(lambda board: len(board.pin(LED).edges))


@pytest.mark.parametrize(("command", "effect"), ROWS, ids=[command for command, _ in ROWS])
def test_the_tool_does_its_work_and_the_services_fare_as_the_readme_says(
    server: BoardServer, folder: Path, command: str, effect: str
) -> None:
    before = generations(server, restart="led")
    assert max(before.values()) > 1
    copy = folder / "copy.txt"
    copy.unlink(missing_ok=True)
    output = tool(server, folder, command)
    if command.endswith(" ls"):
        assert "note.txt" in output
    elif command.endswith("copy.txt"):
        assert copy.read_text() == NOTE
    elif "program" in command or "exec" in command:
        assert "42" in output
    after = generations(server)
    if effect.startswith("go on"):
        assert after == before
    else:
        assert "started anew" in effect
        assert set(after.values()) == {1}


def test_services_run_while_mpremote_is_at_the_prompt(server: BoardServer, folder: Path) -> None:
    before, seen = generations(server), edges(server)
    program = folder / "wait.py"
    program.write_text("import time\ntime.sleep_ms(1200)\n")
    tool(server, folder, "mpremote resume run wait.py")
    assert edges(server) >= seen + 2
    assert generations(server) == before


def test_the_table_has_every_way_that_people_use() -> None:
    commands = " ".join(command for command, _ in ROWS)
    for word in ("fs cp", "run", "ls", "mount", "ampy get", "ampy put", "ampy run", "ampy ls"):
        assert word in commands
