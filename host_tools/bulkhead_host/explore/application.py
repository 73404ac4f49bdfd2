"""Worlds made from an application: each service with those it reaches and those that reach it.

A service may do in them what its manifest lets it: call, send and notify whom it names, receive
and reply, acknowledge its lines, sleep, fail. What its code does in truth is some of that.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bulkhead_host.explore.authority import manifest, reach
from bulkhead_host.explore.embedding import Embedding
from bulkhead_host.explore.liveness import Graph, Lasso
from bulkhead_host.explore.search import Explorer, Result
from bulkhead_host.explore.spec import Service, World
from bulkhead_host.system.manifest import RIGHTS, Application
from bulkhead_host.system.manifest import Service as Manifest
from bulkhead_host.system.names import KERNEL

# Services in one world: with more there are too many states.
SERVICES_MAX = 4
_MAILBOX_DEPTH_MAX = 2
_SLOTS_MAX = 2
_SUPERVISOR = "supervisor"


@dataclass(frozen=True, kw_only=True)
class Explored:
    """One world of an application, and what was found in it."""

    name: str
    services: tuple[str, ...]
    result: Result
    explorer: Explorer
    lassos: tuple[Lasso, ...]


@dataclass(frozen=True, kw_only=True)
class Reach:
    """What one service may ever do to another; `granted` is what no manifest of its own names."""

    service: str
    target: str
    rights: tuple[str, ...]
    granted: tuple[str, ...]


def explore(application: Application, root: Path, *, seconds: float) -> Iterator[Explored]:
    """Explore a world for each service, so long in all; `seconds` is processor time."""
    worlds = worlds_of(application)
    left = seconds
    for done, (name, world) in enumerate(worlds.items()):
        explorer = Explorer(world, root)
        explorer.observer = graph = Graph(explorer)
        result = explorer.run(seconds_max=left / (len(worlds) - done))
        left = max(left - result.seconds, 0.0)
        is_known = result.is_exhausted and not result.found
        yield Explored(
            name=name,
            services=tuple(service.name for service in world.services),
            result=result,
            explorer=explorer,
            lassos=tuple(graph.judge()) if is_known else (),
        )


def worlds_of(application: Application) -> dict[str, World]:
    """Return a world for each service that reaches others, or is reached; each set but once."""
    by_name = {service.name: service for service in application.services}
    worlds: dict[str, World] = {}
    seen: set[frozenset[str]] = set()
    for service in application.services:
        near = _neighbours(service, application)
        names = frozenset((service.name, *near[: SERVICES_MAX - 1]))
        if service.name == _SUPERVISOR or len(names) == 1 or names in seen:
            continue
        seen.add(names)
        inside = [one for one in application.services if one.name in names]
        rows = tuple(_row(by_name[one.name], names, application) for one in inside)
        worlds[service.name] = World(rows, frozenset(("fire", "time")))
    return worlds


def _neighbours(service: Manifest, application: Application) -> list[str]:
    """Return whom a service reaches and who reaches it, those it reaches first."""
    reached = [use.target for use in service.uses if not use.is_implied]
    reaching = [
        other.name
        for other in application.services
        if any(use.target == service.name and not use.is_implied for use in other.uses)
    ]
    known = {other.name for other in application.services} - {service.name, _SUPERVISOR}
    return [name for name in dict.fromkeys((*reached, *reaching)) if name in known]


def _row(service: Manifest, names: frozenset[str], application: Application) -> Service:
    uses = tuple(
        (use.target, ",".join(_names(use.rights)))
        for use in service.uses
        if use.target in names and use.target != KERNEL
    )
    depth, policy = service.mailbox or (0, 0)
    return Service(
        name=service.name,
        priority=service.priority,
        mailbox=(min(depth, _MAILBOX_DEPTH_MAX), policy) if depth else None,
        uses=uses,
        lines=tuple(line.name for line in service.lines[:1]),
        slots=min(service.slots, _SLOTS_MAX),
        hard=service.hard,
        drives=bool(service.driven_pins),
        does=" ".join(_verbs(service, uses, _is_called(service.name, names, application))),
    )


def _is_called(name: str, names: frozenset[str], application: Application) -> bool:
    return any(
        use.target == name and use.rights & RIGHTS["call"]
        for other in application.services
        if other.name in names
        for use in other.uses
    )


def _verbs(service: Manifest, uses: tuple[tuple[str, str], ...], is_called: bool) -> Iterator[str]:
    """Yield what a service may do."""
    held = {right for _, rights in uses for right in rights.split(",")}
    if service.hard:
        yield "attend"
    else:
        yield "recv"
        yield "sleep"
    if is_called:
        yield "reply"
        yield "reply_recv"
    for right, verb in (("call", "calld"), ("send", "send"), ("notify", "notify")):
        if right in held:
            yield verb
    if "grant" in held and "call" in held:
        yield "grant"
    if service.lines:
        yield "ack"


def authority(application: Application, root: Path) -> list[Reach]:
    """Return who may ever reach what: by manifests, and by what others may grant."""
    rows = tuple(
        Service(
            name=service.name,
            priority=service.priority,
            slots=service.slots,
            uses=tuple((use.target, ",".join(_names(use.rights))) for use in service.uses),
        )
        for service in application.services
    )
    world = Embedding(World(rows), root)
    named = manifest(world)
    shift = world.layout.RECORD_SHIFT

    def name(task: int) -> str:
        return world.services[(task >> shift) - 1].name if task else KERNEL

    slots = {service.name: service.slots for service in rows}
    found = []
    for (task, target), rights in sorted(reach(world).items()):
        own = named.get((task, target), 0)
        granted = rights & ~own if slots[name(task)] else 0  # without a slot it can take nothing
        if own | granted:
            found.append(
                Reach(
                    service=name(task),
                    target=name(target),
                    rights=tuple(_names(own | granted)),
                    granted=tuple(_names(granted)),
                )
            )
    return found


def _names(rights: int) -> Iterator[str]:
    return (name for name, bit in RIGHTS.items() if rights & bit)
