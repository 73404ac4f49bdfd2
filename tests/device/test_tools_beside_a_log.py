"""Serial tools copy files byte for byte on a board whose services log, print and fail meanwhile.

`make test-desk` copies 50 times, and 40 KB instead of 6, by more tools: `BULKHEAD_COPIES` and
`BULKHEAD_TOOLS` say so.
"""

import os
import random
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bulkhead_host.commands.build import BuildOptions, build
from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.emulator.ports import PtyPort
from bulkhead_host.emulator.server import BoardServer
from bulkhead_host.paths import cache_dir

APPLICATION = Path(__file__).parents[1] / "cases" / "desk_app"
BIN = Path(sys.executable).parent
WAIT_S = 600
THONNY = Path(__file__).parents[1] / "thonny_copy.py"
COPIES = int(os.environ.get("BULKHEAD_COPIES", "0"))
SIZE = 40 * 1024 if COPIES else 6 * 1024
TOOLS = {
    "mpremote": (
        "mpremote connect {port} resume fs cp -f {here} :there.bin",
        "mpremote connect {port} resume fs cp -f :there.bin {back}",
    ),
    "ampy": (
        "ampy --port {port} put {here} there.bin",
        "ampy --port {port} get there.bin {back}",
    ),
    "pyboard": (
        "{pyboard} --device {port} --no-soft-reset -f cp {here} :there.bin",
        "{pyboard} --device {port} --no-soft-reset -f cp :there.bin {back}",
    ),
    "rshell": (
        "rshell --quiet --port {port} cp {here} /pyboard/there.bin",
        "rshell --quiet --port {port} cp /pyboard/there.bin {back}",
    ),
    "mpfshell": (
        "mpfshell --nocolor --nocache -n -c 'open {tty}; put {here} there.bin'",
        "mpfshell --nocolor --nocache -n -c 'open {tty}; get there.bin {back}'",
    ),
    "thonny": (
        "{thonny} {port} put {here} there.bin",
        "{thonny} {port} get there.bin {back}",
    ),
}
CHOSEN = dict.fromkeys(["mpremote", "ampy", *os.environ.get("BULKHEAD_TOOLS", "").split()])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoardServer]:
    """Yield a board that logs ten lines a second, prints, and fails every second."""
    folder = tmp_path_factory.mktemp("image") / "app"
    shutil.copytree(APPLICATION, folder)
    system = (folder / "system.toml").read_text()
    (folder / "system.toml").write_text(system.replace(', "spinner"', ""))
    image = build(BuildOptions(application=folder, output=folder / "desk.uf2")).path
    with BoardServer(EmulatedBoard(image=image, report=lambda _: None), PtyPort()) as served:
        served.call(lambda board: board.run_for(ms=1000), timeout_s=WAIT_S)
        yield served


def pyboard() -> Path | None:
    """Return MicroPython's own tool, from the source of which images are built."""
    return next(cache_dir().glob("build/*/micropython/tools/pyboard.py"), None)


def run(command: str, names: dict[str, str]) -> str:
    """Run a tool to its end; return what it says if it fails."""
    done = subprocess.run(
        shlex.split(command.format(**names)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"},
        check=False,
    )
    return "" if done.returncode == 0 else f"{command}: {done.stdout[-500:]}{done.stderr[-500:]}"


@pytest.mark.parametrize("tool", CHOSEN)
def test_a_tool_copies_beside_a_log_as_if_nobody_were_there(
    server: BoardServer, tmp_path: Path, tool: str
) -> None:
    chance = random.Random(tool)
    names = {
        "port": server.port.name,
        "tty": server.port.name.removeprefix("/dev/"),
        "pyboard": f"{sys.executable} {pyboard()}",
        "thonny": f"{Path(shutil.which('thonny') or '').parent / 'python'} {THONNY}",
        "here": str(tmp_path / "here.bin"),
        "back": str(tmp_path / "back.bin"),
    }
    wrong = []
    for attempt in range(max(COPIES, 1)):
        content = chance.randbytes(SIZE)
        (tmp_path / "here.bin").write_bytes(content)
        (tmp_path / "back.bin").unlink(missing_ok=True)
        said = "".join(run(command, names) for command in TOOLS[tool])
        if said or (tmp_path / "back.bin").read_bytes() != content:
            wrong.append((attempt, said or "other bytes"))
    print(f"{tool}: {max(COPIES, 1) - len(wrong)} of {max(COPIES, 1)} copies each way are right")
    assert not wrong
