"""The explorer finds what it is for, each time with the bug put into a copy of the kernel."""

import ast
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from bulkhead_host.explore.liveness import Graph
from bulkhead_host.explore.search import Explorer, Found
from bulkhead_host.explore.traces import replay, shrink
from bulkhead_host.explore.tree import TURNS_MAX, parsed
from bulkhead_host.paths import source_root
from kernel import layout, levels  # the process's own, not a world's
from model.explore import parser
from model.seeded import ORDER
from model.seeds import SEEDS
from model.worlds import WORLDS


def tree_with(folder: Path, file: str, text: str, bug: str) -> Path:
    """Return the root of a copy of the firmware with `bug` in place of `text`, which is there."""
    shutil.copytree(source_root() / "firmware", folder / "firmware")
    path = folder / "firmware" / "kernel" / file
    source = path.read_text()
    assert source.count(text) == 1, f"{file} has changed: have the bug here follow it"
    path.write_text(source.replace(text, bug))
    return folder


def first_violation(name: str, root: Path) -> tuple[Explorer, Found]:
    explorer = Explorer(WORLDS[name], root)
    result = explorer.run(found_max=1, seconds_max=60)
    (found,) = result.found.values()
    return explorer, found


def test_a_deadline_that_was_missed_is_found_with_a_trace_that_replays(tmp_path: Path) -> None:
    root = tree_with(tmp_path, "timeouts.py", "        w[DEADLINES] = 1\n\n", "        pass\n\n")
    explorer, found = first_violation("clients", root)
    steps, wrong = replay(explorer, found)
    assert wrong == list(found.wrong)
    assert len(steps) == len(found.path)
    smaller = shrink(explorer, found)
    assert smaller.wrong[0] == found.wrong[0]
    assert len(smaller.path) <= len(found.path)


def test_a_kernel_that_does_not_return_is_found(tmp_path: Path) -> None:
    bug = "        before = w[before + NEXT]\n    while before:\n        pass\n"
    root = tree_with(tmp_path, "ready.py", "        before = w[before + NEXT]\n", bug)
    _, found = first_violation("chain", root)
    assert "does not return" in found.wrong[0]


def test_a_step_from_which_the_processor_is_taken_is_no_hang() -> None:
    explorer = Explorer(WORLDS["pair"], source_root())
    clock = explorer.world.port.now

    def late() -> int:
        explorer.world.port.now = clock  # type: ignore[method-assign]
        end = time.process_time() + 1
        while time.process_time() < end:
            pass
        return clock()

    explorer.world.port.now = late  # type: ignore[method-assign]
    assert not explorer.run().found
    assert explorer.world.port.now is clock, "no step took long"


def test_no_step_comes_near_the_turns_after_which_a_kernel_hangs() -> None:
    explorer = Explorer(WORLDS["chain"], source_root())
    turns = explorer.world.tree.turns
    most = 0
    begin = turns.begin

    def noting() -> None:
        nonlocal most
        most = max(most, turns.count)
        begin()

    turns.begin = noting  # type: ignore[method-assign]
    assert explorer.run().is_exhausted
    assert 3 < most < TURNS_MAX / 20


@pytest.mark.parametrize("name", ["hogs", "driver"])
def test_equals_that_never_take_turns_starve_one(name: str, tmp_path: Path) -> None:
    text = "(now - w[SLICE_END]) & TIME_HALF == 0:\n                    push_back(w, task)"
    root = tree_with(tmp_path, "dispatch.py", text, text.replace("push_back", "push_front"))
    explorer = Explorer(WORLDS[name], root)
    explorer.observer = graph = Graph(explorer)
    assert not explorer.run().found
    lassos = graph.judge()
    assert {lasso.text.partition(" ")[2] for lasso in lassos} == {"is ready and never runs"}
    assert all("the slice ends" in lasso.cycle for lasso in lassos)


def test_a_worker_explores_in_a_thread_that_is_not_the_first() -> None:
    with ThreadPoolExecutor(1) as worker:
        result = worker.submit(lambda: Explorer(WORLDS["reopens"], source_root()).run()).result()
    assert result.is_exhausted
    assert not result.found


def test_a_thread_that_parses_beside_the_explorer_harms_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parse = ast.parse
    disturbed = iter([True, True])

    def parse_beside_another(source: str, path: str) -> ast.Module:
        if next(disturbed, False):
            raise SystemError("AST constructor recursion depth mismatch (before=60, after=68)")
        return parse(source, path)

    monkeypatch.setattr(ast, "parse", parse_beside_another)
    assert ast.dump(parsed("a = 1", "a.py")) == ast.dump(parse("a = 1"))


def test_every_world_judges_the_bugs_that_are_put_in() -> None:
    assert sorted(ORDER) == sorted(WORLDS)


def test_worlds_leave_nothing_behind_in_this_process() -> None:
    before = (levels.land, layout.GENERATION_MASK)
    Explorer(WORLDS["wrapgenerations"], source_root())
    assert (levels.land, layout.GENERATION_MASK) == before


def test_a_constant_that_the_kernel_has_not_is_refused() -> None:
    world = replace(WORLDS["pair"], constants={"layout.NO_SUCH": 1})
    with pytest.raises(ValueError, match=r"kernel/layout\.py has no constant NO_SUCH"):
        Explorer(world, source_root())


def test_a_world_that_there_is_not_is_told_beside_those_that_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit, match="2"):
        parser().parse_args(["pair", "nowhere"])
    assert "there is no nowhere; there are pair, " in capsys.readouterr().err.replace("\n", " ")
    assert parser().parse_args(["pair"]).worlds == ["pair"]


@pytest.mark.parametrize("name", sorted(SEEDS))
def test_the_text_that_a_bug_stands_for_is_in_the_kernel_once(name: str) -> None:
    seed = SEEDS[name]
    assert (source_root() / "firmware" / seed.file).read_text().count(seed.text) == 1
