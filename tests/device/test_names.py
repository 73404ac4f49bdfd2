"""Discovery: a service finds others by name and version, and waits for one that has failed."""

import re
from pathlib import Path

import pytest

from bulkhead_host.commands.build import BuildOptions, build
from bulkhead_host.emulator import EmulatedBoard

APPLICATION = Path(__file__).parents[1] / "cases" / "names_app"
SEEKER = 6
"""Its task number, which is its badge."""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Run the application to its end and return what the seeker logged."""
    image = tmp_path_factory.mktemp("image") / "names.uf2"
    build(BuildOptions(application=APPLICATION, output=image))
    with EmulatedBoard(image=image) as board:
        output = board.run_until(b"all done", timeout_ms=10_000).decode()
    return dict(re.findall(r"seeker: ([^:\r]*): ([^\r]*)", output))


def test_what_is_found_is_called_with_the_callers_own_badge(said: dict[str, str]) -> None:
    assert said["found"] == f"0 {SEEKER}"


def test_a_full_table_is_told(said: dict[str, str]) -> None:
    assert said["full"] == "4"


def test_who_asks_for_what_has_failed_waits_or_is_told(said: dict[str, str]) -> None:
    assert said["failed"] == "193"
    assert said["not yet"] == "3"
    assert said["again"] == f"0 {SEEKER}"
    assert 10 <= int(said["waited"]) <= 200


def test_names_versions_and_nonsense_are_told_apart(said: dict[str, str]) -> None:
    assert said["('oracle', 4, 0)"] == "2 3"
    assert said["('nobody', 1, 0)"] == "1 None"
    assert said["('oracle', 1)"] == said["None"] == "191 None"
    assert said["none"] == "0, all done"
