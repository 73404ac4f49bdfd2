"""Watch mode of `bulkhead update`: a file is saved, and the service on the board is replaced."""

from collections.abc import Callable, Iterable
from pathlib import Path

from bulkhead_host.commands.update import Targets, prepare
from bulkhead_host.errors import BulkheadError
from bulkhead_host.link.client import Client
from bulkhead_host.link.transport import LinkLost
from bulkhead_host.link.updater import PROBATION_MS, send_update
from bulkhead_host.system.examine import load_system

POLL_S = 0.25
"""Between two looks at the files."""

_Seen = dict[Path, tuple[int, int]]


def watch(
    client: Client,
    application: Path,
    *,
    tell: Callable[[str], None],
    for_s: float | None = None,
    probation_ms: int = PROBATION_MS,
) -> None:
    """Update what changes in the services of an application, for a time or until interrupted.

    First the board gets what it has not yet. A change is taken when the files have been still
    from one look to the next. What is wrong later, with a file or its update, is told, and the
    watch goes on: the next saving may mend it. Raises `SystemRefused` when the application cannot
    work to begin with, and `LinkLost` when the board goes away.
    """
    loaded, _ = load_system(application)
    folders = {service.folder for service in loaded.services}
    clock_s = client.transport.clock_s
    until_s = None if for_s is None else clock_s() + for_s
    seen: _Seen | None = None
    done: _Seen | None = None
    while until_s is None or clock_s() < until_s:
        before, seen = seen, sources(folders)
        if seen != done and seen == before:
            done = seen
            try_update(client, application, tell=tell, probation_ms=probation_ms)
        client.listen(POLL_S)


def sources(folders: Iterable[Path]) -> _Seen:
    """Return the Python files of services, with when each was saved last, and its size."""
    found: _Seen = {}
    for folder in folders:
        for file in folder.rglob("*.py"):
            try:
                stat = file.stat()
            except FileNotFoundError:  # an editor puts another in its place
                continue
            found[file] = (stat.st_mtime_ns, stat.st_size)
    return found


def try_update(
    client: Client, application: Path, *, tell: Callable[[str], None], probation_ms: int
) -> None:
    """Send what the board does not have; tell what came of it."""
    try:
        bundles = prepare(client, Targets(application=application, names=()))
        if bundles:
            names = ", ".join(bundle.name for bundle in bundles)
            tell(f"updating {names}")
            send_update(client, bundles, probation_ms=probation_ms)
        tell(f"{', '.join(bundle.name for bundle in bundles) or 'the board'} is as the files are")
    except LinkLost:
        raise
    except BulkheadError as error:
        tell(f"not updated: {error.cause}")
