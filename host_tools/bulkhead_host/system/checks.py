"""Checks of a system as a whole, before anything of it reaches a board."""

from collections.abc import Iterable
from itertools import pairwise

from bulkhead_host.errors import UsageError
from bulkhead_host.system.manifest import KERNEL, RIGHTS, SLOTS_MAX, Application, Board, Service


def check(application: Application, board: Board) -> None:
    """Raise UsageError for the first thing that cannot work.

    Unknown targets, rights that the target cannot grant, tables of capabilities that are too
    long, cycles of calls (the uphill rule), pins the board does not have or that two services own.
    """
    services = {service.name: service for service in application.services}
    for service in application.services:
        if len(service.uses) + len(service.lines) + service.slots > SLOTS_MAX:
            raise UsageError(
                f"{service.folder}/service.toml: more than {SLOTS_MAX} capabilities",
                "lower service.slots, or use fewer services",
            )
        for use in service.uses:
            _check_use(service, use.target, use.rights, services)
    _check_uphill(services)
    _check_pins(application.services, board)


def _check_use(service: Service, target: str, rights: int, services: dict[str, Service]) -> None:
    place = f"{service.folder}/service.toml [uses]"
    if target == KERNEL:
        if rights != RIGHTS["control"]:
            raise UsageError(f'{place}: kernel grants only "control"')
        return
    if target not in services:
        raise UsageError(
            f"{place}: {service.name} uses {target!r}, which the system does not start",
            "add it to system.start, or correct the name",
        )
    if rights & RIGHTS["control"]:
        raise UsageError(f'{place}: only kernel grants "control", not {target!r}')
    if rights & RIGHTS["send"] and services[target].mailbox is None:
        raise UsageError(
            f"{place}: {service.name} sends to {target!r}, which has no mailbox",
            f"add [mailbox] to {services[target].folder}/service.toml, or call it",
        )


def _check_uphill(services: dict[str, Service]) -> None:
    """Refuse cycles of calls: two services that wait for each other wait for ever."""
    calls = {
        name: {use.target: "calls" for use in service.uses if use.rights & RIGHTS["call"]}
        for name, service in services.items()
    }
    for receiver, target in _grants(services, calls):
        calls[receiver].setdefault(target, "may be granted a call of")
    done: set[str] = set()
    for start in services:
        _walk(start, [start], done, calls)


def _grants(
    services: dict[str, Service], calls: dict[str, dict[str, str]]
) -> list[tuple[str, str]]:
    """Return who may come to call whom by a grant.

    With a call, that is. What is granted with a reply closes no circle that is not there: from
    the granter, which calls the target, there would be a way to the receiver, and one back.
    """
    return [
        (receiver, use.target)
        for name, service in services.items()
        for use in service.uses
        if use.rights & RIGHTS["grant"] and use.rights & RIGHTS["call"]
        for receiver in calls[name]
        if services[receiver].slots and receiver != use.target
    ]


def _walk(name: str, path: list[str], done: set[str], calls: dict[str, dict[str, str]]) -> None:
    if name in done:
        return
    for target in calls[name]:
        if target in path:
            cycle = [*path[path.index(target) :], target]
            steps = [f"{a} {calls[a][b]} {b}" for a, b in pairwise(cycle)]
            raise UsageError(
                f"calls go in a cycle: {', '.join(steps)}",
                "let one of them notify or send instead",
            )
        _walk(target, [*path, target], done, calls)
    done.add(name)


def _check_pins(services: Iterable[Service], board: Board) -> None:
    owner: dict[str, str] = {}
    for service in services:
        for pin in (*service.pins, *(line.pin for line in service.lines if line.pin)):
            if pin not in board.pins:
                raise UsageError(
                    f"{service.folder}/service.toml: board {board.name} has no pin {pin!r}",
                    f"use one of {', '.join(board.pins)}, or add it to board.toml",
                )
            if owner.setdefault(pin, service.name) != service.name:
                raise UsageError(f"pin {pin!r} belongs to {owner[pin]} and to {service.name}")
