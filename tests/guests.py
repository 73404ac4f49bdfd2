"""Boards with a guest program, and what their pins do meanwhile."""

from bulkhead_host.emulator import EmulatedBoard

GUEST_PIN, LED = 2, 25
"""The guest's, and that of the services."""


def edges(board: EmulatedBoard, pin: int, *, ms: int) -> int:
    """Let a board go on; return how often a pin changes meanwhile."""
    seen = len(board.pin(pin).edges)
    board.run_for(ms=ms)
    return len(board.pin(pin).edges) - seen
