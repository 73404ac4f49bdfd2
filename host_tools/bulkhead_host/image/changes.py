"""What code of an application differs from what a board has, as bundles that the board takes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bulkhead_host.errors import BulkheadError
from bulkhead_host.image.application import code_digest, service_files
from bulkhead_host.image.bundle import make_bundle, service_named
from bulkhead_host.link.client import Client
from bulkhead_host.link.key import device_key
from bulkhead_host.link.services import Hello
from bulkhead_host.link.updater import Bundle, Listed, list_code
from bulkhead_host.system.boards import Board
from bulkhead_host.system.examine import load_system
from bulkhead_host.system.manifest import Application


@dataclass(frozen=True, kw_only=True)
class Targets:
    """What to update: services of an application, by name; none stands for all that changed."""

    application: Path
    names: tuple[str, ...]


def changed(application: Application, listed: Sequence[Listed]) -> list[str]:
    """Return the services whose code is not what the board has, in start order."""
    on_board = {code.name: code.code for code in listed}
    return [
        service.name
        for service in application.services
        if service.name in on_board
        and code_digest(service_files(service.folder, service.name)) != on_board[service.name]
    ]


def prepare(client: Client, targets: Targets, *, key: bytes | None = None) -> list[Bundle]:
    """Compile and sign what is to be sent; nothing when the board has it all.

    Raises `BulkheadError` when the board runs another application, or on another board.
    """
    application, board = application_for(client.hello(), targets.application)
    names = targets.names
    if not names:
        names = tuple(changed(application, listed_on(client, application)))
    return bundles(application, board, names, key or device_key())


def application_for(hello: Hello, folder: Path) -> tuple[Application, Board]:
    """Return the application of a folder for the board that has answered.

    Raises `BulkheadError` when that runs another.
    """
    application, board = load_system(folder, None)
    if application.name != hello.application:
        raise BulkheadError(
            f"the board runs {hello.application}, and {folder} is {application.name}",
            "bulkhead update APP, or flash this application first",
        )
    if board.name != hello.board:
        application, board = load_system(folder, hello.board)
    return application, board


def listed_on(client: Client, application: Application) -> list[Listed]:
    """Return what code a board has of an application's services."""
    everything = [service.name for service in application.services]
    return list_code(client, [name for name in client.table().names if name in everything])


def bundles(
    application: Application, board: Board, names: Iterable[str], key: bytes
) -> list[Bundle]:
    """Compile and sign the code of services. Raises `UsageError` for one that is not there."""
    names = tuple(names)
    for name in names:
        service_named(application, name)
    return [make_bundle(application, board, name, key=key) for name in names]
