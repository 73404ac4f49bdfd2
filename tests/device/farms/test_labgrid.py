"""A board of labgrid's: an emulated one behind a pseudo-terminal, by labgrid's own plugin."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import started

from bulkhead_host.commands.build import BuildOptions, build
from bulkhead_host.paths import cache_dir, source_root

pytest_plugins = ["pytester"]

TIMEOUT_S = 500
CACHE = cache_dir()  # pytester moves the home folder, where it is
ENVIRONMENT = """
imports: [bulkhead_labgrid]
targets:
  main:
    resources:
      RawSerialPort: {{ port: "{port}" }}
    drivers:
      BulkheadDriver: {{ image: app, drive: "{drive}" }}
      BulkheadStrategy: {{}}
images:
  app: "{image}"
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("image") / "bulkhead-pico.uf2"
    return build(BuildOptions(output=output)).path


@pytest.fixture
def environment(
    pytester: pytest.Pytester, image: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[str]]:
    """Yield the options for labgrid's plugin, with a board that runs; `pid` has its process."""
    monkeypatch.setenv("BULKHEAD_CACHE", str(CACHE))
    folders = [str(source_root() / "host_tools"), *sys.path]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(folders))
    link, drive = pytester.path / "board", pytester.path / "drive"
    bulkhead = source_root() / ".venv" / "bin" / "bulkhead"
    command = [str(bulkhead), "sim", "--image", str(image), "--pace", "full"]
    with started([*command, "--link", str(link), "--drive", str(drive)], terminal=None) as board:
        assert board.stdout is not None
        assert str(link) in board.stdout.readline()
        (pytester.path / "pid").write_text(str(board.pid))
        text = ENVIRONMENT.format(port=link, drive=drive, image=image)
        (pytester.path / "env.yaml").write_text(text)
        yield ["--lg-env=env.yaml"]


RUNNING = """
import pytest

@pytest.fixture
def board(target):
    target.get_driver("BulkheadStrategy").transition("running")
    return target.get_active_driver("BulkheadDriver")
"""


def test_a_suite_of_an_application_runs_by_labgrid(
    pytester: pytest.Pytester, environment: list[str]
) -> None:
    pytester.makepyfile(
        RUNNING
        + """
def test_blink_comes_back(board):
    blink = board.kernel.inject("crash", target="blink")
    board.expect("blink faulted: EXCEPTION", timeout=20)
    assert board.kernel.wait_for_restart(blink).generation == blink.generation + 1

def test_reset(board):
    board.kernel.inject("crash", target="blink")
    board.reset()
    assert board.kernel.service("blink").generation == 1

def test_wrong(board):
    assert board.kernel.service("blink").generation == 77
"""
    )
    result = pytester.runpytest_subprocess(*environment, timeout=TIMEOUT_S)
    result.assert_outcomes(passed=2, failed=1)


def test_a_board_is_flashed_with_the_environments_image(
    pytester: pytest.Pytester, environment: list[str]
) -> None:
    pytester.makepyfile(
        RUNNING
        + """
def test_flashed(target, board):
    strategy = target.get_driver("BulkheadStrategy")
    strategy.transition("flashed")
    strategy.transition("running")
    assert board.kernel.hello().application == "demo"
"""
    )
    result = pytester.runpytest_subprocess(*environment, timeout=TIMEOUT_S)
    result.assert_outcomes(passed=1)


def test_a_board_that_is_pulled_out_is_an_error_that_says_so(
    pytester: pytest.Pytester, environment: list[str]
) -> None:
    pytester.makepyfile(
        RUNNING
        + """
import os, signal
def test_pulled(board):
    os.kill(int(open("pid").read()), signal.SIGKILL)
    while True:
        board.kernel.services()
"""
    )
    result = pytester.runpytest_subprocess(*environment, timeout=TIMEOUT_S)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*LinkLost*"])
