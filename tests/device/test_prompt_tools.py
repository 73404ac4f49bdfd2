"""mpremote and ampy on a running system: they reach a prompt, and when they leave it goes on."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bulkhead_host.commands.build import BuildOptions, build
from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.emulator.ports import PtyPort
from bulkhead_host.emulator.server import BoardServer

BIN = Path(sys.executable).parent
LED = 25
WAIT_S = 120


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoardServer]:
    image = build(BuildOptions(output=tmp_path_factory.mktemp("image") / "demo.uf2")).path
    with BoardServer(EmulatedBoard(image=image, report=lambda _: None), PtyPort()) as served:
        yield served


def tool(server: BoardServer, name: str, *arguments: str) -> str:
    port = server.port.name
    done = subprocess.run(
        [BIN / name, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        env={**os.environ, "BULKHEAD_PORT": port, "AMPY_PORT": port},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def mpremote(server: BoardServer, *arguments: str) -> str:
    return tool(server, "mpremote", "connect", server.port.name, *arguments)


def generations(server: BoardServer) -> dict[str, int]:
    """Ask the console service, which answers only while nobody is at the prompt."""
    services = json.loads(tool(server, "bulkhead", "ps", "--json"))["services"]
    return {service["name"]: service["generation"] for service in services}


def test_mpremote_resume_again_and_again_harms_no_service(server: BoardServer) -> None:
    before = generations(server)
    for number in range(3):
        assert mpremote(server, "resume", "exec", f"print({number})") == f"{number}\n"
    edges = "from machine import mem32, Pin; import time; a = Pin(25).value(); n = 0\n"
    count = "for _ in range(60):\n time.sleep_ms(20); b = Pin(25).value(); n += a != b; a = b\n"
    assert int(mpremote(server, "resume", "exec", edges + count + "print(n)")) >= 2
    assert mpremote(server, "resume", "exec", "import os; print(type(os.listdir()))")
    assert generations(server) == before


def test_mpremote_that_resets_softly_leaves_a_running_system(server: BoardServer) -> None:
    assert mpremote(server, "exec", "print(6 * 7)") == "42\n"
    assert set(generations(server).values()) == {1}


def test_ampy_leaves_a_running_system(server: BoardServer, tmp_path: Path) -> None:
    note = tmp_path / "note.txt"
    note.write_text("kept")
    tool(server, "ampy", "put", str(note))
    assert "/note.txt" in tool(server, "ampy", "ls").split()
    assert set(generations(server).values()) == {1}
