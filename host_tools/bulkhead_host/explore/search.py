"""The search: every state of a world, breadth first, so that a trace to a violation is shortest.

A state that was seen is known by 16 bytes of a hash; what is still to be explored is kept whole.
"""

import hashlib
import random
import time
from array import array
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bulkhead_host.explore.canonical import Canon, State, restore
from bulkhead_host.explore.choices import Choice, steps
from bulkhead_host.explore.embedding import NESTED, PARKED, Embedding
from bulkhead_host.explore.events import Event, events
from bulkhead_host.explore.spec import World
from bulkhead_host.explore.stand_ins import Reset, Violation
from bulkhead_host.explore.state_checks import StateChecks
from bulkhead_host.explore.step_checks import StepChecks
from bulkhead_host.explore.verbs import VERBS

Offer = Choice | Event

# What ran while a service was closed, if that was chosen; the state after, what is wrong.
Step = tuple[tuple[int, ...] | None, State | None, list[str]]

CLOSE_STEPS_MAX = 3
_WALK_STEPS = 300
# What the kernel raises only by a mistake of its own.
_MISTAKES = (IndexError, TypeError, KeyError, AttributeError, RecursionError, OverflowError)


@dataclass(frozen=True)
class Found:
    """A violation: what is wrong, and by which offers it is reached from the first state."""

    wrong: tuple[str, ...]
    path: tuple[int, ...]
    script: tuple[int, ...] | None = None  # what ran while a service was closed: see `closed`


@dataclass
class Result:
    """What a search has visited and found."""

    states: int = 0
    steps: int = 0
    seconds: float = 0.0
    is_exhausted: bool = True
    found: dict[str, Found] = field(default_factory=dict)  # by the first thing that is wrong


class Observer(Protocol):
    """Who is told of every state, in the order of their numbers, and of every step."""

    def add_state(self, offers: list[Offer], state: State) -> None:
        """Take note of the state at hand."""

    def add_step(self, source: int, target: int, offer: Offer, actor: int) -> None:
        """Take note of a step between two states."""


class Explorer:
    """One world."""

    def __init__(self, spec: World, root: Path) -> None:
        self.spec = spec
        self.only: frozenset[str] | None = None  # of all offers those with these labels
        self.world = Embedding(spec, root)
        self.canon = Canon(self.world)
        self.state_checks = StateChecks(self.world)
        self.step_checks = StepChecks(self.world)
        self.observer: Observer | None = None
        self.closes = "close" in spec.events
        self.world.begin()
        self.world.offers_in_close = lambda world: steps(world, VERBS)
        self.first = self.canon.capture()
        self.forget()

    def forget(self) -> None:
        """Know no state but the first."""
        self.parents = array("l", [-1])
        self.via = array("l", [-1])

    def offers(self, state: State) -> list[Offer]:
        """Put a state back and return all that may happen in it."""
        world = self.world
        restore(world, state)
        found: list[Offer] = [*events(world)]
        if world.kind in (PARKED, NESTED):
            found += steps(world, VERBS)
        return found

    def make(self, state: State, offer: Offer) -> tuple[State | None, list[str]]:
        """Have one offer happen in a state; return the next, and what is wrong with the step.

        None stands for a reset of the board, or for no state that could be gone on from.
        """
        world = self.world
        restore(world, state)
        before = array("i", state[0])
        world.tree.turns.begin()
        try:
            if isinstance(offer, Event):
                offer.happen(world)
                wrong = self.step_checks.judge(before, 0, None)
            else:
                actor = world.words[world.layout.RUNNING_TASK]
                world.run_actor(offer)
                wrong = self.step_checks.judge(before, actor, offer)
        except Violation as error:
            return None, [str(error)]
        except Reset:
            return None, []
        except _MISTAKES as error:
            return None, [f"the kernel raised {type(error).__name__}: {error}"]
        return self.canon.capture(), wrong

    def judge(self) -> list[str]:
        """Return what is wrong with the state at hand, just captured or restored."""
        return self.state_checks.judge()

    def run(
        self,
        *,
        states_max: int = 10**8,
        seconds_max: float = 10**9,
        found_max: int = 30,
    ) -> Result:
        """Visit every state, or as many as the limits let; `seconds_max` is processor time."""
        result = Result()
        started = time.process_time()
        self.seen = {digest(self.first): 0}
        self.frontier = deque([(0, self.first)])
        self.judge_first(result)
        while self.frontier and len(result.found) < found_max:
            result.seconds = time.process_time() - started
            if len(self.seen) >= states_max or result.seconds > seconds_max:
                break
            number, state = self.frontier.popleft()
            self._expand(number, state, result)
        result.is_exhausted = not self.frontier and len(result.found) < found_max
        result.seconds = time.process_time() - started
        result.states = len(self.seen)
        return result

    def judge_first(self, result: Result) -> None:
        """Judge the state that all others come from."""
        restore(self.world, self.first)
        wrong = self.judge()
        if wrong:
            result.found[wrong[0]] = Found(tuple(wrong), ())

    def _expand(self, number: int, state: State, result: Result) -> None:
        """Make every step from one state."""
        world = self.world
        offers = self.offers(state)
        running = world.words[world.layout.RUNNING_TASK] >> world.layout.RECORD_SHIFT
        if self.observer is not None:
            self.observer.add_state(offers, state)
        for index, offer in enumerate(offers):
            if self.only is not None and offer.label not in self.only:
                continue
            result.steps += 1
            after, wrong = self.make(state, offer)
            found: list[Step] = [(None, after, wrong)]
            if self.closes and world.closes and world.level is None and not wrong:
                found += self.closing(state, offer)
                result.steps += len(found) - 1
            for script, each, mistakes in found:
                target, new = self._note(number, index, each, is_wrong=bool(mistakes))
                if self.observer is not None and target >= 0:
                    actor = 0 if isinstance(offer, Event) else running
                    self.observer.add_step(number, target, offer, actor)
                everything = mistakes + new
                if everything and everything[0] not in result.found:
                    path = (*self.path(number), index)
                    result.found[everything[0]] = Found(tuple(everything), path, script)

    def _note(
        self, number: int, index: int, after: State | None, *, is_wrong: bool
    ) -> tuple[int, list[str]]:
        """Take note of where a step has led; return that, and what is wrong there if it is new."""
        if after is None:
            return -1, []
        key = digest(after)
        if key in self.seen:
            return self.seen[key], []
        fresh = len(self.seen)
        self.seen[key] = fresh
        self.parents.append(number)
        self.via.append(index)
        if self.closes:  # other steps have been made since
            restore(self.world, after)
        wrong = self.judge()
        if not (wrong or is_wrong):  # what comes after is no news
            self.frontier.append((fresh, after))
        return fresh, wrong

    def closing(self, state: State, offer: Offer) -> Iterator[Step]:
        """Make an offer with all that may run while it closes a service, some steps at most."""
        world = self.world
        scripts: list[tuple[int, ...]] = [()]
        while scripts:
            script = world.script = scripts.pop()
            after, wrong = self.make(state, offer)
            needed, labels = world.offers_needed, list(world.script_labels)
            world.script = None
            if needed:
                if len(script) < CLOSE_STEPS_MAX:
                    scripts += [(*script, index) for index in range(needed)]
                continue
            if wrong:
                wrong = [*wrong, "while it closes: " + ", ".join(labels)]
            yield script, after, wrong

    def path(self, number: int) -> tuple[int, ...]:
        """Return the offers by which a state was reached first."""
        path = []
        while self.parents[number] >= 0:
            path.append(self.via[number])
            number = self.parents[number]
        return tuple(reversed(path))

    def walk(self, seed: int, *, seconds_max: float) -> Result:
        """Go through states by chance: deeper than `run` comes where it does not end."""
        result = Result(is_exhausted=False)
        started = time.process_time()
        dice = random.Random(seed)
        seen = set()
        while result.seconds < seconds_max and not result.found:
            state, path = self.first, []
            for _ in range(_WALK_STEPS):
                offers = self.offers(state)
                if not offers:
                    break
                index = dice.randrange(len(offers))
                path.append(index)
                result.steps += 1
                after, wrong = self.make(state, offers[index])
                if after is not None:
                    wrong = wrong + self.judge()
                    seen.add(digest(after))
                if wrong:
                    result.found[wrong[0]] = Found(tuple(wrong), tuple(path))
                if wrong or after is None:
                    break
                state = after
            result.seconds = time.process_time() - started
        result.states = len(seen)
        return result


def digest(state: State) -> bytes:
    """Return 16 bytes that tell a state from any other."""
    key = hashlib.blake2b(state[0], digest_size=16)
    key.update(repr(state[1:]).encode())
    return key.digest()
