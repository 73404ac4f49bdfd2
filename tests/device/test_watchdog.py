"""The watchdog service: it resets a board whose critical services get stuck, and no other."""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from bulkhead_host import abi
from bulkhead_host.commands.build import BuildOptions, build
from bulkhead_host.commands.postmortem import postmortem
from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.emulator.repl import execute, wait_for_prompt
from bulkhead_host.errors import DeviceTimeout
from bulkhead_host.link.client import Client
from bulkhead_host.link.emulated import BoardTransport

APPLICATION = Path(__file__).parents[1] / "cases" / "guarded_app"
TIMEOUT_MS = 9000
PERIOD_MS = 1500
LAST_REPORT_MS = 9 * 1100
SHORT_MS = 300
LONG_MS = 12_000
"""Longer than the board lives when nobody feeds the hardware, or one is late and not excused."""


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatedBoard]:
    """Yield a board whose worker stops reporting in the first run, and does not in later ones."""
    image = tmp_path_factory.mktemp("image") / "guarded.uf2"
    build(BuildOptions(application=APPLICATION, output=image))
    with EmulatedBoard(image=image) as board:
        yield board


@pytest.fixture(scope="module")
def first_words(board: EmulatedBoard) -> str:
    """Return what the board wrote from its first boot to the second."""
    said = board.run_until(b"the board was reset", timeout_ms=60_000)
    return (said + board.run_until(b"\n", timeout_ms=1000)).decode()


@pytest.fixture
def client(board: EmulatedBoard, first_words: str) -> Client:
    assert "the board was reset" in first_words
    return Client(BoardTransport(board))


def test_a_critical_service_without_progress_resets_the_board_in_its_name(
    first_words: str, client: Client
) -> None:
    assert "the board was reset: worker made no progress" in first_words
    crash = postmortem(client).crash
    assert crash is not None
    worker = next(i for i, name in enumerate(client.table().names, start=1) if name == "worker")
    assert (crash.task, crash.kind, crash.state) == (worker, abi.NO_PROGRESS, "receiving")
    # Longer than the hardware can wait, and counted from the end of the worker's period.
    due_ms = LAST_REPORT_MS + PERIOD_MS + TIMEOUT_MS
    assert due_ms <= crash.uptime_ms <= due_ms + 500


def uptime_after(client: Client, ms: int) -> int:
    """Let the board run, and return for how long it has been up."""
    before = client.hello().uptime_ms
    client.listen(ms / 1000)
    after = client.hello().uptime_ms
    assert after >= before + ms, "the board was reset"
    return after


def test_a_board_whose_critical_services_get_on_is_left_alone(client: Client) -> None:
    uptime_after(client, LONG_MS)


@pytest.mark.parametrize("name", ["worker", "watchdog"])
def test_what_a_person_holds_is_excused(client: Client, name: str) -> None:
    client.control(name, "hold")
    uptime_after(client, LONG_MS)
    client.control(name, "release")
    client.hello()


def test_a_watchdog_that_fails_takes_up_its_work_again(client: Client) -> None:
    client.inject("watchdog", "crash")
    uptime_after(client, LONG_MS)


def test_the_prompt_is_left_alone(board: EmulatedBoard, client: Client) -> None:
    client.hello()
    board.write(b"\x03")
    wait_for_prompt(board)
    execute(board, "import time; here = time.ticks_ms()")
    board.run_for(ms=LONG_MS)
    passed = int(execute(board, "print(time.ticks_diff(time.ticks_ms(), here))"))
    assert passed >= LONG_MS


def test_a_soft_reset_into_the_raw_repl_stops_the_hardware(board: EmulatedBoard) -> None:
    board.write(b"\x01\x04")
    board.run_until(b"soft reboot", timeout_ms=2000)
    board.run_until(b">", timeout_ms=2000)
    board.write(b"here = 7\x04")
    board.run_until(b"OK\x04\x04>", timeout_ms=2000)
    board.run_for(ms=LONG_MS)
    board.read()
    board.write(b"print(here)\x04")
    board.run_until(b"OK7\r\n", timeout_ms=2000)


GROUP = """
[[group]]
name = "pair"
strategy = "rest_for_one"
services = ["base", "user"]
"""
USER = """
[service]
name = "user"
priority = 4
after = ["base"]
restarts_max = 1
pause_first_ms = 10
"""
SERVER = "def main(task):\n    while True:\n        yield task.recv()\n"


@pytest.fixture(scope="module")
def developed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatedBoard]:
    """Yield a board in development mode, whose worker may fail once, with a group beside it."""
    folder = tmp_path_factory.mktemp("developed") / "app"
    shutil.copytree(APPLICATION, folder)
    changes = {
        "system.toml": (
            ('"product"', '"development"'),
            ("9_000", str(SHORT_MS)),
            ('"worker"]', '"worker", "base", "user"]'),
        ),
        "worker/service.py": (("_REPORTS = 10", "_REPORTS = 1"),),
        "worker/service.toml": (("[uses]", 'restarts_max = 1\non_giving_up = "reset"\n\n[uses]'),),
    }
    for name, pairs in changes.items():
        text = (folder / name).read_text()
        for old, new in pairs:
            assert old in text
            text = text.replace(old, new)
        (folder / name).write_text(text + (GROUP if name == "system.toml" else ""))
    for name, manifest in (("user", USER), ("base", '[service]\nname = "base"\npriority = 4\n')):
        (folder / name).mkdir()
        (folder / name / "service.toml").write_text(manifest)
        (folder / name / "service.py").write_text(SERVER)
    build(BuildOptions(application=folder, output=folder / "app.uf2"))
    with EmulatedBoard(image=folder / "app.uf2") as board:
        yield board


def test_in_development_mode_the_log_says_what_would_be(developed: EmulatedBoard) -> None:
    said = developed.run_until(b"would be reset", timeout_ms=60_000).decode()
    assert "watchdog: worker makes no progress: the board would be reset" in said
    developed.run_for(ms=5 * SHORT_MS)
    assert b"reset" not in developed.read()
    client = Client(BoardTransport(developed))
    assert client.hello().uptime_ms >= PERIOD_MS + 6 * SHORT_MS


def crash(client: Client, name: str) -> dict[str, tuple[str, int]]:
    """Crash a service, and return state and generation of each a while later."""
    client.inject(name, "crash")
    client.listen(0.2)
    return {one.name: (one.state, one.generation) for one in client.table().services}


def test_a_group_falls_together_and_what_is_given_up_is_said_to_be(
    developed: EmulatedBoard,
) -> None:
    client = Client(BoardTransport(developed))
    now = crash(client, "base")
    assert (now["base"], now["user"]) == (("receiving", 2), ("receiving", 2))
    now = crash(client, "user")
    assert (now["base"], now["user"]) == (("receiving", 2), ("receiving", 3))
    now = crash(client, "user")
    assert (now["base"], now["user"]) == (("receiving", 2), ("degraded", 4))
    now = crash(client, "supervisor")
    assert now["user"] == ("degraded", 4)
    client.control("user", "release")
    client.listen(0.2)
    user = client.table().named("user")
    assert user is not None
    assert user.state == "receiving"


def test_a_service_that_fails_more_often_than_it_may_resets_the_board(
    developed: EmulatedBoard,
) -> None:
    client = Client(BoardTransport(developed))
    for _ in range(2):
        assert postmortem(client).crash is None
        with suppress(DeviceTimeout):  # the board is reset before it answers
            client.inject("worker", "crash")
        client.listen(0.5)
    crash = postmortem(client).crash
    assert crash is not None
    worker = client.table().names.index("worker") + 1
    assert (crash.task, crash.kind) == (worker, abi.GIVEN_UP)
    assert client.fault_text("") == "worker failed too often"
