"""Liveness: in a world whose states are all known, what must happen in the end does.

Looks for a cycle on which something waits for ever although everybody plays fair: time goes by, an
interrupt level that was asked for is entered, and who runs makes a step. A cycle may leave out
what is impossible somewhere on it; one on which no time goes by is none, since a processor that
works takes time.

- A call, or a send that waits for room, ends.
- Who is ready runs, unless what is more important runs again and again. Equals take turns.
- A step that was struck ends, and an interrupt is delivered, by the end of the step at hand.
"""

from array import array
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from bulkhead_host.explore.canonical import State
from bulkhead_host.explore.embedding import NESTED, PARKED
from bulkhead_host.explore.events import Event
from bulkhead_host.explore.search import Explorer, Found, Offer

# Classes of edges; a step of task number n is _STEP + n.
_TIME, _ENTER, _OTHER, _STEP = 0, 1, 2, 3
_CLASSES = {"time": _TIME, "enter": _ENTER}


class Facts(NamedTuple):
    """What liveness asks of a state: of each task its state and priority, and what is possible."""

    states: tuple[int, ...]
    priorities: tuple[int, ...]
    waits_for_struck: bool
    waits_for_interrupt: bool
    is_parked: bool
    may_pass_time: bool
    may_enter: bool


@dataclass(frozen=True)
class Lasso:
    """A cycle on which something waits for ever, and how to come to it."""

    text: str
    path: Found
    cycle: tuple[str, ...]


# From edges: (source, target, class).
Edge = tuple[int, int, int]


class Graph:
    """All states and steps of a world, as `Explorer` finds them."""

    def __init__(self, explorer: Explorer) -> None:
        self.explorer = explorer
        self.facts: list[Facts] = []
        self.sources = array("l")
        self.targets = array("l")
        self.classes = array("l")
        self.labels: list[str] = []
        self._known: dict[Facts, Facts] = {}
        self._names: dict[str, str] = {}

    def add_state(self, offers: list[Offer], state: State) -> None:
        """Take note of the state at hand, whose offers are these."""
        world = self.explorer.world
        w = array("i", state[0])
        layout = world.layout
        kinds = {offer.kind for offer in offers if isinstance(offer, Event)}
        facts = Facts(
            tuple(w[task + layout.STATE] for task in world.tasks),
            tuple(w[task + layout.PRIORITY] for task in world.tasks),
            w[layout.STRUCK] != 0,
            w[layout.IRQ_PENDING] != 0,
            world.kind in (PARKED, NESTED),
            "time" in kinds,
            "enter" in kinds,
        )
        self.facts.append(self._known.setdefault(facts, facts))

    def add_step(self, source: int, target: int, offer: Offer, actor: int) -> None:
        """Take note of a step; `actor` is the number of the task that made it."""
        self.sources.append(source)
        self.targets.append(target)
        is_event = isinstance(offer, Event)
        self.classes.append(_CLASSES.get(offer.kind, _OTHER) if is_event else _STEP + actor)
        self.labels.append(self._names.setdefault(offer.label, offer.label))

    def judge(self) -> list[Lasso]:
        """Return a cycle for each thing that waits for ever."""
        found = []
        for text, waits, counts in self._properties():
            edges = defaultdict(list)
            for at in range(len(self.sources)):
                source, target = self.sources[at], self.targets[at]
                if waits(source) and waits(target) and counts(source, self.classes[at]):
                    edges[source].append(at)
            lasso = self._fair_cycle(text, edges)
            if lasso is not None:
                found.append(lasso)
        return found

    def _properties(
        self,
    ) -> Iterator[tuple[str, Callable[[int], bool], Callable[[int, int], bool]]]:
        """Yield what waits, in which states it does, and which steps it has to put up with."""
        abi, facts = self.explorer.world.abi, self.facts
        bound = (abi.CALLING, abi.SERVED, abi.SENDING)

        def any_step(_source: int, _class: int) -> bool:
            return True

        for index, service in enumerate(self.explorer.world.services):

            def is_bound(number: int, index: int = index) -> bool:
                return facts[number].states[index] in bound

            def is_ready(number: int, index: int = index) -> bool:
                return bool(facts[number].states[index] == abi.READY)

            def is_no_more_important(source: int, kind: int, index: int = index) -> bool:
                actor = kind - _STEP - 1
                priorities = facts[source].priorities
                return bool(actor < 0 or priorities[actor] >= priorities[index])

            yield f"the call or send of {service.name} never ends", is_bound, any_step
            yield f"{service.name} is ready and never runs", is_ready, is_no_more_important
        yield "a struck step never ends", lambda at: facts[at].waits_for_struck, any_step
        yield "an interrupt waits for ever", lambda at: facts[at].waits_for_interrupt, any_step

    def _fair_cycle(self, text: str, edges: dict[int, list[int]]) -> Lasso | None:
        """Return a fair cycle of these edges (their numbers, by source), None if there is none."""
        for component in components(edges, self.targets):
            inside = [
                at for node in component for at in edges[node] if self.targets[at] in component
            ]
            if inside and self._is_fair(component, inside):
                return self._lasso(text, component, inside)
        return None

    def _is_fair(self, component: set[int], inside: list[int]) -> bool:
        classes = {self.classes[at] for at in inside}
        facts = [self.facts[node] for node in component]
        may_enter = classes >= {_ENTER} or not all(one.may_enter for one in facts)
        may_step = max(classes) > _STEP or not all(one.is_parked for one in facts)
        return _TIME in classes and may_enter and may_step

    def _lasso(self, text: str, component: set[int], inside: list[int]) -> Lasso:
        """Return a cycle by way of an edge on which time goes by."""
        first = next(at for at in inside if self.classes[at] == _TIME)
        back = _way(inside, self.sources, self.targets, self.targets[first], self.sources[first])
        start = self.sources[first]
        path = Found((text,), self.explorer.path(start))
        return Lasso(text, path, tuple(self.labels[at] for at in (first, *back)))


def components(edges: dict[int, list[int]], targets: "array[int]") -> Iterator[set[int]]:
    """Yield the strongly connected components of a graph (Tarjan 1972, without recursion)."""
    index: dict[int, int] = {}
    low: dict[int, int] = {}
    stack: list[int] = []
    on_stack: set[int] = set()
    for root in list(edges):
        if root in index:
            continue
        work = [(root, iter(edges[root]))]
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        while work:
            node, ahead = work[-1]
            for at in ahead:
                target = targets[at]
                if target not in index:
                    index[target] = low[target] = len(index)
                    stack.append(target)
                    on_stack.add(target)
                    work.append((target, iter(edges.get(target, ()))))
                    break
                if target in on_stack:
                    low[node] = min(low[node], index[target])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    component = set()
                    while node not in component:
                        component.add(stack.pop())
                    on_stack -= component
                    yield component


def _way(
    inside: list[int], sources: "array[int]", targets: "array[int]", start: int, end: int
) -> list[int]:
    """Return the edges of a shortest way."""
    ahead = defaultdict(list)
    for at in inside:
        ahead[sources[at]].append(at)
    came: dict[int, int] = {start: -1}
    queue = deque([start])
    while queue and end not in came:
        for at in ahead[queue.popleft()]:
            if targets[at] not in came:
                came[targets[at]] = at
                queue.append(targets[at])
    way = []
    while came[end] >= 0:
        way.append(came[end])
        end = sources[came[end]]
    return way[::-1]
