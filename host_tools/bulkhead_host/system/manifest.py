"""What the TOML files say: a service's manifest, an application, a board.

Loading checks each file by itself and says which key of which file is wrong; `checks` looks at
the system as a whole.
"""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bulkhead_host.errors import UsageError
from bulkhead_host.system.fields import Fields

PRIORITIES = 8
RESTARTS = ("permanent", "transient", "temporary")
POLICIES = {"fail": 0, "block": 1, "drop_oldest": 2}
RIGHTS = {"call": 1, "send": 2, "notify": 4, "control": 16, "grant": 32}
SLOTS_MAX = 128
TRIGGERS = ("falling", "rising", "both")
PULLS = ("up", "down", "none")
SOURCES = ("pin", "console")
KERNEL = "kernel"


@dataclass(frozen=True, kw_only=True)
class Line:
    """One interrupt line of a driver. `pin` is a name from the board, or empty."""

    name: str
    source: str
    pin: str = ""
    trigger: str = "falling"
    pull: str = "none"
    rate_max_hz: int = 1000


@dataclass(frozen=True, kw_only=True)
class Use:
    """One capability: the handle's name, the service it reaches, and the rights as bits."""

    handle: str
    target: str
    rights: int


@dataclass(frozen=True, kw_only=True)
class Service:
    """A service's manifest and the folder it was read from.

    `slots` is the room in its table for capabilities that it mints or is granted.
    """

    name: str
    folder: Path
    priority: int
    version: int = 1
    budget_ms: int = 20
    restart: str = "permanent"
    heartbeat_ms: int = 0
    slots: int = 0
    modules: tuple[str, ...] = ()
    pins: tuple[str, ...] = ()
    mailbox: tuple[int, int] | None = None
    uses: tuple[Use, ...] = ()
    lines: tuple[Line, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Application:
    """An application: its services in start order."""

    name: str
    board: str
    folder: Path
    services: tuple[Service, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Board:
    """A board: which port runs it and which pins have names."""

    name: str
    port: str
    architecture: str
    tier: str
    flash_bytes: int
    ram_bytes: int
    pins: dict[str, int] = field(default_factory=dict)
    flash: dict[str, Any] = field(default_factory=dict)


def load_service(folder: Path) -> Service:
    """Return the manifest in `folder`/service.toml; raise UsageError with what is wrong in it."""
    path = folder / "service.toml"
    document = _read(path)
    document.only("service", "mailbox", "line", "uses")
    table = document.table("service")
    table.only(
        *("name", "version", "priority", "budget_ms", "restart"),
        *("heartbeat_ms", "slots", "modules", "pins"),
    )
    name = table.text("name")
    if name != folder.name:
        raise UsageError(f"{path}: service.name is {name!r} in folder {folder.name!r}")
    return Service(
        name=name,
        folder=folder,
        version=table.integer("version", low=1, high=65535, default=1),
        priority=table.integer("priority", low=0, high=PRIORITIES - 1),
        budget_ms=table.integer("budget_ms", low=1, high=60_000, default=20),
        restart=table.choice("restart", RESTARTS, default="permanent"),
        heartbeat_ms=table.integer("heartbeat_ms", low=0, high=3_600_000, default=0),
        slots=table.integer("slots", low=0, high=64, default=0),
        modules=table.texts("modules"),
        pins=table.texts("pins"),
        mailbox=_mailbox(document),
        uses=_uses(document),
        lines=tuple(_line(row) for row in document.tables("line")),
    )


def load_application(folder: Path, *, shipped: Path) -> Application:
    """Return the application in `folder`/system.toml with its services' manifests.

    A service is looked for in the application's own folder, then among those `shipped`.
    """
    path = folder / "system.toml"
    document = _read(path)
    document.only("system")
    table = document.table("system")
    table.only("name", "board", "start")
    names = table.texts("start")
    doubled = sorted({name for name in names if names.count(name) > 1})
    if not names or doubled:
        raise UsageError(f"{path}: system.start lists {', '.join(doubled) or 'nothing'} twice")
    return Application(
        name=table.text("name"),
        board=table.text("board"),
        folder=folder,
        services=tuple(
            load_service(_service_folder(path, name, folder, shipped)) for name in names
        ),
    )


def load_board(folder: Path) -> Board:
    """Return the board in `folder`/board.toml."""
    document = _read(folder / "board.toml")
    document.only("board", "flash", "pins")
    table = document.table("board")
    table.only("name", "port", "architecture", "tier", "flash_bytes", "ram_bytes")
    return Board(
        name=table.text("name"),
        port=table.text("port"),
        architecture=table.text("architecture"),
        tier=table.choice("tier", ("emulated", "type-checked")),
        flash_bytes=table.integer("flash_bytes", low=1, high=1 << 30),
        ram_bytes=table.integer("ram_bytes", low=1, high=1 << 30),
        pins=document.numbers("pins"),
        flash=dict(document.table("flash").values),
    )


def _read(path: Path) -> Fields:
    try:
        return Fields(str(path), tomllib.loads(path.read_text()))
    except FileNotFoundError:
        raise UsageError(f"{path} does not exist", "name a folder that holds one") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {error}", "correct the TOML there") from None


def _service_folder(path: Path, name: str, folder: Path, shipped: Path) -> Path:
    for candidate in (folder / name, folder / "services" / name, shipped / name):
        if (candidate / "service.toml").is_file():
            return candidate
    raise UsageError(
        f"{path}: system.start names {name!r}, and there is no such service",
        f"make {folder / name}/service.toml, or correct the name",
    )


def _mailbox(document: Fields) -> tuple[int, int] | None:
    if "mailbox" not in document.values:
        return None
    table = document.table("mailbox")
    table.only("depth", "when_full")
    policy = POLICIES[table.choice("when_full", tuple(POLICIES))]
    return table.integer("depth", low=1, high=64), policy


def _uses(document: Fields) -> tuple[Use, ...]:
    if "uses" not in document.values:
        return ()
    table = document.table("uses")
    found = []
    for handle in table.values:
        rights = 0
        for right in table.texts(handle):
            if right not in RIGHTS:
                raise table.wrong(handle, f"one or more of {', '.join(RIGHTS)}")
            rights |= RIGHTS[right]
        found.append(Use(handle=handle, target=handle, rights=rights))
    return tuple(found)


def _line(table: Fields) -> Line:
    table.only("name", "source", "pin", "trigger", "pull", "rate_max_hz")
    source = table.choice("source", SOURCES)
    return Line(
        name=table.text("name"),
        source=source,
        pin=table.text("pin") if source == "pin" else "",
        trigger=table.choice("trigger", TRIGGERS, default="falling"),
        pull=table.choice("pull", PULLS, default="none"),
        rate_max_hz=table.integer("rate_max_hz", low=1, high=100_000, default=1000),
    )
