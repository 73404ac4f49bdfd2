"""The reference of the boards, made of their files."""

from bulkhead_host.system.boards import Board, board_named, board_names
from docs.tables import code, table

_TIERS = {
    "emulated": "every test runs on an emulated one",
    "type-checked": "what runs on it is checked by types alone",
    "host": "the kernel's cases run on it",
    "described": "its file is there, and nothing runs on it",
}


def page() -> str:
    """Return the page."""
    boards = [board_named(name) for name in board_names()]
    rows = [[code(one.name), one.title, one.chip, one.tier] for one in boards]
    lines = ["# Boards", "", *table(["name", "board", "chip", "tier"], rows)]
    lines += [*table(["tier", "how far a board is tried"], [[*one] for one in _TIERS.items()])]
    for board in boards:
        lines += _board(board)
    return "\n".join(lines)


def _board(board: Board) -> list[str]:
    facts = [
        ["port", code(board.port)],
        ["flash", f"{board.flash_bytes:,} bytes, {board.file_system_bytes:,} for files"],
        ["RAM", f"{board.ram_bytes:,} bytes"],
        ["timers for lines", str(board.timer_lines)],
        ["is flashed by", code(board.method)],
        ["image", board.image.why_not or f"built here, of {code(board.image.micropython_board)}"],
    ]
    if board.needs:
        facts.append(["is missing", board.needs])
    lines = [f"## {board.name}", "", *table([board.title, ""], facts)]
    names = [
        [code(name), code(target)] for name, target in {**board.names, **board.external}.items()
    ]
    if any(row[1] for row in names):
        lines += table(["its own name", "pin"], [row for row in names if row[1]])
    pins = [
        [code(name), str(pin.gpio), ", ".join(pin.functions)] for name, pin in board.pins.items()
    ]
    return lines + (table(["pin", "GPIO", "functions"], pins) if pins else [])
