"""From manifests to the modules frozen beside the kernel: `bulkhead_system`, `bulkhead_board`."""

import ast
import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bulkhead_host import __version__, abi
from bulkhead_host.files import read_text
from bulkhead_host.system.boards import Board, board_named
from bulkhead_host.system.ends import ends_of
from bulkhead_host.system.examine import load_system
from bulkhead_host.system.far import badge_of, far_source
from bulkhead_host.system.imports import SERVICE
from bulkhead_host.system.manifest import RIGHTS, Application, Line, Service
from bulkhead_host.system.network import NET
from bulkhead_host.system.outputs import outputs_of, safe_states
from bulkhead_host.system.supervision import SUPERVISOR, WATCHDOG, fates
from bulkhead_host.system.words import words_of

SUPERVISOR_PERIOD_MS = 2_000
"""In which the watchdog expects progress of the supervisor where system.toml names none."""


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Digests that tell one image, and what is in it, from another."""

    image: str = ""
    interface: str = ""
    codes: tuple[str, ...] = ()


def manifest_digest(application: Application, board: Board, name: str) -> str:
    """Return a digest of all that a service's manifest says but its version.

    The board computes it too: `manifest_of` in `services/updater/orders.py`.
    """
    numbered = enumerate(application.services, start=1)
    number, service = next(pair for pair in numbered if pair[1].name == name)
    pins = [_pins(service, board)] if service.pins else []
    row = _row(application, service, number, board)
    config = [pair for pair in service.config if type(pair[1]) in (bool, int, str)]
    text = repr((row, service.modules, pins, config))  # floats look otherwise on the board
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def system_module(application: Path, board: str) -> str:
    """Return the source of `bulkhead_system` for an application that is checked first."""
    return system_source(*load_system(application, board))


def system_source(
    application: Application,
    board: Board,
    *,
    guest: tuple[str, str] | None = None,
    identity: Identity | None = None,
) -> str:
    """Return the source of `bulkhead_system`: the table that the kernel is built from.

    `guest` is the name and the source of a guest program, `identity` what updates go by.

    A row: name, module, priority, budget in us, mailbox (depth, policy) or None, capabilities
    (handle, target, rights, badge), lines (name, source, argument, trigger, most a second), the
    supervisor's policy, options (period and budget of a period in us, quota in bytes, free
    slots, flags), and what makes its outputs safe (`system/outputs.py`). Badges are task numbers.
    A policy: restart kind, heartbeat, first and last pause, most restarts, in what time (all in
    ms), whether giving up is a reset, the tasks it is started after, and those that are started
    again along with it.
    """
    services = application.services
    rows = _rows(application, board)
    known = identity or Identity(codes=("",) * len(services))
    body = "".join(f"    {row!r},\n" for row in rows)
    return (
        '"""The system on this board, generated from its manifests."""\n\n'
        f"VERSION = {__version__!r}\nBOARD = {board.name!r}\nAPPLICATION = {application.name!r}\n"
        f"SERVICES = (\n{body})\n"
        f"# What each manifest adds to what every service may import.\n"
        f"MODULES = {tuple(service.modules for service in services)!r}\n"
        f"# The version of each service, and the pins of those that list some, in their order.\n"
        f"VERSIONS = {tuple(service.version for service in services)!r}\n"
        f"PINS = {tuple(_pins(service, board) for service in services if service.pins)!r}\n"
        f"LINK_CLOSED = {application.link_closed!r}\n"
        f"# Development mode, timeout and of each task its period in ms, and whether it reports.\n"
        f"WATCHDOG = {_watchdog(application)!r}\n"
        f"# What the manifests tell the services' code.\nCONFIG = {_config(services)!r}\n"
        f"GUEST = {guest!r}\n{_net(services)}{far_source(services)}"
        f"# The image; what its services are compiled against; and the code of each service.\n"
        f"IMAGE = {known.image!r}\nINTERFACE = {known.interface!r}\nCODES = {known.codes!r}\n"
    )


def boot_source(application: Application, board: Board) -> str:
    """Return the source of `bulkhead_boot`: what is needed once, and then let go of.

    `WORDS` are the kernel's words at boot (`firmware/plan/words.py`), `COMMON` is what every
    service may import. They take 4 KB of the heap of a board that loads them from a file.
    """
    return (
        '"""What this system needs to boot, generated from its manifests."""\n\n'
        f"WORDS = {words_of(_rows(application, board))!r}\nCOMMON = {SERVICE!r}\n"
    )


def board_module(board: str) -> str:
    """Return the source of `bulkhead_board` with all of a board's pins."""
    return board_source(board_named(board), used=board_named(board).pin_names)


def board_source(board: Board, *, used: Collection[str]) -> str:
    """Return the source of `bulkhead_board`: the board's pins by name, in capitals.

    It has those of its names that are `used`, since each costs RAM.
    """
    names = [name for name in board.pin_names if name in used]
    lines = [f"{name.upper()} = const({board.place(name)!r})" for name in names]
    head = f'"""Pins of the board {board.name}, generated from its board.toml."""\n\n'
    return head + "from micropython import const\n\n" + "\n".join(lines) + "\n"


def outputs_source(application: Application, board: Board) -> str:
    """Return the source of `bulkhead_outputs`: what makes the outputs of all services safe.

    It is apart, so that `boot.py` has it before anything else is loaded.
    """
    states: dict[int, str] = {}
    for service in application.services:
        states |= safe_states(service, board)
    head = '"""What makes all outputs safe, generated from the manifests."""\n\n'
    return head + f"STORES = {outputs_of(states, board)!r}\n"


def port_source(board: Board) -> str:
    """Return the source of `bulkhead_port`: the port of the board, for `main.py`."""
    head = f'"""The port of the board {board.name}, generated from its board.toml."""\n\n'
    return head + f"from port.{board.port} import Port\n"


def _rows(application: Application, board: Board) -> list[tuple[object, ...]]:
    numbered = enumerate(application.services, start=1)
    return [_row(application, service, number, board) for number, service in numbered]


def _policies(application: Application) -> dict[str, tuple[object, ...]]:
    """Return the supervisor's policy for each service by name."""
    numbers = {service.name: at for at, service in enumerate(application.services, start=1)}
    shared = fates(application)
    return {
        service.name: (
            *(service.restart, service.heartbeat_ms),
            *(service.policy.pause_first_ms, service.policy.pause_last_ms),
            *(service.policy.restarts_max, service.policy.window_ms),
            service.policy.on_giving_up == "reset",
            tuple(numbers[name] for name in service.policy.after),
            tuple(numbers[name] for name in shared.get(service.name, ())),
        )
        for service in application.services
    }


def _watchdog(application: Application) -> tuple[object, ...] | None:
    """Return what the watchdog service goes by; the supervisor is critical by itself."""
    watchdog = application.watchdog
    if watchdog is None:
        return None
    periods_ms = {SUPERVISOR: SUPERVISOR_PERIOD_MS, **watchdog.periods_ms}
    critical = [
        (number, periods_ms[service.name], _reports(service))
        for number, service in enumerate(application.services, start=1)
        if service.name in periods_ms
    ]
    return watchdog.is_development, watchdog.timeout_ms, tuple(critical)


def _reports(service: Service) -> bool:
    """Tell whether a service's manifest lets it report to the watchdog: then it has to."""
    return any(use.target == WATCHDOG and use.rights & RIGHTS["send"] for use in service.uses)


def _row(
    application: Application, service: Service, number: int, board: Board
) -> tuple[object, ...]:
    services = application.services
    return (
        service.name,
        f"services.{service.package}.service",
        service.priority,
        service.budget_ms * 1000,
        service.mailbox,
        tuple(
            (use.handle, use.target, use.rights, badge_of(services, service, use, number))
            for use in service.uses
        ),
        tuple(_line(line, board) for line in service.lines),
        _policies(application)[service.name],
        _options(service),
        outputs_of(safe_states(service, board), board, ends_of(application, service, board)),
    )


def _pins(service: Service, board: Board) -> tuple[str, tuple[object, ...]]:
    return service.name, tuple(board.place(pin) for pin in service.pins)


def _config(services: Iterable[Service]) -> tuple[tuple[str, object], ...]:
    return tuple((service.name, service.config) for service in services if service.config)


def _net(services: Sequence[Service]) -> str:
    """Return whom each service may reach over the network, where there is one: see `rules`."""
    if not any(service.package == NET for service in services):
        return ""
    rows = tuple(
        (service.name, tuple((one.kind, one.host, one.port) for one in service.destinations))
        for service in services
        if service.destinations
    )
    return f"NET = {rows!r}\n"


def _options(service: Service) -> tuple[int, ...]:
    flags = (abi.ASYNC if is_async(service.folder) else 0) | (abi.HARD if service.hard else 0)
    period_us, period_budget_us = service.period_ms * 1000, service.period_budget_ms * 1000
    return (period_us, period_budget_us, service.memory_kb * 1024, service.slots, flags)


def is_async(folder: Path) -> bool:
    """Tell whether the `main` of a service, whose code is checked, is an `async def`."""
    body = ast.parse(read_text(folder / "service.py")).body
    return any(isinstance(node, ast.AsyncFunctionDef) and node.name == "main" for node in body)


def _line(line: Line, board: Board) -> tuple[object, ...]:
    argument: object = 0
    if line.source == "pin":
        argument = board.place(line.pin)
    elif line.source == "timer":
        argument = line.period_us
    elif line.source == "uart":
        number = board.uart_of(line.rx, line.tx)
        argument = (number, line.baudrate, board.place(line.tx), board.place(line.rx))
    elif line.source == "pio":
        argument = line.state_machine
    return (line.name, line.source, argument, f"{line.trigger} {line.pull}", line.rate_max_hz)
