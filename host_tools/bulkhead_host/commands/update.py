"""`bulkhead update`: replace the code of services on a running board."""

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from bulkhead_host.commands.options import connected, port_option, probation_option
from bulkhead_host.errors import UsageError
from bulkhead_host.image.changes import Targets, prepare
from bulkhead_host.image.flash import flash_image
from bulkhead_host.link.client import Client
from bulkhead_host.link.ports import open_port
from bulkhead_host.link.services import printable
from bulkhead_host.link.updater import Listed, list_code, nothing, send_update
from bulkhead_host.messages import teller
from bulkhead_host.paths import source_root
from bulkhead_host.view.services import console


@dataclass(frozen=True, kw_only=True)
class UpdateOptions:
    """The command line."""

    targets: tuple[str, ...]
    port: str
    application: Path | None
    probation_s: float
    wants_list: bool
    wants_json: bool
    wants_watch: bool
    takes_older: bool
    image: Path | None


def find_targets(words: Sequence[str], application: Path | None) -> Targets:
    """Return what the words of a command line name: services, their folders, an application's.

    Without `application` it is that of a folder named, then the present one if it has a
    system.toml, then the application that ships.
    """
    here = Path("system.toml").is_file()
    folder = application or (Path() if here else source_root() / "services")
    names = []
    for word in words:
        path = Path(word)
        if (path / "system.toml").is_file():
            folder = path
        elif (path / "service.toml").is_file():
            names.append(path.absolute().name)
            folder = application or _above(path.absolute()) or folder
        else:
            names.append(word)
    return Targets(application=folder, names=tuple(names))


def _above(folder: Path) -> Path | None:
    found = (above for above in folder.parents if (above / "system.toml").is_file())
    return next(found, None)


_HELP = """Replace the code of services on a running board.

TARGET is a service, its folder, or the folder of an application: then it is every service whose
code is not what the board has. All of them change, or none does. Only code changes: what a
manifest says is flashed with the image.

The board checks the signature, takes no version lower than it has without --older, keeps the
messages and the state that a service hands over, and puts the old code back when the new does not
start, or fails often in its probation. A reset in that time brings the old code back, too.
A service that is down is started with its new code; one that is held is not updated.
"""


@click.command(
    "update",
    help=_HELP,
    epilog="Examples: bulkhead update blink;  bulkhead update my_robot --port a0;  "
    "bulkhead update --list;  bulkhead update my_robot --watch",
)
@click.argument("targets", metavar="[TARGET]...", nargs=-1)
@port_option
@click.option(
    "--app",
    "application",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The application; the default is the present folder, or the one that ships.",
)
@probation_option
@click.option(
    "--watch",
    "wants_watch",
    is_flag=True,
    help="Go on, and replace each service whose files are saved, until Ctrl-C.",
)
@click.option(
    "--older",
    "takes_older",
    is_flag=True,
    help="Put a version in place that is lower than the board's, which it refuses otherwise.",
)
@click.option("--list", "wants_list", is_flag=True, help="List the code that each service has.")
@click.option("--json", "wants_json", is_flag=True, help="Print the list as JSON, for programs.")
@click.option(
    "--image",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Put a whole image on the board instead, as bulkhead flash does.",
)
def command(**options: Any) -> None:
    """Update services, list their code, or flash an image."""
    _do(UpdateOptions(**options))


def _do(options: UpdateOptions) -> None:
    if options.image is not None:
        if options.targets or options.wants_list:
            raise UsageError("--image replaces everything: it takes no TARGET", "leave one out")
        flashed = flash_image(options.image, port=options.port, progress=teller("update"))
        click.echo(f"flashed {options.image} to {flashed.port or flashed.volume}")
        return
    if options.wants_watch:
        _watch(options)
        return
    with connected(options.port) as client:
        if options.wants_list or options.wants_json:
            listed = list_code(client, options.targets or client.table().names)
            _print(listed, wants_json=options.wants_json)
            return
        bundles = prepare(client, find_targets(options.targets, options.application))
        if options.takes_older:
            bundles = [replace(bundle, may_be_older=True) for bundle in bundles]
        if not bundles:
            click.echo("nothing to update: the board has this code")
            return
        tell = teller("update")
        with _Bar() as bar:
            send_update(
                client,
                bundles,
                probation_ms=round(options.probation_s * 1000),
                progress=bar,
                on_phase=lambda phase: _tell_phase(tell, phase, options.probation_s),
            )
        for bundle in bundles:
            click.echo(f"{bundle.name} {bundle.version}: updated, {len(bundle.data)} bytes")


def _watch(options: UpdateOptions) -> None:
    """Update what is saved until Ctrl-C, and print the board's log meanwhile."""
    from bulkhead_host.commands.watch import watch  # noqa: PLC0415  (it uses this module)

    targets = find_targets(options.targets, options.application)
    if targets.names:
        raise UsageError(
            "--watch takes an application, and watches all its services",
            "bulkhead update APP --watch",
        )
    transport = open_port(options.port)
    try:
        client = Client(transport, on_output=lambda line: click.echo(printable(line)))
        with suppress(KeyboardInterrupt):
            watch(
                client,
                targets.application,
                tell=teller("update"),
                probation_ms=round(options.probation_s * 1000),
            )
    finally:
        transport.close()


class _Bar:
    """A progress bar on a terminal, and nothing elsewhere."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("update"), BarColumn(), DownloadColumn(), console=console(error=True)
        )

    def __enter__(self) -> Callable[[int, int], None]:
        if not self._progress.console.is_terminal:
            return nothing
        self._progress.start()
        task = self._progress.add_task("update", total=None)

        def show(taken: int, whole: int) -> None:
            self._progress.update(task, completed=taken, total=whole)
            if taken == whole:
                self._progress.stop()

        return show

    def __exit__(self, *_: object) -> None:
        if self._progress.live.is_started:
            self._progress.stop()


def _tell_phase(tell: Callable[[str], None], phase: str, probation_s: float) -> None:
    if phase == "probation":
        tell(f"the new code runs; on probation for {probation_s:g} s")


def _print(listed: Sequence[Listed], *, wants_json: bool) -> None:
    if wants_json:
        rows = [
            {
                "name": code.name,
                "version": code.version,
                "code": code.code,
                "slot": code.slot,
                "version_before": code.before,
            }
            for code in listed
        ]
        click.echo(json.dumps(rows, indent=1))
        return
    click.echo(f"{'SERVICE':<16} {'VERSION':>7}  {'CODE':<16}  {'FROM':<6}  BEFORE")
    for code in listed:
        place = "image" if code.slot == "-" else f"slot {code.slot}"
        before = "" if code.before is None else str(code.before)
        line = f"{code.name:<16} {code.version:>7}  {code.code:<16}  {place:<6}  {before}"
        click.echo(line.rstrip())
