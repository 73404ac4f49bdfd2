"""No state and no step of any small world breaks an invariant, and nothing waits for ever."""

import pytest

from bulkhead_host.explore.liveness import Graph
from bulkhead_host.explore.search import Explorer
from bulkhead_host.paths import source_root
from model.explore import cycle, trace
from model.worlds import WORLDS

# Worlds too large for every run, and after how many seconds of processor time they are cut.
LONG = dict.fromkeys(("all", "kills", "hard", "copies", "outputs", "doomed", "nested"), 5.0)


@pytest.mark.parametrize("name", sorted(WORLDS))
def test_every_state_and_step_of_a_world_keeps_the_invariants(name: str) -> None:
    explorer = Explorer(WORLDS[name], source_root())
    if name not in LONG:
        explorer.observer = graph = Graph(explorer)
    result = explorer.run(seconds_max=LONG.get(name, 1e9))
    assert not result.found, "\n".join(trace(name, explorer, x) for x in result.found.values())
    assert result.states > 1
    if name not in LONG:
        assert result.is_exhausted
        lassos = graph.judge()
        assert not lassos, "\n".join(cycle(name, explorer, lasso) for lasso in lassos)
