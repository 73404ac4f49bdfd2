"""Watch mode of `run` and `update`: a file is saved, and the service on the board is replaced."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from bulkhead_host.errors import BulkheadError, UsageError
from bulkhead_host.files import python_files
from bulkhead_host.image.changes import Targets, prepare
from bulkhead_host.link.client import Client
from bulkhead_host.link.transport import LinkLost
from bulkhead_host.link.updater import PROBATION_MS, Trial, begin_update
from bulkhead_host.system.examine import load_system

POLL_S = 0.25
"""Between two looks at the files."""

UPDATER = "updater"

_Seen = dict[Path, tuple[int, int]]


class Watcher:
    """Updates what changes in the services of an application.

    First the board gets what it has not yet. A change is taken when the files have been still
    from one look to the next. What is wrong later, with a file or its update, is told, and the
    watch goes on: the next saving may mend it. Raises `SystemRefused` when the application cannot
    work to begin with, and `UsageError` when it has no updater.
    """

    def __init__(
        self, application: Path, *, tell: Callable[[str], None], probation_ms: int = PROBATION_MS
    ) -> None:
        self._application = application
        self._folders = watched_folders(application)
        self._tell = tell
        self._probation_ms = probation_ms
        self._client: Client | None = None
        self._look_s = 0.0
        self._seen: _Seen | None = None
        self._done: _Seen | None = None
        self._manifests = self._read_manifests()
        self._names = ""
        self._trial: Trial | None = None

    def look(self, client: Client) -> None:
        """Look at files and board, if it is time to; call this often.

        Raises `LinkLost` when the board goes away. A new `client` is one to a board that is back,
        which may have other code than before.
        """
        if client is not self._client:
            self._client, self._trial, self._done = client, None, None
        elif client.transport.clock_s() < self._look_s:
            return
        try:
            self._look(client)
        except LinkLost:
            raise
        except BulkheadError as error:
            self._trial = None
            self._tell(f"not updated: {error.cause}")
            self._tell("the code that it had goes on; save again to try again")
        self._look_s = client.transport.clock_s() + POLL_S

    def _look(self, client: Client) -> None:
        before, self._seen = self._seen, sources(self._folders)
        self._look_at_manifests()
        if self._trial is not None:
            if self._trial.has_ended():
                self._trial = None
                self._tell(f"{self._names}: replaced, and kept")
        elif self._seen != self._done and self._seen == before:
            self._done = self._seen
            self._update(client)

    def _update(self, client: Client) -> None:
        bundles = prepare(client, Targets(application=self._application, names=()))
        if not bundles:
            self._tell("the board has what the files say")
            return
        self._names = ", ".join(bundle.name for bundle in bundles)
        size = sum(len(bundle.data) for bundle in bundles)
        self._tell(f"updating {self._names}: {size} bytes")
        self._trial = begin_update(
            client, bundles, probation_ms=self._probation_ms, on_phase=self._tell_phase
        )

    def _tell_phase(self, phase: str) -> None:
        if phase == "probation":
            seconds = self._probation_ms / 1000
            self._tell(f"{self._names}: the new code runs; on probation for {seconds:g} s")

    def _read_manifests(self) -> _Seen:
        system = stamps([self._application / "system.toml"])
        return stamps(folder / "service.toml" for folder in self._folders) | system

    def _look_at_manifests(self) -> None:
        manifests = self._read_manifests()
        changed = [path for path in manifests if manifests[path] != self._manifests.get(path)]
        self._manifests = manifests
        if changed:
            self._tell(f"{changed[0].name} was saved: it comes with a new image, by bulkhead run")


def watch(
    client: Client,
    application: Path,
    *,
    tell: Callable[[str], None],
    for_s: float | None = None,
    probation_ms: int = PROBATION_MS,
) -> None:
    """Update what changes in an application, for a time or until interrupted: see `Watcher`."""
    watcher = Watcher(application, tell=tell, probation_ms=probation_ms)
    clock_s = client.transport.clock_s
    until_s = None if for_s is None else clock_s() + for_s
    while until_s is None or clock_s() < until_s:
        watcher.look(client)
        client.listen(POLL_S)


def watched_folders(application: Path) -> tuple[Path, ...]:
    """Return the folders of an application's services; raise as `Watcher` does."""
    loaded, _ = load_system(application)
    if UPDATER not in (service.name for service in loaded.services):
        raise UsageError(
            f"{loaded.name} has no updater, so nothing of it can be replaced",
            f'add "{UPDATER}" to system.start',
        )
    return tuple(service.folder for service in loaded.services)


def sources(folders: Iterable[Path]) -> _Seen:
    """Return the files of services, with when each was saved last, and its size."""
    return stamps(file for folder in folders for file in python_files(folder))


def stamps(files: Iterable[Path]) -> _Seen:
    """Return when each file was saved last, and its size, of those that are there."""
    found: _Seen = {}
    for file in files:
        with suppress(FileNotFoundError):  # an editor puts another in its place
            stat = file.stat()
            found[file] = (stat.st_mtime_ns, stat.st_size)
    return found
