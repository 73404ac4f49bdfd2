"""What a monitor at its default interval takes from a service that spins.

The image is the application that ships with a service that takes all the time left
(`firmware/bench/monitored`) and moves a pin for each piece of its work. The host counts the
pieces in a time without a monitor, and in one with: the overhead is how many fewer there are, in
percent. Both times are of the emulator's clock.
"""

from bulkhead_host.bench.images import BOARD, Images, built
from bulkhead_host.emulator.board import EmulatedBoard
from bulkhead_host.errors import BulkheadError
from bulkhead_host.files import read_text
from bulkhead_host.image.application import system_files
from bulkhead_host.link.client import Client
from bulkhead_host.link.emulated import BoardTransport
from bulkhead_host.link.follow import INTERVAL_MS
from bulkhead_host.paths import source_root
from bulkhead_host.system.fold import constants_of

_APPLICATION = "firmware/bench/monitored"
_SETTLE_S = 0.5
_TABLES = 8


def measure(_images: Images) -> dict[str, float]:
    """Return monitor_overhead_percent."""
    application = source_root() / _APPLICATION
    image = built(system_files(application, board=BOARD))
    spinner = constants_of(read_text(application / "spinner/service.py"))
    window_s = _TABLES * INTERVAL_MS / 1000
    with EmulatedBoard(image=image.path, seed=0) as board:
        pin = board.pin(spinner["PROGRESS_PIN"])
        client = Client(BoardTransport(board))
        client.listen(_SETTLE_S)
        client.hello()
        pin.clear_edges()
        client.listen(window_s)
        alone = len(pin.edges)
        pin.clear_edges()
        until_s = client.transport.clock_s() + window_s
        tables = list(client.watch(interval_ms=INTERVAL_MS, until_s=until_s))
        watched = len(pin.edges)
    if len(tables) < _TABLES or None in tables:
        raise BulkheadError(f"the board sent {len(tables)} tables in {window_s:g} s")
    return {"monitor_overhead_percent": 100 * (alone - watched) / alone}
