"""Who may ever hold what: the bound of authority that manifests and grants set."""

from collections.abc import Iterator

from bulkhead_host.explore.embedding import Embedding

Holdings = dict[tuple[int, int], int]


def reach(world: Embedding) -> Holdings:
    """Return the most rights that each task may ever hold on each, by (task, target).

    Those of its own manifest, and, without MAY_GRANT, those that somebody who has MAY_GRANT may
    give it in a call of it or in a reply to it. The kernel is target 0.
    """
    abi = world.abi
    grantable = abi.MAY_CALL | abi.MAY_SEND | abi.MAY_NOTIFY
    held = manifest(world)
    size = -1
    while size != sum(held.values()):
        size = sum(held.values())
        calls = {pair for pair, rights in held.items() if rights & abi.MAY_CALL}
        for (giver, target), rights in list(held.items()):
            if rights & abi.MAY_GRANT:
                for receiver in _partners(giver, calls):
                    known = held.get((receiver, target), 0)
                    held[receiver, target] = known | rights & grantable
    return held


def manifest(world: Embedding) -> Holdings:
    """Return the rights that the manifests name."""
    shift = world.layout.RECORD_SHIFT
    held: Holdings = {}
    for number, service in enumerate(world.services, 1):
        for target, names in service.uses:
            pair = number << shift, world.numbers.get(target, 0) << shift
            held[pair] = held.get(pair, 0) | world.rights(names)
    return held


def _partners(giver: int, calls: set[tuple[int, int]]) -> Iterator[int]:
    """Yield whom a task may give to: whom it calls, and who calls it."""
    for caller, callee in calls:
        if caller == giver:
            yield callee
        if callee == giver:
            yield caller
