"""Boards of jumpstarter's: emulated ones behind exporters, by jumpstarter's own server."""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner
from jumpstarter.common.utils import serve

from bulkhead_host.commands.build import BuildOptions, build
from bulkhead_host.paths import cache_dir, source_root
from bulkhead_jumpstarter import EmulatedBoard
from bulkhead_jumpstarter.client import BulkheadClient

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.filterwarnings("ignore")  # jumpstarter's own libraries warn

TIMEOUT_S = 500
CACHE = cache_dir()  # pytester moves the home folder, where it is


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("image") / "bulkhead-pico.uf2"
    return build(BuildOptions(output=output)).path


Exported = Callable[[], BulkheadClient]


@pytest.fixture
def exported(image: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Exported]:
    """Yield what exports one more emulated board, and gives its client; it is switched on."""
    monkeypatch.setenv("BULKHEAD_CACHE", str(CACHE))
    with ExitStack() as held:

        def export() -> BulkheadClient:
            client: BulkheadClient = held.enter_context(serve(EmulatedBoard(image=str(image))))
            held.callback(client.power.off)
            client.power.on()
            return client

        yield export


def test_its_client_has_the_common_commands(exported: Exported) -> None:
    board = exported()
    assert board.hello()["application"] == "demo"
    before = {one["name"]: one["generation"] for one in board.services()}
    with board.kernel() as kernel:
        blink = kernel.inject("crash", target="blink")
        assert kernel.wait_for_restart(blink).generation == blink.generation + 1
        kernel.expect("blink faulted: EXCEPTION", timeout_ms=10_000)
    assert "InjectedCrash" in board.fault("blink")
    assert board.reset_board() > 0
    after = {one["name"]: one["generation"] for one in board.services()}
    assert after == before
    said = CliRunner().invoke(board.cli(), ["ps"])
    assert '"blink"' in said.output


def test_a_board_is_flashed_and_keeps_it_without_power(exported: Exported, tmp_path: Path) -> None:
    application = source_root() / "services" / "examples" / "recorder"
    other = build(BuildOptions(application=application, output=tmp_path / "other.uf2")).path
    board = exported()
    assert board.hello()["application"] == "demo"
    board.flasher.flash(other)
    assert board.hello()["application"] == "recorder"
    board.power.off()
    board.power.on()
    assert board.hello()["application"] == "recorder"


SUITE = """
import os, time
def test_comes_back(kernel):
    blink = kernel.inject("crash", target="blink")
    assert kernel.wait_for_restart(blink).generation == blink.generation + 1

def test_pulled_out(kernel):
    if not os.path.exists("pull"):
        open("pull", "w").close()
        while True:
            kernel.services()
    assert kernel.service("led").state != "faulted"

def test_wrong(kernel):
    assert kernel.service("blink").generation == 77
"""


def inventory(folder: Path, urls: list[str], quarantined: int) -> str:
    text = ""
    for index, url in enumerate(urls):
        text += f'[[board]]\nid = "b{index}"\nboard = "pico"\nport = "{url}"\n'
        if index == quarantined:
            text += 'quarantine = { since = 2026-11-02, reason = "a loose wire" }\n'
    (folder / "farm.toml").write_text(text)
    return "--bulkhead-inventory=farm.toml"


def board_of(folder: Path, test: str) -> tuple[str, str]:
    """Return which board a test had in the end, and which it had lost."""
    case = ElementTree.parse(folder / "report.xml").find(f".//testcase[@name='{test}[farm]']")
    assert case is not None
    said = {each.get("name", ""): each.get("value", "") for each in case.iter("property")}
    return said["bulkhead_id"], said.get("bulkhead_lost", "").partition(":")[0]


def test_a_suite_on_three_boards_one_pulled_out_and_one_in_quarantine(
    pytester: pytest.Pytester, exported: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [str(source_root() / "host_tools"), *sys.path]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(folders))
    boards = [exported() for _ in range(3)]
    pytester.makepyfile(SUITE)
    ended = threading.Event()

    def pull() -> None:
        while not ended.wait(0.05):
            if (pytester.path / "pull").exists():
                boards[1].power.off()
                return

    watcher = threading.Thread(target=pull)
    with ExitStack() as held:
        urls = [held.enter_context(board.forwarded()) for board in boards]
        farm = inventory(pytester.path, urls, quarantined=0)
        watcher.start()
        try:
            result = pytester.runpytest_subprocess(
                farm, "--junit-xml=report.xml", timeout=TIMEOUT_S
            )
        finally:
            ended.set()
            watcher.join()
    result.assert_outcomes(passed=2, failed=1)
    assert board_of(pytester.path, "test_comes_back") == ("b1", "")
    assert board_of(pytester.path, "test_pulled_out") == ("b2", "b1")
    assert board_of(pytester.path, "test_wrong") == ("b2", "")
