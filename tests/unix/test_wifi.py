"""The wifi service on the unix port, with networks that are made up: it has run on no chip."""

import re
import subprocess
import threading
from pathlib import Path

import pytest
from unix_console import unix_application

from pytest_bulkhead.processes import with_parent

TESTS = Path(__file__).parents[1]
_TIMEOUT_S = 300  # of the wall, for a hang: on a loaded machine it takes its time


@pytest.fixture(scope="module")
def said(micropython: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Run the application to its end, and return what its watcher has logged."""
    folder = tmp_path_factory.mktemp("wifi")
    unix_application(TESTS / "cases" / "wifi_app", folder)
    (folder / "network.py").write_text((TESTS / "made_up_network.py").read_text())
    process = subprocess.Popen(
        [*with_parent(), micropython, "-X", "heapsize=2M", "main.py"],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    watchdog = threading.Timer(_TIMEOUT_S, process.kill)
    watchdog.start()
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "all done" in line:
            break
    watchdog.cancel()
    process.kill()
    process.communicate()
    assert lines
    assert "all done" in lines[-1], "".join(lines)
    return dict(re.findall(r"watcher: ([^:\r\n]*): ([^\r\n]*)", "".join(lines)))


def test_a_client_waits_for_the_network(said: dict[str, str]) -> None:
    assert said["came"] == "0 '192.168.1.7'"
    assert said["status"] == "0 (2, '192.168.1.7')"


def test_a_network_that_is_lost_is_found_again(said: dict[str, str]) -> None:
    assert said["back"] == "0 '192.168.1.7'"


def test_a_network_that_is_not_there_is_tried_again_and_again(said: dict[str, str]) -> None:
    assert [said[name][:4] for name in ("nonsense", "long", "longer")] == ["191 "] * 3
    assert said["elsewhere"] == "0 None"
    assert said["no network"] == "192 ''"


def test_a_try_that_fails_is_followed_by_another(said: dict[str, str]) -> None:
    assert said["late"] == "0 None"
    assert said["at last"] == "0 '192.168.1.7'"


def test_the_network_is_left(said: dict[str, str]) -> None:
    assert said["leave"] == "0 None"
    assert said["off"] == "0 (0, '')"
