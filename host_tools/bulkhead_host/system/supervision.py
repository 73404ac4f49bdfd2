"""Restart policies in the system as a whole: what is wrong with them, and who falls with whom."""

from collections.abc import Iterator, Mapping

from bulkhead_host.system.document import Document, Keys
from bulkhead_host.system.manifest import Application, Service
from bulkhead_host.system.policy import Watchdog

SUPERVISOR = "supervisor"
WATCHDOG = "watchdog"

Problem = tuple[Document, Keys, str, str]
"""Which file, which key, what is wrong, what to do."""


def fates(application: Application) -> dict[str, tuple[str, ...]]:
    """Return for each service of a group those that are started again along with it."""
    found: dict[str, tuple[str, ...]] = {}
    for group in application.groups:
        for index, name in enumerate(group.services):
            rest = group.services[index + 1 :]
            if group.strategy == "one_for_all":
                found[name] = group.services[:index] + rest
            elif group.strategy == "rest_for_one":
                found[name] = rest
    return found


def supervision_problems(application: Application) -> Iterator[Problem]:
    """Yield what is wrong with groups, with what is started after what, and with the watchdog."""
    services = {service.name: service for service in application.services}
    yield from _groups(application, services)
    yield from _order(application, services)
    yield from _watchdog(application, services)


def _groups(application: Application, services: Mapping[str, Service]) -> Iterator[Problem]:
    document = application.document
    group_of: dict[str, str] = {}
    names: set[str] = set()
    start = list(services)
    for number, group in enumerate(application.groups):
        if group.name in names:
            text = f"there are two groups {group.name}"
            yield document, ("group", number, "name"), text, "rename one"
        names.add(group.name)
        latest = -1
        for index, name in enumerate(group.services):
            keys = ("group", number, "services", index)
            if name == SUPERVISOR:
                text = "the supervisor is in no group: the kernel starts it again"
                yield document, keys, text, "leave it out"
            elif name not in services:
                if name not in application.missing:
                    text = f"group {group.name} names {name}, which is not in the system"
                    yield document, keys, text, "add it to system.start, or mend the name"
                continue
            elif name in group_of:
                text = f"{name} is in group {group_of[name]} already"
                yield document, keys, text, "leave it out of one"
            elif group.strategy == "rest_for_one" and start.index(name) < latest:
                text = (
                    f"group {group.name} has {name} after {start[latest]}, "
                    "and system.start starts it before"
                )
                yield document, keys, text, "give both the same order"
            group_of.setdefault(name, group.name)
            latest = max(latest, start.index(name))


def _order(application: Application, services: Mapping[str, Service]) -> Iterator[Problem]:
    done: set[str] = set()
    for service in application.services:
        for index, name in enumerate(service.policy.after):
            if name not in services and name not in application.missing:
                text = f"{service.name} is started after {name}, which is not in the system"
                hint = "add it to system.start, or mend the name"
                yield service.document, ("service", "after", index), text, hint
        yield from _circles([service.name], done, services)


def _circles(
    path: list[str], done: set[str], services: Mapping[str, Service]
) -> Iterator[Problem]:
    service = services.get(path[-1])
    if service is None or service.name in done:
        return
    for index, name in enumerate(service.policy.after):
        if name in path:
            steps = [*path[path.index(name) :], name]
            text = f"none of these can be started: {' after '.join(steps)}"
            hint = "take one out of an after"
            yield service.document, ("service", "after", index), text, hint
        else:
            yield from _circles([*path, name], done, services)
    done.add(service.name)


def _watchdog(application: Application, services: Mapping[str, Service]) -> Iterator[Problem]:
    document, watchdog = application.document, application.watchdog
    if watchdog is None:
        if WATCHDOG in services:
            text = "the watchdog has nothing to watch: there is no [watchdog]"
            index = list(document.values["system"]["start"]).index(WATCHDOG)
            hint = "add [watchdog] to system.toml, or leave the service out"
            yield document, ("system", "start", index), text, hint
        return
    if WATCHDOG not in services and WATCHDOG not in application.missing:
        text = "[watchdog] is for the service watchdog, which is not in the system"
        yield document, ("watchdog",), text, "add it to system.start"
    yield from _critical(application, services, watchdog)


def _critical(
    application: Application, services: Mapping[str, Service], watchdog: Watchdog
) -> Iterator[Problem]:
    for name in watchdog.periods_ms:
        keys = ("watchdog", "period_ms", name)
        if name == WATCHDOG:
            text = "the watchdog does not watch itself: the hardware does"
            yield application.document, keys, text, "leave it out"
        elif name not in services:
            if name not in application.missing:
                text = f"the watchdog is to watch {name}, which is not in the system"
                yield application.document, keys, text, "add it to system.start, or mend the name"
        elif services[name].restart != "permanent":
            text = (
                f"{name} is critical, and {services[name].restart}: "
                "when it has ended the watchdog would reset the board"
            )
            hint = 'make it restart = "permanent", or leave it out'
            yield application.document, keys, text, hint
    for service in application.services:
        if service.name not in watchdog.periods_ms and any(
            use.target == WATCHDOG and not use.is_implied for use in service.uses
        ):
            text = f"{service.name} reports to the watchdog, which does not watch it"
            hint = f"add {service.name} to [watchdog.period_ms] in system.toml"
            yield service.document, ("uses", WATCHDOG), text, hint
