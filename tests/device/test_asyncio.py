"""An asyncio program as one service among others: the example of the services' README."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from bulkhead_host.commands.build import BuildOptions, build
from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.emulator.chip import CYCLE_NS
from bulkhead_host.paths import source_root

APPLICATION = Path(__file__).parents[1] / "cases" / "asyncio_app"
LED = 25
PERIOD_MS = 20


@dataclass(frozen=True, kw_only=True)
class Run:
    """What was logged by whom, and the milliseconds between the LED's edges."""

    said: list[tuple[str, str]]
    pauses_ms: list[float]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    image = tmp_path_factory.mktemp("image") / "asyncio.uf2"
    build(BuildOptions(application=APPLICATION, output=image))
    with EmulatedBoard(image=image) as board:
        output = board.run_until(b"all done", timeout_ms=5000).decode()
        edges = [edge.cycle * CYCLE_NS / 1e6 for edge in board.pin(LED).edges]
        pauses_ms = [after - before for before, after in pairwise(edges)]
        yield Run(said=re.findall(r"[IWE] (\w+): ([^\r]*)", output), pauses_ms=pauses_ms)


def test_the_example_is_the_one_in_the_readme() -> None:
    text = (APPLICATION / "program" / "service.py").read_text()
    assert text in (source_root() / "services" / "README.md").read_text()


def test_tasks_events_and_timeouts_work_and_nothing_fails(ran: Run) -> None:
    said = [text for name, text in ran.said if name == "program"]
    assert said == ["counted to 5", "waited long enough"]
    assert not [text for name, text in ran.said if name == "supervisor"]


def test_a_task_that_calls_another_service_keeps_its_pace(ran: Run) -> None:
    assert len(ran.pauses_ms) > 20
    assert all(PERIOD_MS - 1 <= pause < 2 * PERIOD_MS for pause in ran.pauses_ms[1:])


def test_messages_are_answered_while_the_tasks_run(ran: Run) -> None:
    answers = [text for name, text in ran.said if name == "asker"]
    assert re.fullmatch(r"answer: 0 \(7, 'how many', [1-5]\)", answers[0])
    assert answers[1] == "answer: 0 (7, 'how many', 5)"
