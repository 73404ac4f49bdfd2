"""The uphill rule: who may come to wait for whom, and where that goes in a cycle."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from bulkhead_host.system.manifest import RIGHTS, Service


@dataclass(frozen=True, kw_only=True)
class Cycle:
    """Calls that come back to where they began, and the manifest's line that closes them."""

    steps: tuple[str, ...]
    service: Service
    handle: str


@dataclass(frozen=True, kw_only=True)
class _Call:
    """One service may wait for another, by the line `handle` of a manifest."""

    words: str
    service: Service
    handle: str


_Calls = dict[str, dict[str, _Call]]


def cycles(services: Mapping[str, Service]) -> Iterator[Cycle]:
    """Yield the cycles of calls among services; targets that are not there are passed over."""
    calls: _Calls = {
        name: {
            use.target: _Call(words="calls", service=service, handle=use.handle)
            for use in service.uses
            if use.rights & RIGHTS["call"] and use.target in services
        }
        for name, service in services.items()
    }
    for receiver, target, call in list(_grants(services, calls)):
        calls[receiver].setdefault(target, call)
    done: set[str] = set()
    for name in services:
        yield from _walk([name], done, calls)


def _grants(services: Mapping[str, Service], calls: _Calls) -> Iterator[tuple[str, str, _Call]]:
    """Yield who may come to call whom by a grant.

    With a call, that is. What is granted with a reply closes no circle that is not there: from
    the granter, which calls the target, there would be a way to the receiver, and one back.
    """
    for name, service in services.items():
        for use in service.uses:
            if not (use.rights & RIGHTS["grant"] and use.target in calls[name]):
                continue
            words = "may be granted a call of"
            call = _Call(words=words, service=service, handle=use.handle)
            for receiver in list(calls[name]):
                if services[receiver].slots and receiver != use.target:
                    yield receiver, use.target, call


def _walk(path: list[str], done: set[str], calls: _Calls) -> Iterator[Cycle]:
    name = path[-1]
    if name in done:
        return
    for target, call in calls[name].items():
        if target in path:
            round_trip = [*path[path.index(target) :], target]
            steps = tuple(f"{a} {calls[a][b].words} {b}" for a, b in pairwise(round_trip))
            yield Cycle(steps=steps, service=call.service, handle=call.handle)
        else:
            yield from _walk([*path, target], done, calls)
    done.add(name)
