"""The stack: at every depth that a guest may be in, all may happen that happens to services."""

from pathlib import Path

from bulkhead_host.commands.build import BuildOptions, build
from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.link.client import Client
from bulkhead_host.link.emulated import BoardTransport

AT_BOTTOM, GO_ON, OVER = 2, 3, 4
"""Pins: rises when the guest is as deep as it is to be; falls when it may come up; its end."""

STOCK_DEPTH = 31
"""How deep MicroPython's own image lets a program on a Pico go."""

STACK_TOP, STACK_BYTES = 0x20042000, 20 * 1024
PAINT = 0x5AA5F00F

GUEST = """
from machine import Pin

bottom, go_on, over = Pin(2, Pin.OUT, value=0), Pin(3, Pin.IN), Pin(4, Pin.OUT, value=0)


def work(depth):
    if depth:
        return work(depth - 1)
    bottom.on()
    while not go_on.value():
        pass
    bottom.off()
    while go_on.value():
        pass


depth = 0
try:
    while True:
        depth += 1
        work(depth)
except RuntimeError:
    over.on()
while True:
    pass
"""
CRASHED = ("blink", "led", "thermometer", "button", "logger")


def test_at_every_depth_of_a_guest_services_fail_and_answer(tmp_path: Path) -> None:
    """Nobody fails but who is made to, no reset, and the stack is never used up."""
    guest = tmp_path / "deep.py"
    guest.write_text(GUEST)
    image = build(BuildOptions(guest=guest, output=tmp_path / "deep.uf2")).path
    with EmulatedBoard(image=image) as board:
        client = Client(BoardTransport(board))
        bottom, go_on, over = (board.pin(number) for number in (AT_BOTTOM, GO_ON, OVER))
        go_on.drive(0)
        board.run_until(lambda: bottom.level == 1, timeout_ms=2000)
        _paint(board)
        depth = 0
        while not over.level:
            depth += 1
            board.write(b"x")
            name = CRASHED[depth % len(CRASHED)]
            table = client.table()
            if next(row for row in table.services if row.name == name).state != "faulted":
                client.inject(name, "crash")
            go_on.drive(1)
            board.run_until(lambda: not bottom.level, timeout_ms=500)
            go_on.drive(0)
            board.run_until(lambda: bottom.level == 1 or over.level == 1, timeout_ms=500)
        board.run_for(ms=100)
        faults = {row.name: row.fault for row in client.table().services}
    assert depth >= STOCK_DEPTH - 1
    assert {name for name, fault in faults.items() if fault} <= set(CRASHED)
    assert set(faults.values()) <= {None, "EXCEPTION", "INJECTED"}
    assert _unused(board) > 1024


def _paint(board: EmulatedBoard) -> None:
    """Write a pattern below all that is in use."""
    for at in range(STACK_TOP - STACK_BYTES, STACK_TOP - 6000, 4):
        board.chip.mcu.write_uint32(at, PAINT)


def _unused(board: EmulatedBoard) -> int:
    """Return the bytes that have the pattern still, from the stack's end on."""
    unused = 0
    while board.chip.mcu.read_uint32(STACK_TOP - STACK_BYTES + unused) == PAINT:
        unused += 4
    return unused
