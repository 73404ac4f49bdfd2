"""Services of other boards that a manifest names: `[uses]` and `"garden:soil" = ["call"]`.

Such a capability reaches the service `far`, which makes the call on the other board; its badge
tells who calls, and whom.
"""

import re
from collections.abc import Iterator, Sequence

from bulkhead_host.system.manifest import FAR, RIGHTS, Service, Use

FIRST_BADGE = 256
"""Above the badges of all tasks, which are their numbers."""

_HANDLE = re.compile(r"[A-Za-z0-9._-]{1,32}:[a-z][a-z0-9_]*")


def far_uses(services: Sequence[Service]) -> list[tuple[Service, Use]]:
    """Return the capabilities that reach other boards, in the order of their badges."""
    return [(service, use) for service in services for use in service.uses if ":" in use.handle]


def badge_of(services: Sequence[Service], service: Service, use: Use, number: int) -> int:
    """Return the badge of a capability of the service with that number."""
    if ":" not in use.handle:
        return number
    return FIRST_BADGE + [(one.name, of.handle) for one, of in far_uses(services)].index(
        (service.name, use.handle)
    )


def far_source(services: Sequence[Service]) -> str:
    """Return what `bulkhead_system` has of other boards, where there is a service for them."""
    if not any(service.package == FAR for service in services):
        return ""
    rows = tuple(tuple(use.handle.split(":")) for _, use in far_uses(services))
    return f"# Board and service of each capability that reaches another board.\nFAR = {rows!r}\n"


def far_problems(services: Sequence[Service]) -> Iterator[tuple[Service, str, str, str]]:
    """Yield what is wrong with such a capability: service, handle, text, next step."""
    for service, use in far_uses(services):
        if not _HANDLE.fullmatch(use.handle):
            text = f"{use.handle!r} names no service of a board"
            yield service, use.handle, text, 'write "BOARD:SERVICE" = ["call"]'
        elif use.rights != RIGHTS["call"]:
            text = f"{use.handle} can be called, and nothing else"
            yield service, use.handle, text, f'"{use.handle}" = ["call"]'
