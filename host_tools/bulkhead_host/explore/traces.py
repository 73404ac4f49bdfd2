"""Traces: a violation step by step, made again by numbers, and made smaller."""

from array import array

from bulkhead_host.explore.canonical import State, restore
from bulkhead_host.explore.embedding import NESTED, PARKED
from bulkhead_host.explore.events import Event
from bulkhead_host.explore.search import Explorer, Found

# What one attempt to make a trace smaller may cost, in states.
_SHRINK_STATES = 20_000


def replay(explorer: Explorer, found: Found) -> tuple[list[str], list[str]]:
    """Make the steps of a trace again; return them in words, and what is wrong after the last.

    A number that is no offer of its state ends the trace: the kernel has changed since.
    """
    lines: list[str] = []
    state: State | None = explorer.first
    wrong: list[str] = []
    for at, index in enumerate(found.path):
        if state is None:
            break
        offers = explorer.offers(state)
        if index >= len(offers):
            lines.append(f"the trace ends here: there is no offer {index} of {len(offers)}")
            break
        world = explorer.world
        who = "-"
        if world.kind in (PARKED, NESTED) and not isinstance(offers[index], Event):
            running = world.words[world.layout.RUNNING_TASK] >> world.layout.RECORD_SHIFT
            who = world.services[running - 1].name
        lines.append(f"{world.kind} {who:12} {offers[index].label}")
        is_last = at == len(found.path) - 1
        world.script = found.script if is_last else None
        state, wrong = explorer.make(state, offers[index])
        world.script = None
        if state is not None:
            wrong = wrong + explorer.judge()
    return lines, wrong


def describe(explorer: Explorer, state: State) -> str:
    """Return a state in words: who is in which state, with which priority and peer."""
    restore(explorer.world, state)
    world = explorer.world
    layout, names = world.layout, world.tree["bulkhead.terms"].STATE_NAMES
    w = array("i", state[0])
    parts = []
    for task, service in zip(world.tasks, world.services, strict=True):
        peer = w[task + layout.PEER] >> layout.RECORD_SHIFT
        waits = f"->{world.services[peer - 1].name}" if peer else ""
        name = names[w[task + layout.STATE]]
        parts.append(f"{service.name}={name} p{w[task + layout.PRIORITY]}{waits}")
    return " ".join(parts)


def shrink(explorer: Explorer, found: Found) -> Found:
    """Return a trace to the same violation that is made of as few kinds of step as possible.

    Searches with only the labels of the trace, then without each of them in turn. What is left is
    a shortest trace of those steps.
    """
    labels = _labels(explorer, found)
    best = _search(explorer, frozenset(labels), found) or found
    for label in labels:
        fewer = frozenset(_labels(explorer, best)) - {label}
        smaller = _search(explorer, fewer, found)
        if smaller is not None and len(smaller.path) <= len(best.path):
            best = smaller
    return best


def _labels(explorer: Explorer, found: Found) -> list[str]:
    labels = []
    state: State | None = explorer.first
    for index in found.path:
        if state is None:
            break
        offer = explorer.offers(state)[index]
        labels.append(offer.label)
        state, _ = explorer.make(state, offer)
    return labels


def _search(explorer: Explorer, labels: frozenset[str], found: Found) -> Found | None:
    """Return a shortest trace to what `found` says, by steps with these labels; None without."""
    explorer.only = labels
    explorer.forget()
    result = explorer.run(states_max=_SHRINK_STATES)
    explorer.only = None
    return result.found.get(found.wrong[0])
