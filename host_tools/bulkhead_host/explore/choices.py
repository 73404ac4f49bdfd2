"""What a service may do in a state: the alphabet that the explorer draws from.

A world names verbs; each is a function from what the parked service holds to the choices it has.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from bulkhead_host.explore.embedding import Embedding
from bulkhead_host.explore.stand_ins import Crash, Interrupt

# In place of a result: the task waits, or has been faulted.
WAIT, FAULT = -1, -2

# Judges the result of a step: (world, words before, actor, result, WAIT or FAULT).
Judge = Callable[[Embedding, Any, int, int], bool]


@dataclass(slots=True)
class Choice:
    """One step of the parked service: a trap with its operands, or how its step ends.

    `expects` judges the result; `posts` is (task, bits) that the step notifies; `status` is what
    it replies with.
    """

    kind: str
    label: str
    word: int = 0
    registers: tuple[tuple[int, int], ...] = ()
    arg: object = None
    error: type[BaseException] | None = None
    expects: Judge | None = None
    posts: tuple[int, int] | None = None
    status: int = 0
    fills_heap: bool = False

    def perform(self, world: Embedding, number: int) -> int:
        """Do it; return the trap word."""
        w, layout = world.words, world.layout
        task = number << layout.RECORD_SHIFT
        world.has_full_heap = self.fills_heap
        if self.error is not None:
            if self.error is Interrupt:
                world.port.pending = False
            raise self.error()
        for register in range(layout.REGISTERS, layout.REGISTERS_END):
            w[task + register] = 0
        for register, value in self.registers:
            w[task + register] = value
        world.kernel.frames[number].arg = self.arg
        return self.word


def gives(*results: int) -> Judge:
    """Return what accepts only these results."""
    return lambda _world, _before, _actor, result: result in results


def returns(_world: Embedding, _before: Any, _actor: int, result: int) -> bool:
    """Accept any result of a trap that is no mistake, and a wait."""
    return result != FAULT


class Held(NamedTuple):
    """A capability of the parked service."""

    slot: int
    handle: int
    rights: int
    target: int  # offset of a task, a line, or 0 for the kernel
    here: int  # offset of the capability
    is_alive: bool  # whether the incarnation that it names is the present one


class Hand:
    """The parked service, and what it holds."""

    def __init__(self, world: Embedding, task: int) -> None:
        self.world = world
        self.task = task
        self.number = task >> world.layout.RECORD_SHIFT
        self.w, self.layout, self.abi = world.words, world.layout, world.abi
        self.held = capabilities(world, task)
        self.one_ms = ((world.layout.REGISTER_TIMEOUT, 1),)

    def targets(self, right: int) -> Iterator[Held]:
        """Yield the capabilities that have a right."""
        return (held for held in self.held if held.rights & right)

    def tasks(self) -> Iterator[Held]:
        """Yield the capabilities that name another task."""
        first, end = self.layout.RECORD, self.w[self.layout.TASKS_END]
        return (held for held in self.held if first <= held.target < end and not self.is_own(held))

    def is_own(self, held: Held) -> bool:
        """Tell whether a capability names the service itself."""
        return held.target == self.task

    def others(self) -> Iterator[tuple[int, int, str]]:
        """Yield (task, number, name) of all other services."""
        for task, service in zip(self.world.tasks, self.world.services, strict=True):
            if task != self.task:
                yield task, task >> self.layout.RECORD_SHIFT, service.name

    def control(self) -> int:
        """Return the handle of the right to control tasks."""
        return next(self.targets(self.abi.MAY_CONTROL)).handle


Verb = Callable[[Hand], Iterator[Choice]]


def capabilities(world: Embedding, task: int) -> list[Held]:
    """Return all that a task holds."""
    w, layout = world.words, world.layout
    found = []
    for slot in range(w[task + layout.CAPABILITY_COUNT]):
        here = w[task + layout.CAPABILITIES] + layout.CAPABILITY * slot
        word = w[here + layout.TARGET]
        rights = word >> layout.RIGHTS_SHIFT & layout.RIGHTS_MASK
        if rights:
            generation = word >> layout.SLOT_SHIFT << world.abi.HANDLE_GENERATION_SHIFT
            handle = slot << world.abi.HANDLE_SHIFT | generation
            target = word & layout.OFFSET_MASK
            named = w[here + layout.NAMED] & layout.GENERATION_MASK
            is_alive = named == w[target + layout.GENERATION]
            found.append(Held(slot, handle, rights, target, here, is_alive))
    return found


def steps(world: Embedding, verbs: Mapping[str, Verb]) -> list[Choice]:
    """Return all that the parked service may do, of these verbs."""
    hand = Hand(world, world.words[world.layout.RUNNING_TASK])
    found: list[Choice] = []
    for verb in world.services[hand.number - 1].verbs:
        found += verbs[verb](hand)
    if world.port.pending:
        found.append(Choice("die", "be killed", error=Interrupt, expects=gives(FAULT)))
    return found


def crash(label: str, error: type[BaseException] = Crash) -> Choice:
    """Return the choice to raise."""
    return Choice("crash", label, error=error, expects=gives(FAULT))
