"""What outputs do when something happens: `python -m bulkhead_host.bench.events`.

Prints the table of `services/OUTPUTS.md`, measured on the emulated Pico with the application in
`firmware/bench/driven`: for each event how long every kind of output goes on, in microseconds of
the board, to the cycle of the pins' edges. An event in a service begins as the service raises its
marker's pin, one from outside as the host sends it, a reset with the chip's.

Below it: how long an edge waits that comes as a hard driver hands over to its next version, in
`firmware/bench/exchanged`, and to one that fails as it takes over.
"""

import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from bulkhead_host.bench.images import BOARD, built
from bulkhead_host.emulator.board import EmulatedBoard
from bulkhead_host.emulator.chip import CYCLE_NS
from bulkhead_host.errors import BulkheadError
from bulkhead_host.files import read_text, write_text
from bulkhead_host.image.application import system_files
from bulkhead_host.image.bundle import make_bundle
from bulkhead_host.link.client import Client
from bulkhead_host.link.emulated import BoardTransport
from bulkhead_host.link.key import device_key
from bulkhead_host.link.updater import UpdateTakenBack, send_update
from bulkhead_host.paths import source_root
from bulkhead_host.system.examine import load_system

SERVICE = "driven"
EXCHANGED, HARD = "exchanged", "stopper"
MARKER = 2
PINS = {"level, safe low": (16, 0), "PWM, safe low": (17, 0), "level, safe high": (18, 1)}
RELEASED = 19  # safe as an input, which the chip pulls nowhere and the desk to 0

IN_THE_SERVICE = {
    "an exception": 1,
    "`main` returns": 2,
    "the end of its budget (5 ms), then a kill": 3,
    "a kill that it catches, and all later ones": 4,
    "a full heap": 5,
    "a trap that it may not make": 6,
    "it hangs (heartbeat 500 ms)": 7,
}
_CYCLES_IN_US = 1000 // CYCLE_NS
_BOOT_MS = 400
_LIMIT_MS = 3_000
_SLEEP_MS = 60_000
_PRESSED, _POWER, _HANDS_OVER = 15, 16, 17
_PROBATION_MS = 50
_LEAVES, _RAISES = '"""Leave the pin alone."""', "raise ValueError"


class Desk:
    """The board, at the moment before an event: all outputs are driven."""

    def __init__(self, board: EmulatedBoard) -> None:
        self.board = board
        self.client = Client(BoardTransport(board))

    def ready(self) -> None:
        """Boot afresh, and see that all is driven."""
        self.board.reset()
        self.board.run_for(ms=_BOOT_MS)
        levels = [self.board.pin(pin).level for pin in (16, 17, 18, 19)]
        if levels != [1, 1, 0, 1]:
            raise BulkheadError(f"the outputs are not driven: {levels}")
        for pin in (16, 17, 18, 19, MARKER):
            self.board.pin(pin).clear_edges()

    def took_us(self, start: int | None) -> list[float]:
        """Return how long after a cycle, or after the marker rose, each output was safe."""
        times = []
        marks = [edge.cycle for edge in self.board.pin(MARKER).edges if edge.level]
        start = marks[0] if start is None else start
        for pin, safe in (*PINS.values(), (RELEASED, 0)):
            cycles = [edge.cycle for edge in self.board.pin(pin).edges if edge.level == safe]
            later = [cycle for cycle in cycles if cycle >= start]
            times.append((later[0] - start) / _CYCLES_IN_US if later else float("nan"))
        return times

    def run(self, begin: Callable[[], None]) -> list[float]:
        """Begin an event from outside and return the times from then on."""
        self.ready()
        start = self.board.cycles
        begin()
        self.board.run_for(ms=_LIMIT_MS)
        return self.took_us(start)


def measured(desk: Desk) -> list[tuple[str, list[float]]]:
    """Return each event with the times of the outputs, in the order of the table."""
    rows = []
    for event, operation in IN_THE_SERVICE.items():
        desk.ready()
        with suppress(BulkheadError):  # nobody answers the call
            desk.client.call(SERVICE, operation, _SLEEP_MS, timeout_ms=100)
        desk.board.run_for(ms=1_500)
        rows.append((event, desk.took_us(None)))
    client, board = desk.client, desk.board
    rows.append(("`bulkhead top` holds it", desk.run(lambda: client.control(SERVICE, "hold"))))

    def soft_reset() -> None:
        for keys in (b"\x03", b"\x04"):
            board.write(keys)
            board.run_for(ms=50)

    rows.append(("Ctrl-C, then a soft reset 50 ms later", desk.run(soft_reset)))

    def order_reset() -> None:
        with suppress(BulkheadError):
            client.reset()

    rows.append(("`bulkhead reset`", desk.run(order_reset)))
    rows.append(("power-on, the hardware watchdog, brown-out", desk.run(board.reset)))
    return rows


def table(rows: list[tuple[str, list[float]]]) -> str:
    """Return the rows as a table in Markdown."""
    heads = [*PINS, "level, safe as an input"]
    lines = ["| event | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    for event, times in rows:
        lines.append(f"| {event} | " + " | ".join(_words(us) for us in times) + " |")
    return "\n".join(lines)


def _words(us: float) -> str:
    return f"{us:.0f} us" if us < 1000 else f"{us / 1000:.1f} ms"  # noqa: PLR2004


def exchange_us(*, fails: bool) -> float:
    """Return how long power stays when an edge comes as a hard driver's live update begins."""
    folder = source_root() / "firmware" / "bench" / EXCHANGED
    image = built(system_files(folder, board=BOARD)).path
    key = device_key()
    with tempfile.TemporaryDirectory(prefix="bulkhead-bench-") as place:
        copy = Path(shutil.copytree(folder, Path(place) / EXCHANGED))
        manifest = copy / HARD / "service.toml"
        write_text(manifest, read_text(manifest).replace("version = 1", "version = 2"))
        if fails:
            code = copy / HARD / "service.py"
            write_text(code, read_text(code).replace(_LEAVES, _RAISES))
        bundle = make_bundle(*load_system(copy, BOARD), HARD, key=key)
    with EmulatedBoard(image=image, key=key) as board:
        client = Client(BoardTransport(board), key=key)
        board.run_for(ms=_BOOT_MS)
        pressed, power = board.pin(_PRESSED), board.pin(_POWER)
        pressed.drive(1)
        pressed.clear_edges()
        board.pin(_HANDS_OVER).on_edge(lambda *_: pressed.drive(0))
        with suppress(UpdateTakenBack):
            send_update(client, [bundle], probation_ms=_PROBATION_MS)
        (struck,) = (edge.cycle for edge in pressed.edges if not edge.level)
        fallen = next(edge.cycle for edge in power.edges if not edge.level)
    return (fallen - struck) / _CYCLES_IN_US


def main() -> int:
    """Measure and print."""
    files = system_files(source_root() / "firmware" / "bench" / SERVICE, board=BOARD)
    with EmulatedBoard(image=built(files).path) as board:
        print(table(measured(Desk(board))))
    kept_us, failed_us = (exchange_us(fails=fails) for fails in (False, True))
    text = "An edge that comes as a hard driver's live update begins waits for"
    print(f"\n{text} {kept_us / 1000:.1f} ms.")
    print(f"Where the new code fails, power is off after {failed_us / 1000:.1f} ms.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
