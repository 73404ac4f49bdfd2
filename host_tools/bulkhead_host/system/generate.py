"""From manifests to the modules frozen beside the kernel: `bulkhead_system`, `bulkhead_board`."""

import ast
from pathlib import Path

from bulkhead_host import __version__, abi
from bulkhead_host.errors import UsageError
from bulkhead_host.paths import source_root
from bulkhead_host.system.checks import check
from bulkhead_host.system.manifest import (
    Application,
    Board,
    Line,
    Service,
    load_application,
    load_board,
)


def load_system(application: Path, board: str) -> tuple[Application, Board]:
    """Load and check an application for a board."""
    boards = source_root() / "board_configs"
    if not (boards / board / "board.toml").is_file():
        known = sorted(path.parent.name for path in boards.glob("*/board.toml"))
        raise UsageError(f"there is no board {board!r}", f"use one of {', '.join(known)}")
    loaded = load_application(application, shipped=source_root() / "services")
    config = load_board(boards / board)
    check(loaded, config)
    return loaded, config


def service_folders(application: Path) -> list[Path]:
    """Return the folders of an application's services, in start order."""
    loaded = load_application(application, shipped=source_root() / "services")
    return [service.folder for service in loaded.services]


def system_module(application: Path, board: str) -> str:
    """Return the source of `bulkhead_system`: the table that the kernel is built from.

    A row: name, module, priority, budget in us, mailbox (depth, policy) or None, capabilities
    (handle, target, rights, badge), lines (name, source, argument, trigger, most a second), the
    supervisor's policy (restart, heartbeat in ms), and options (period and budget of a period in
    us, quota in bytes, free slots, flags). Badges are task numbers.
    """
    loaded, config = load_system(application, board)
    rows = [
        _row(service, number, config) for number, service in enumerate(loaded.services, start=1)
    ]
    body = "".join(f"    {row!r},\n" for row in rows)
    return (
        '"""The system on this board, generated from its manifests."""\n\n'
        f"VERSION = {__version__!r}\nBOARD = {board!r}\nAPPLICATION = {loaded.name!r}\n"
        f"SERVICES = (\n{body})\n"
    )


def board_module(board: str) -> str:
    """Return the source of `bulkhead_board`: the board's pins by name, in capitals."""
    config = load_board(source_root() / "board_configs" / board)
    lines = [f"{name.upper()} = const({number})" for name, number in config.pins.items()]
    head = f'"""Pins of the board {board}, generated from its board.toml."""\n\n'
    return head + "from micropython import const\n\n" + "\n".join(lines) + "\n"


def _row(service: Service, number: int, board: Board) -> tuple[object, ...]:
    return (
        service.name,
        f"services.{service.name}.service",
        service.priority,
        service.budget_ms * 1000,
        service.mailbox,
        tuple((use.handle, use.target, use.rights, number) for use in service.uses),
        tuple(_line(line, board) for line in service.lines),
        (service.restart, service.heartbeat_ms),
        (0, 0, 0, service.slots, abi.ASYNC if is_async(service.folder) else 0),
    )


def is_async(folder: Path) -> bool:
    """Tell whether the `main` of a service is an `async def`."""
    path = folder / "service.py"
    try:
        body = ast.parse(path.read_text()).body
    except OSError:
        raise UsageError(f"{path} is missing", "write it, with main(sys) in it") from None
    except SyntaxError as error:
        raise UsageError(f"{path}:{error.lineno}: {error.msg}", "correct it there") from None
    return any(isinstance(node, ast.AsyncFunctionDef) and node.name == "main" for node in body)


def _line(line: Line, board: Board) -> tuple[object, ...]:
    argument = board.pins[line.pin] if line.pin else 0
    return (line.name, line.source, argument, f"{line.trigger} {line.pull}", line.rate_max_hz)
