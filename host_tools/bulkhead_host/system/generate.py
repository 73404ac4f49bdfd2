"""From manifests to the modules frozen beside the kernel: `bulkhead_system`, `bulkhead_board`."""

import ast
from pathlib import Path

from bulkhead_host import __version__, abi
from bulkhead_host.system.boards import Board, board_named
from bulkhead_host.system.examine import load_system
from bulkhead_host.system.imports import SERVICE
from bulkhead_host.system.manifest import Line, Service


def service_folders(application: Path, board: str) -> list[Path]:
    """Return the folders of an application's services, in start order."""
    loaded, _ = load_system(application, board)
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
        f"# What every service may import, and what each manifest adds.\nCOMMON = {SERVICE!r}\n"
        f"MODULES = {tuple(service.modules for service in loaded.services)!r}\n"
    )


def board_module(board: str) -> str:
    """Return the source of `bulkhead_board`: the board's pins by name, in capitals."""
    config = board_named(board)
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
        _options(service),
    )


def _options(service: Service) -> tuple[int, ...]:
    flags = abi.ASYNC if is_async(service.folder) else 0
    return (service.period_ms * 1000, service.period_budget_ms * 1000, 0, service.slots, flags)


def is_async(folder: Path) -> bool:
    """Tell whether the `main` of a service, whose code is checked, is an `async def`."""
    body = ast.parse((folder / "service.py").read_bytes()).body
    return any(isinstance(node, ast.AsyncFunctionDef) and node.name == "main" for node in body)


def _line(line: Line, board: Board) -> tuple[object, ...]:
    argument = board.pins[line.pin] if line.pin else 0
    return (line.name, line.source, argument, f"{line.trigger} {line.pull}", line.rate_max_hz)
