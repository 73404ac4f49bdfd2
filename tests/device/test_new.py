"""An application made by `bulkhead new`, on the emulated Pico; the README shows it running."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from processes import started

from bulkhead_host.scaffold.application import new_application
from bulkhead_host.scaffold.service import new_service

BIN = Path(sys.executable).parent
TIMEOUT_S = 300


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    """Return the folder of an application with a service of its own."""
    new_application(tmp_path / "demo", board="pico")
    new_service(tmp_path / "demo", "greeter")
    return tmp_path / "demo"


def program(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a program in the application's folder, with no setting of this test run."""
    return subprocess.run(
        [str(BIN / command[0]), *command[1:]],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if "PYTEST" not in name},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def test_the_test_that_comes_with_a_service_passes_and_can_fail(demo: Path) -> None:
    done = program(demo, "pytest", "-q")
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout
    service = demo / "greeter" / "service.py"
    service.write_text(service.read_text().replace("is up", "is down"))
    assert program(demo, "pytest", "-q").returncode == 1


def test_run_puts_an_application_on_the_board_at_a_port_and_watches_it(
    demo: Path, tmp_path: Path, stock_image: Path
) -> None:
    link, drive = tmp_path / "pico", tmp_path / "drive"
    options = ["--image", stock_image, "--link", link, "--drive", drive]
    with started([BIN / "bulkhead", "sim", *map(str, options)]) as server:
        assert server.stdout is not None
        assert server.stdout.readline().strip() == str(link)
        board = ["--port", str(link)]
        done = program(demo, "bulkhead", "run", ".", *board, "--drive", str(drive), "--for", "1")
        assert done.returncode == 0, done.stderr
        assert "flash: copying" in done.stderr
        listed = program(demo, "bulkhead", "ps", "--json", *board)
    names = [service["name"] for service in json.loads(listed.stdout)["services"]]
    assert names == ["supervisor", "logger", "console", "updater", "greeter"]
