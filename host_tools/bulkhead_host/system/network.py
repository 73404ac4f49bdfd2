"""Who reaches the network: the service `net` alone, and others by it, as far as [net] says."""

from collections.abc import Iterator, Mapping

from bulkhead_host.system.destinations import LISTEN, TLS
from bulkhead_host.system.manifest import RIGHTS, Service

NET = "net"
"""The folder of the code that owns the network."""

MODULES = ("lwip", "network", "socket", "ssl", "tls", "usocket", "ussl")
_DRIVERS = {"wifi": ("network",)}  # it keeps the chip in its network, and opens no socket

HANDSHAKE_MS = 1500
"""What a TLS handshake takes on the RP2040, with P-256: one C call of 1.4 s."""

Problem = tuple[Service, tuple[str | int, ...], str, str]
"""Whose manifest, which key, what is wrong, what to do."""


def network_problems(services: Mapping[str, Service]) -> Iterator[Problem]:
    """Yield what would let a service past `net`, and what `net` would refuse."""
    listeners: dict[int, str] = {}
    owner = ""
    for service in services.values():
        yield from _modules(service)
        yield from _clients(service, services)
        yield from _secured(service, services)
        if service.package == NET:
            if owner:
                text = f"{owner} has the network already: there is one {NET} on a board"
                yield service, ("service", "name"), text, f"leave out {service.name}"
            owner = owner or service.name
        for destination in service.destinations:
            if destination.kind != LISTEN:
                continue
            first = listeners.setdefault(destination.port, service.name)
            if first != service.name:
                text = f"{first} and {service.name} both listen at port {destination.port}"
                yield service, ("net", "listen"), text, ""


def _modules(service: Service) -> Iterator[Problem]:
    if service.package == NET:
        return
    for name in service.modules:
        top = name.partition(".")[0]
        if top in MODULES and top not in _DRIVERS.get(service.package, ()):
            text = f"{name} is for {NET} alone: {service.name} reaches the network by calling it"
            hint = f'{NET} = ["call"] under [uses], and its hosts under [net]'
            yield service, ("service", "modules"), text, hint


def _clients(service: Service, services: Mapping[str, Service]) -> Iterator[Problem]:
    used = [
        use
        for use in service.uses
        if use.target in services and services[use.target].package == NET
    ]
    for use in used:
        if use.rights & RIGHTS["grant"]:
            text = f"{use.target} tells its clients apart by whose capability they have"
            yield service, ("uses", use.handle), text, 'use ["call"]'
    if service.destinations and not any(use.rights & RIGHTS["call"] for use in used):
        text = f"{service.name} has destinations, and calls no {NET}"
        yield service, ("net",), text, f'{NET} = ["call"] under [uses]'
    for use in used if service.destinations else ():
        back = [one for one in services[use.target].uses if one.target == service.name]
        if not any(one.rights & RIGHTS["notify"] for one in back):
            text = f"{use.target} cannot notify {service.name}, nor learn that it has died"
            manifest = services[use.target]
            yield manifest, ("uses",), text, '"*" = ["notify"] under [uses]'


def _secured(service: Service, services: Mapping[str, Service]) -> Iterator[Problem]:
    """Yield what net's manifest has to say before it makes TLS: that its step may be so long."""
    if not any(destination.kind == TLS for destination in service.destinations):
        return
    for owner in services.values():
        if owner.package != NET:
            continue
        if owner.budget_ms < HANDSHAKE_MS:
            text = f"TLS, which {service.name} asks for, is a step of 1.4 s of {owner.name}"
            hint = f"say that it may be: budget_ms = {HANDSHAKE_MS} or more"
            yield owner, ("service", "budget_ms"), text, hint
        if not dict(owner.config).get("ca"):
            text = f"{owner.name} trusts no certificate, and {service.name} asks for TLS"
            yield owner, ("config",), text, "write one, DER in base64, as ca under [config]"
