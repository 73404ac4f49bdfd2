"""The clock: wall time that survives its service, alarms that come when they are due."""

import re
from pathlib import Path

import pytest

from bulkhead_host.commands.build import BuildOptions, build
from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.link.client import Client
from bulkhead_host.link.emulated import BoardTransport

APPLICATION = Path(__file__).parents[1] / "cases" / "clock_app"
LATE_MS = 20


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Run the application to its end, with a failure of the clock, and return what was logged."""
    image = tmp_path_factory.mktemp("image") / "clock.uf2"
    build(BuildOptions(application=APPLICATION, output=image))
    with EmulatedBoard(image=image) as board:
        output = board.run_until(b"waiting", timeout_ms=5000)
        Client(BoardTransport(board)).inject("clock", "crash")
        output += board.run_until(b"all done", timeout_ms=5000)
    return dict(re.findall(r"(?:waker|stranger): ([^:\r]*): ([^\r]*)", output.decode()))


def test_time_is_unknown_until_it_is_set(said: dict[str, str]) -> None:
    assert said["unset"] == "1"
    assert 0 <= int(said["set"]) < LATE_MS


def test_alarms_come_in_the_order_of_their_times(said: dict[str, str]) -> None:
    assert said["cancelled"] == "1"
    assert 100 <= int(said["alarm 18"]) < 100 + LATE_MS
    assert 300 <= int(said["alarm 22"]) < 300 + LATE_MS
    assert said["past"] == "True"


def test_alarms_are_bounded_and_checked(said: dict[str, str]) -> None:
    assert said["full"] == "[0, 3]"
    assert said["wrong"].startswith("191")


def test_only_those_the_manifest_names_have_alarms(said: dict[str, str]) -> None:
    assert said["refused"] == "2"


def test_time_goes_on_when_the_clock_has_failed(said: dict[str, str]) -> None:
    status, after_ms = map(int, said["again"].split())
    assert status == 0
    assert 0 < after_ms < 10_000
    assert said["kept"] == "True"  # the alarm that was set before
