"""Measures the emulated board: device times with and without the idle-USB repair, and its speed.

    python -m bulkhead_host.emulator.measure [IMAGE.uf2]

The device times are MicroPython's own readings of its clock and the same in every run; the
cycles per host second depend on the machine.
"""

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from bulkhead_host.emulator import native_core
from bulkhead_host.emulator.board import EmulatedBoard
from bulkhead_host.emulator.repl import execute, wait_for_prompt

_COUNT = 500
_IDLE_S = 100

_PROGRAM = f"""
import time
def function(x):
    return x
def generator():
    while True:
        yield
def measure():
    send = generator().send
    send(None)
    call = function
    t0 = time.ticks_us()
    for i in range({_COUNT}):
        call(i)
    t1 = time.ticks_us()
    for i in range({_COUNT}):
        send(None)
    t2 = time.ticks_us()
    print(time.ticks_diff(t1, t0), time.ticks_diff(t2, t1))
measure()
"""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What was measured. The first two are device time and repeat exactly."""

    call_us: float
    send_us: float
    busy_cycles_per_s: float
    idle_device_s_per_s: float


def measure(image: Path, *, hold_idle_out: bool = True) -> Figures:
    """Boot `image`, which must give a REPL, and measure it."""
    with EmulatedBoard(image=image, hold_idle_out=hold_idle_out, seed=0) as board:
        wait_for_prompt(board)
        start_s, start_cycle = time.perf_counter(), board.cycles
        call, send = (int(word) / _COUNT for word in execute(board, _PROGRAM).split())
        busy = (board.cycles - start_cycle) / (time.perf_counter() - start_s)
        start_s = time.perf_counter()
        # With the storm an idle second costs as much as a busy one.
        idle_s = _IDLE_S if hold_idle_out else 0.05
        board.run_for(ms=idle_s * 1000)
        idle = idle_s / (time.perf_counter() - start_s)
    return Figures(call_us=call, send_us=send, busy_cycles_per_s=busy, idle_device_s_per_s=idle)


def table(image: Path) -> str:
    """Measure before and after the repair, and return both as a table."""
    before = measure(image, hold_idle_out=False)
    after = measure(image)
    rows = [
        ("", "idle USB storms", "idle USB held"),
        ("Python function call, us", f"{before.call_us:.2f}", f"{after.call_us:.2f}"),
        ("generator.send, us", f"{before.send_us:.2f}", f"{after.send_us:.2f}"),
        (
            "busy, M cycles per host second",
            f"{before.busy_cycles_per_s / 1e6:.1f}",
            f"{after.busy_cycles_per_s / 1e6:.1f}",
        ),
        (
            "idle, device seconds per host second",
            f"{before.idle_device_s_per_s:.2f}",
            f"{after.idle_device_s_per_s:.0f}",
        ),
        ("emulator core", native_core.description(), native_core.description()),
    ]
    return "\n".join(f"{name:<38}{left:>16}{right:>16}" for name, left, right in rows)


def main() -> None:
    """Print the table for an image, MicroPython as it comes by default."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("image", nargs="?", type=Path)
    image = parser.parse_args().image
    if image is None:
        from bulkhead_host.image.build import stock_image  # noqa: PLC0415  (only here)

        image = stock_image(progress=lambda line: print(line, file=sys.stderr)).path
    print(table(image))


if __name__ == "__main__":
    main()
