"""`bulkhead postmortem`: what ended the last run, from the record that survives a reset."""

import json
from pathlib import Path

import pytest
from desk import Desk, bulkhead

from bulkhead_host import abi

READY = abi.STATE_NAMES.index("ready")


@pytest.mark.parametrize(
    ("kind", "cause", "advice"),
    [
        (abi.SUPERVISOR_DIED, "died too often", "failed too often"),
        (abi.KILLS_CAUGHT, "caught every kill", "except:"),
        (abi.WATCHDOG_FIRED, "ran when the watchdog fired", "long C call"),
        (abi.PROCESSOR_FAULT, "made the processor fault", "an address that is none"),
        (abi.GIVEN_UP, "failed too often", "on_giving_up"),
        (abi.ORDERED, "took the order of a person", "nothing is wrong"),
        (abi.NO_PROGRESS, "made no progress", "timeout_ms"),
    ],
)
def test_a_crash_is_told_with_its_meaning(desk: Desk, kind: int, cause: str, advice: str) -> None:
    desk.board.faults[""] = (7, kind, READY, 192, 0, 0, 5, 61_000)
    lines = bulkhead("postmortem", port=desk.port).stdout.splitlines()
    assert lines[1] == f"the board was reset: blink {cause}, at 61.000 s, generation 5"
    assert lines[2] == "what ran was ready; its last trap had given it TIMEOUT"
    assert advice in lines[3]
    assert lines[4] == "no service has failed since"


def test_a_run_without_a_crash_is_told_too(desk: Desk) -> None:
    done = bulkhead("postmortem", port=desk.port)
    assert done.returncode == 0
    assert "not ended by a crash" in done.stdout


def test_faults_since_are_told_and_a_dump_gives_the_same(desk: Desk, tmp_path: Path) -> None:
    desk.board.faults[""] = (1, abi.SUPERVISOR_DIED, READY, 0, 0, 0, 6, 9000)
    desk.board.faults["led"] = (4, abi.EXCEPTION, READY, 3, 7, 0, 2, 1500)
    desk.board.services[3].fault = abi.EXCEPTION
    live = bulkhead("postmortem", "--json", port=desk.port).stdout
    assert json.loads(live)["crash"]["uptime_ms"] == 9000
    assert json.loads(live)["since"]["led"]["client"] == 7
    assert bulkhead("dump", str(tmp_path / "d.json"), port=desk.port).returncode == 0
    dumped = bulkhead("postmortem", "--json", "--dump", str(tmp_path / "d.json")).stdout
    assert json.loads(dumped)["since"] == json.loads(live)["since"]
    assert "led faulted: EXCEPTION" in bulkhead("postmortem", port=desk.port).stdout
