"""What the TOML files of an application say: a service's manifest, the list of services.

Loading looks at each file by itself and reports what is wrong in it, with the line; `checks`
looks at the system as a whole. What is wrong is read as something harmless, so that all
problems are found in one go; `examine.load_system` refuses a system that has any.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bulkhead_host import abi
from bulkhead_host.errors import UsageError
from bulkhead_host.files import python_files
from bulkhead_host.problem import Report
from bulkhead_host.system.destinations import Destination, read_destinations
from bulkhead_host.system.distributions import brought_services
from bulkhead_host.system.document import Document, read_document
from bulkhead_host.system.fields import Fields
from bulkhead_host.system.imports import with_companions
from bulkhead_host.system.library import read_packages
from bulkhead_host.system.names import NAME, why_no_service
from bulkhead_host.system.policy import (
    POLICY_KEYS,
    Group,
    Policy,
    Watchdog,
    read_groups,
    read_policy,
    read_watchdog,
)

RESTARTS = ("permanent", "transient", "temporary")
POLICIES = {"fail": 0, "block": 1, "drop_oldest": 2}
RIGHTS = {"call": 1, "send": 2, "notify": 4, "control": 16, "grant": 32}
SLOTS_MAX = 128
SAFE_STATES = ("low", "high", "input", "input up", "input down", "keep")
"""What a pin may be once the service that drove it has ended, in the order of the kernel's ports.

`keep` leaves it as it is."""
KEEP = "keep"
TRIGGERS = ("falling", "rising", "both")
PULLS = ("up", "down", "none")
SOURCES = {
    "pin": ("pin", "trigger", "pull"),
    "timer": ("period_us", "period_ms"),
    "uart": ("rx", "tx", "baudrate"),
    "pio": ("state_machine",),
    "console": (),
}
"""Sources of interrupt lines, and the keys of [[line]] that are for each."""

EVERY = "*"
"""Under [uses]: every other service of the application that takes calls; under [safe]: every pin
that the service drives."""

FAR = "far"
"""The service that calls those of other boards, which [uses] names as "BOARD:SERVICE"."""

BUDGET_MS_MAX = 60_000
TIMER_US_MIN = 100
TIMER_MS_MAX = 60_000
PERIOD_MS_MAX = 60_000
MEMORY_KB_MAX = 8_192


@dataclass(frozen=True, kw_only=True)
class Line:
    """One interrupt line of a driver. `pin`, `rx` and `tx` are names from the board, or empty."""

    name: str
    source: str
    pin: str = ""
    trigger: str = "falling"
    pull: str = "none"
    rate_max_hz: int = 1000
    period_us: int = 0
    rx: str = ""
    tx: str = ""
    baudrate: int = 0
    state_machine: int = 0

    @property
    def pins(self) -> tuple[str, ...]:
        """The names of the pins that the line uses."""
        return tuple(name for name in (self.pin, self.rx, self.tx) if name)


@dataclass(frozen=True, kw_only=True)
class Use:
    """One capability: the handle's name, the service it reaches, and the rights as bits.

    It is implied when the manifest does not name it, but says `"*"`.
    """

    handle: str
    target: str
    rights: int
    is_implied: bool = False


@dataclass(frozen=True, kw_only=True)
class Service:
    """A service's manifest and the folder of its code.

    The manifest may be elsewhere: an application's own, for a service that ships. `config` is
    what it tells the code: pairs of a name and a value.
    `budget_ms` is for a step; of every `period_ms` it may use `period_budget_ms`, where that is
    not 0. `memory_kb` is its quota of heap, 0 for none. `slots` is the room in its table for
    capabilities that it mints or is granted. `safe` says what is safe for the pins it drives, by
    their names or EVERY; `destinations` whom it may reach over the network.
    """

    name: str
    folder: Path
    priority: int
    version: int = 1
    budget_ms: int = 20
    period_ms: int = 0
    period_budget_ms: int = 0
    restart: str = "permanent"
    heartbeat_ms: int = 0
    policy: Policy = field(default_factory=Policy)
    memory_kb: int = 0
    slots: int = 0
    hard: bool = False
    modules: tuple[str, ...] = ()
    pins: tuple[str, ...] = ()
    mailbox: tuple[int, int] | None = None
    uses: tuple[Use, ...] = ()
    lines: tuple[Line, ...] = ()
    config: tuple[tuple[str, Any], ...] = ()
    safe: Mapping[str, str] = field(default_factory=dict)
    destinations: tuple[Destination, ...] = ()
    document: Document = field(compare=False, repr=False)

    @property
    def package(self) -> str:
        """The name that its code has on the board, which several services may share."""
        return self.folder.name

    @property
    def all_pins(self) -> tuple[str, ...]:
        """The pins that are the service's own: listed, a line's, or driven."""
        lines = [pin for line in self.lines for pin in line.pins]
        return (*self.pins, *lines, *(pin for pin in self.driven_pins if pin not in self.pins))

    @property
    def driven_pins(self) -> tuple[str, ...]:
        """The pins that need a safe state: those it lists, a UART's tx, and what [safe] names."""
        named = (*self.pins, *(line.tx for line in self.lines if line.tx), *self.safe)
        return tuple(dict.fromkeys(name for name in named if name != EVERY))

    def safe_state(self, pin: str) -> str:
        """Return what is safe for a pin, the empty string if the manifest does not say."""
        return self.safe.get(pin, self.safe.get(EVERY, ""))

    @property
    def manifest(self) -> Path:
        """The file that says all this."""
        return self.document.path

    def line(self, *keys: str | int) -> int:
        """Return the line of the manifest on which a key stands."""
        return self.document.line(*keys)


@dataclass(frozen=True, kw_only=True)
class Application:
    """An application: its services in start order. `missing` are those that cannot be read.

    `resistors` are pulls soldered to pins, `up` or `down`.
    With `link_closed` its state is read only by who has the device key. `packages` are modules
    taken into the image, each with its file or folder.
    """

    name: str
    board: str
    folder: Path
    packages: tuple[tuple[str, Path], ...] = ()
    resistors: Mapping[str, str] = field(default_factory=dict)
    link_closed: bool = False
    services: tuple[Service, ...] = ()
    missing: frozenset[str] = frozenset()
    groups: tuple[Group, ...] = ()
    watchdog: Watchdog | None = None
    document: Document = field(compare=False, repr=False)

    def line(self, *keys: str | int) -> int:
        """Return the line of system.toml on which a key stands."""
        return self.document.line(*keys)


_NOTHING: Mapping[str, Path] = MappingProxyType({})


def load_service(
    folder: Path,
    report: Report,
    *,
    shipped: Path | None = None,
    brought: Mapping[str, Path] = _NOTHING,
) -> Service | None:
    """Return the manifest in `folder`/service.toml, None when it is no TOML.

    A folder without Python files is a manifest for the service of that name, or of the name that
    `code` has, among those that distributions have `brought` and those `shipped`.
    """
    document = read_document(folder / "service.toml", report)
    if document is None:
        return None
    found_before = len(report.problems)
    top = Fields(document, report)
    top.only("service", "mailbox", "line", "uses", "config", "safe", "net")
    table = top.table("service")
    table.only(
        *("name", "version", "priority", "budget_ms", "period_ms", "period_budget_ms"),
        *("restart", "heartbeat_ms", "memory_kb", "slots", "hard", "modules", "pins", "code"),
        *POLICY_KEYS,
    )
    name = table.text("name")
    if name and name != folder.name:
        table.problem("name", f'service.name is "{name}", and its folder is {folder.name}')
    elif name and (reason := why_no_service(name)):
        table.problem("name", *reason)
    has_period = "period_ms" in table.values or "period_budget_ms" in table.values
    service = Service(
        name=folder.name,
        folder=(code := _code(folder, shipped, brought, table)),
        version=table.integer("version", low=1, high=65535, default=1),
        priority=table.integer("priority", low=0, high=abi.PRIORITIES - 1),
        budget_ms=table.integer("budget_ms", low=1, high=BUDGET_MS_MAX, default=20),
        period_ms=table.integer("period_ms", low=1, high=PERIOD_MS_MAX) if has_period else 0,
        period_budget_ms=(
            table.integer("period_budget_ms", low=1, high=PERIOD_MS_MAX) if has_period else 0
        ),
        restart=table.choice("restart", RESTARTS, default="permanent"),
        heartbeat_ms=table.integer("heartbeat_ms", low=0, high=3_600_000, default=0),
        policy=read_policy(table),
        memory_kb=table.integer("memory_kb", low=0, high=MEMORY_KB_MAX, default=0),
        slots=table.integer("slots", low=0, high=64, default=0),
        hard=table.boolean("hard", default=False),
        modules=with_companions(table.texts("modules")),
        pins=table.texts("pins"),
        mailbox=_mailbox(top),
        uses=_uses(top),
        lines=tuple(_line(row) for row in top.tables("line")),
        config=_config(top, None if code == folder else code / "service.toml", report),
        safe=_safe(top, None if code == folder else code / "service.toml", report),
        destinations=read_destinations(top),
        document=document,
    )
    if len(report.problems) == found_before:  # all its values are as the file says
        _check_times(service, table)
    return service


def _code(folder: Path, shipped: Path | None, brought: Mapping[str, Path], table: Fields) -> Path:
    """Return the folder with the code of the service whose manifest is in `folder`."""
    name = table.text("code", default=folder.name)
    if shipped is None or any(file.parent == folder for file in python_files(folder)):
        if name != folder.name:
            table.problem("code", f"service.code is {name}, and there is code in {folder}")
        return folder
    for place in (folder.parent / name, brought.get(name, folder), shipped / name):
        if place != folder and (place / "service.py").is_file():
            return place
    if name != folder.name:
        text = f"there is no service {name} with code, for service.code"
        table.problem("code", text, f"write {name}/service.py, or name a service that ships")
    return folder


def _config(top: Fields, shipped: Path | None, report: Report) -> tuple[tuple[str, Any], ...]:
    """Return what the manifest tells the code, and report what is no setting.

    `shipped` is the code's own manifest, if this is another: it has all settings there are, and
    their values where this one has none.
    """
    table = top.table("config") if "config" in top.values else Fields(top.document, report)
    given = table.values if table.keys else {}
    for key, value in given.items():
        if not isinstance(value, int | str):  # a bool is an int
            table.wrong(key, "an integer, a string, true or false")
    document = None if shipped is None else read_document(shipped, report)
    if document is None:
        return tuple(given.items())
    known = document.values.get("config", {})
    table = Fields(top.document, report, keys=("config",), values=given)
    table.only(*known)
    for key, value in given.items():
        if key in known and type(value) is not type(known[key]):
            table.wrong(key, f"like {known[key]!r}")
    return tuple({**known, **given}.items())


def _safe(top: Fields, shipped: Path | None, report: Report) -> dict[str, str]:
    """Return what the manifest calls safe for each pin, over what the code's own manifest does."""
    given = {}
    if "safe" in top.values:
        table = top.table("safe")
        given = {name: table.choice(name, SAFE_STATES) for name in table.values}
    document = None if shipped is None else read_document(shipped, report)
    known = {} if document is None else document.values.get("safe", {})
    own = {*_texts_of(top, "pins"), EVERY}
    return {**{pin: state for pin, state in known.items() if pin in own}, **given}


def _texts_of(top: Fields, key: str) -> list[object]:
    """Return an array of [service], none if it is no array: that is reported elsewhere."""
    service = top.values.get("service")
    found = service.get(key) if isinstance(service, dict) else None
    return found if isinstance(found, list) else []


def load_application(folder: Path, *, shipped: Path, report: Report) -> Application | None:
    """Return the application in `folder`/system.toml, None when it is no TOML.

    A service is looked for in the application's own folder, then among those that its
    distributions bring, then among those `shipped`. Raises UsageError when there is no
    system.toml.
    """
    try:
        document = read_document(folder / "system.toml", report)
    except UsageError:
        raise UsageError(
            f"{folder} holds no application: {folder / 'system.toml'} does not exist",
            "name the folder of a system.toml, or make one: bulkhead new NAME",
        ) from None
    if document is None:
        return None
    top = Fields(document, report)
    top.only("system", "link", "group", "watchdog", "resistors")
    table = top.table("system")
    table.only("name", "board", "start", "packages", "distributions")
    brought = brought_services(table)
    names = table.texts("start")
    if not table.values.get("start"):
        table.wrong("start", "an array of services, in start order")
    services = [_find_service(table, name, folder, shipped, brought) for name in names]
    found = tuple(service for service in services if service is not None)
    found = tuple(_with_every(service, found) for service in found)
    return Application(
        name=table.text("name"),
        board=table.text("board"),
        folder=folder,
        packages=read_packages(table, folder),
        resistors=_resistors(top),
        link_closed=_is_link_closed(top),
        services=found,
        missing=frozenset(names) - {service.name for service in found},
        groups=read_groups(top),
        watchdog=read_watchdog(top),
        document=document,
    )


def _resistors(top: Fields) -> dict[str, str]:
    """Return the pulls that are soldered to the board's pins."""
    if "resistors" not in top.values:
        return {}
    table = top.table("resistors")
    return {pin: table.choice(pin, ("up", "down")) for pin in table.values}


def _with_every(service: Service, services: Sequence[Service]) -> Service:
    """Return a service with a capability for each of those that EVERY stands for."""
    named = {use.target for use in service.uses} | {line.name for line in service.lines}
    uses: list[Use] = []
    for use in service.uses:
        if use.target != EVERY:
            uses.append(use)
            continue
        others = [one.name for one in services if one is not service and not one.hard]
        uses += [
            Use(handle=name, target=name, rights=use.rights, is_implied=True)
            for name in others
            if name not in named
        ]
    return replace(service, uses=tuple(uses))


def _is_link_closed(top: Fields) -> bool:
    if "link" not in top.values:
        return False
    table = top.table("link")
    table.only("reading")
    return table.choice("reading", ("open", "closed"), default="open") == "closed"


def _find_service(
    start: Fields, name: str, folder: Path, shipped: Path, brought: Mapping[str, Path]
) -> Service | None:
    line = start.document.line("system", "start", list(start.values["start"]).index(name))
    own = [
        candidate
        for candidate in (folder / name, folder / "services" / name)
        if (candidate / "service.toml").is_file()
    ]
    if len(own) > 1:
        text = f"there are two services {name}: {own[0]} and {own[1]}"
        start.report.add(start.document.path, line, text, "rename or remove one")
    candidates = [*own, brought.get(name, shipped / name)]
    if (candidates[0] / "service.toml").is_file() and NAME.match(name):
        return load_service(candidates[0], start.report, shipped=shipped, brought=brought)
    start.report.add(
        start.document.path,
        line,
        f"system.start names {name}, and there is no folder {name} with a service.toml in it",
        f"bulkhead new-service {name}, or correct the name",
    )
    return None


def _check_times(service: Service, table: Fields) -> None:
    if service.period_budget_ms > service.period_ms:
        text = (
            f"service.period_budget_ms is {service.period_budget_ms}, "
            f"more than the period of {service.period_ms} ms"
        )
        table.problem("period_budget_ms", text)
    if 0 < service.period_budget_ms < service.budget_ms:
        text = (
            f"service.budget_ms is {service.budget_ms}: one step may use more than a whole "
            f"period may, which is {service.period_budget_ms} ms"
        )
        table.problem("budget_ms", text, "lower budget_ms, or raise period_budget_ms")
    if 0 < service.heartbeat_ms <= service.budget_ms:
        text = (
            f"service.heartbeat_ms is {service.heartbeat_ms}, "
            f"and one step may take {service.budget_ms} ms (budget_ms)"
        )
        table.problem("heartbeat_ms", text, "raise heartbeat_ms, or lower budget_ms")


def _mailbox(top: Fields) -> tuple[int, int] | None:
    if "mailbox" not in top.values:
        return None
    table = top.table("mailbox")
    table.only("depth", "when_full")
    policy = POLICIES[table.choice("when_full", tuple(POLICIES))]
    return table.integer("depth", low=1, high=64), policy


def _uses(top: Fields) -> tuple[Use, ...]:
    if "uses" not in top.values:
        return ()
    table = top.table("uses")
    found = []
    for handle in table.values:
        rights = 0
        given = table.texts(handle)
        for right in given:
            if right not in RIGHTS:
                text = f'unknown right "{right}" to {handle}'
                table.problem(handle, text, f"use one or more of {', '.join(RIGHTS)}")
            rights |= RIGHTS.get(right, 0)
        if not given and table.values[handle] == []:
            table.problem(handle, f"{handle} is used without any right")
        target = FAR if ":" in handle else handle
        found.append(Use(handle=handle, target=target, rights=rights))
    return tuple(found)


def _line(table: Fields) -> Line:
    table.only(
        "name", "source", "rate_max_hz", *(key for keys in SOURCES.values() for key in keys)
    )
    source = table.choice("source", tuple(SOURCES))
    for owner, keys in SOURCES.items():
        for key in keys:
            if owner != source and key in table.values:
                text = f"line.{key} is for lines whose source is {owner}, not {source}"
                table.problem(key, text)
    is_uart = source == "uart"
    return Line(
        name=table.text("name"),
        source=source,
        pin=table.text("pin") if source == "pin" else "",
        trigger=table.choice("trigger", TRIGGERS, default="falling"),
        pull=table.choice("pull", PULLS, default="none"),
        rate_max_hz=table.integer("rate_max_hz", low=1, high=100_000, default=1000),
        period_us=_period_us(table) if source == "timer" else 0,
        rx=table.text("rx") if is_uart else "",
        tx=table.text("tx") if is_uart else "",
        baudrate=table.integer("baudrate", low=300, high=3_000_000, default=115_200),
        state_machine=table.integer("state_machine", low=0, high=7) if source == "pio" else 0,
    )


def _period_us(table: Fields) -> int:
    if "period_us" in table.values and "period_ms" in table.values:
        table.problem("period_ms", "a timer has one period", "leave out period_us or period_ms")
    if "period_us" in table.values:
        return table.integer("period_us", low=TIMER_US_MIN, high=TIMER_MS_MAX * 1000)
    return 1000 * table.integer("period_ms", low=1, high=TIMER_MS_MAX)
