"""What a board's TOML file says: its port, its memory, its pins by name."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bulkhead_host.errors import UsageError
from bulkhead_host.paths import source_root
from bulkhead_host.problem import Report
from bulkhead_host.system.document import read_document
from bulkhead_host.system.fields import Fields


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


def board_names() -> list[str]:
    """Return the names of the boards there are."""
    return sorted(path.parent.name for path in boards_folder().glob("*/board.toml"))


def boards_folder() -> Path:
    """Return the folder that has one folder a board."""
    return source_root() / "board_configs"


def board_named(name: str) -> Board:
    """Return a board; raise UsageError when there is none of that name, or its file is wrong."""
    if name not in board_names():
        known = ", ".join(board_names())
        raise UsageError(f'there is no board "{name}"', f"use one of {known}")
    report = Report()
    board = load_board(boards_folder() / name, report)
    if board is None or report.errors:
        raise UsageError(str(report.errors[0].from_here()), report.errors[0].next_step)
    return board


def load_board(folder: Path, report: Report) -> Board | None:
    """Return the board in `folder`/board.toml, None when it is no TOML."""
    document = read_document(folder / "board.toml", report)
    if document is None:
        return None
    top = Fields(document, report)
    top.only("board", "flash", "pins")
    table = top.table("board")
    table.only("name", "port", "architecture", "tier", "flash_bytes", "ram_bytes")
    pins = top.table("pins")
    return Board(
        name=table.text("name"),
        port=table.text("port"),
        architecture=table.text("architecture"),
        tier=table.choice("tier", ("emulated", "type-checked")),
        flash_bytes=table.integer("flash_bytes", low=1, high=1 << 30),
        ram_bytes=table.integer("ram_bytes", low=1, high=1 << 30),
        pins={name: pins.integer(name, low=0, high=63) for name in pins.values},
        flash=dict(top.table("flash").values),
    )
