"""Pins that the user has named: levels, interrupt lines by the kernel, and outputs made safe.

Nothing else is driven. A wire `GP2-GP3` is a loop-back, tried both ways; a pin by itself is read
back at its own pad, which interrupts as it drives (RP2040 datasheet, 2.19.3).
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from bulkhead_host.errors import BulkheadError
from bulkhead_host.link.raw_repl import RawRepl, numbers
from bulkhead_host.qualify.verdicts import Row, failed, judged, skipped

PART = "pins"
EDGES = 20

_PROGRAM = """
from time import ticks_diff, ticks_us
from cases.ports import CasePort, LOW
from cases.rig import Rig
from machine import mem32, Pin
FROM, TO, EDGES = {first}, {second}, {edges}
class Wired(CasePort):
    def line(self, kernel, offset, source, argument, trigger, on_trap=None):
        return super(CasePort, self).line(kernel, offset, "pin", TO, "rising none", on_trap)
times, seen, highs, lows, began, ends = [], [], [0], [0], [0], []
def level():
    return mem32[0xD0000004] >> TO & 1
def driver(task):
    line = task.cap("edge")
    yield task.acknowledge(line)
    while True:
        yield task.recv()
        times.append(ticks_diff(ticks_us(), began[0]))
        yield task.acknowledge(line)
def mover(task):
    out = Pin(FROM, Pin.OUT, value=0)
    for _ in range(EDGES):
        yield task.sleep(4)
        began[0] = ticks_us()
        out.value(1)
        yield task.sleep(2)
        highs[0] += level()
        out.value(0)
        yield task.sleep(2)
        lows[0] += not level()
    seen.append(len(times))
    out.value(1)
    yield task.sleep(1)
    ends.append(level())
    raise ValueError("to see its output made safe")
def watcher(task):
    while not ends:
        yield task.sleep(5)
    yield task.sleep(5)
    ends.append(level())
    rig.finish()
    yield task.recv()
port = Wired()
rig = Rig(port)
rig.add("driver", driver, priority=2, lines=("edge",))
rig.add("mover", mover, priority=4, outputs=(FROM, LOW))
rig.add("watcher", watcher, priority=5)
try:
    rig.run({run_ms})
finally:
    port.close()
    Pin(FROM, Pin.IN)
    Pin(TO, Pin.IN).irq(handler=None)
times.sort()
print(highs[0], lows[0], seen[0], times[len(times) // 2] if times else 0, ends[0], ends[-1])
"""
_RUN_MS = 2000


def look(
    repl: RawRepl, pins: Sequence[int], wires: Sequence[tuple[int, int]], *, limit_s: float
) -> Iterator[Row]:
    """Yield what each wire, both ways, and each pin by itself does."""
    ways = [way for first, second in wires for way in ((first, second), (second, first))]
    ways += [(pin, pin) for pin in pins]
    if not ways:
        yield skipped(PART, "interrupt lines", "no pin was named: --pin GP2 or --wire GP2-GP3")
    for first, second in ways:
        yield from _way(repl, first, second, limit_s)


def _way(repl: RawRepl, first: int, second: int, limit_s: float) -> Iterator[Row]:
    what = f"GP{second}" if first == second else f"GP{first} to GP{second}"
    repl.soft_reset()
    source = _PROGRAM.format(first=first, second=second, edges=EDGES, run_ms=_RUN_MS)
    try:
        said = numbers(repl.execute(source, timeout_s=limit_s), 6)
    except BulkheadError as error:
        yield failed(PART, what, str(error).strip().splitlines()[-1])
        return
    highs, lows, interrupts, median_us, before, after = said
    follows = highs == lows == EDGES
    yield judged(
        PART,
        f"{what}: level",
        follows,
        f"high {highs} and low {lows} times of {EDGES}"
        + ("" if follows else f": GP{second} does not follow; is the wire there?"),
    )
    yield replace(
        judged(
            PART,
            f"{what}: interrupts",
            interrupts == EDGES,
            _interrupts(second, interrupts, follows=follows),
        ),
        value=float(median_us) if interrupts else None,
        unit="us",
    )
    is_safe = before == 1 and after == 0
    yield judged(
        PART,
        f"{what}: safe output",
        is_safe,
        f"{before} while its driver ran, {after} after it had failed",
    )


def _interrupts(pin: int, count: int, *, follows: bool) -> str:
    if count == 0 and follows:
        return f"the line GP{pin} never interrupts, though its level follows"
    return f"the driver had {count} of {EDGES} edges"
