"""Live update: how long the service is not there, what is lost, and how soon the new code runs.

The application of `firmware/bench/updated` has a service of the size of a driver, 1.1 KB of code,
that a more important one calls, and sends a message to, once a millisecond. Its next version comes
over the link, as `bulkhead update` sends it.

- `update_gap_ms`: from the last answer of the old version to the first of the new one, less the
  millisecond that the caller pauses.
- `update_stall_ms`: the longest time between two answers in all of the update, less that pause:
  what the updater's own steps, and loading the new code, keep from less important services.
- `update_lost_messages`: calls and messages that neither version counted.
- `save_to_running_ms`: from the first byte on the line, that of the challenge, to the edge of the
  pin that the first statement of the new version's `main` moves.

All are of the board's clock; that of the emulated flash, whose writes take no time, on a real one
some 50 ms for a sector that is erased: while it lasts nothing on the board runs. The nonces of the
session are the same each time.
"""

import re
import shutil
import tempfile
from pathlib import Path

from bulkhead_host.bench.images import BOARD, Images, built
from bulkhead_host.emulator.board import EmulatedBoard
from bulkhead_host.emulator.chip import CYCLE_NS
from bulkhead_host.errors import BulkheadError
from bulkhead_host.files import read_text, write_text
from bulkhead_host.image.application import system_files
from bulkhead_host.image.bundle import make_bundle
from bulkhead_host.link.client import Client
from bulkhead_host.link.emulated import BoardTransport
from bulkhead_host.link.key import KEY_BYTES
from bulkhead_host.link.updater import Bundle, send_update
from bulkhead_host.paths import source_root
from bulkhead_host.system.examine import load_system
from bulkhead_host.system.fold import constants_of

_APPLICATION = "firmware/bench/updated"
_SERVICE = "counter"
_KEY = bytes(range(KEY_BYTES))
_SETTLE_S = 0.5
_PAUSE_MS = 1
_PROBATION_MS = 50


def measure(_images: Images) -> dict[str, float]:
    """Return the figures above, by name."""
    application = source_root() / _APPLICATION
    image = built(system_files(application, board=BOARD))
    service = read_text(application / _SERVICE / "service.py")
    bundle = _next_version(application)
    log: list[str] = []
    with EmulatedBoard(image=image.path, key=_KEY, seed=0) as board:
        client = Client(BoardTransport(board), key=_KEY, on_output=log.append, first_sequence=0)
        client.listen(_SETTLE_S)
        client.hello()  # it runs: a board that boots takes no update
        pin = board.pin(constants_of(service)["RUNNING_PIN"])
        pin.clear_edges()
        began = board.cycles
        send_update(client, [bundle], probation_ms=_PROBATION_MS)
        rises = [edge.cycle for edge in pin.edges if edge.level == 1]
    said = re.search(r"version=2 lost=(-?\d+) gap=(\d+) stall=(\d+)", "\n".join(log))
    if said is None or not rises:
        raise BulkheadError(f"the new version did not run: {log[-5:]}")
    return {
        "update_gap_ms": int(said[2]) / 1000 - _PAUSE_MS,
        "update_stall_ms": int(said[3]) / 1000 - _PAUSE_MS,
        "update_lost_messages": abs(int(said[1])),
        "save_to_running_ms": (rises[0] - began) * CYCLE_NS / 1e6,
    }


def _next_version(application: Path) -> Bundle:
    with tempfile.TemporaryDirectory(prefix="bulkhead-bench-") as folder:
        copy = Path(folder) / application.name
        shutil.copytree(application, copy)
        for name, old, new in (
            ("service.py", "VERSION = const(1)", "VERSION = const(2)"),
            ("service.toml", "version = 1", "version = 2"),
        ):
            path = copy / _SERVICE / name
            write_text(path, read_text(path).replace(old, new))
        return make_bundle(*load_system(copy, BOARD), _SERVICE, key=_KEY)
