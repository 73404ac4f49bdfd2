"""How long a client waits for the store.

The application is `firmware/bench/stored`: it times a put, which the store answers from RAM and
writes within a second, and one with a SAVE, which is answered once the flash has it. The emulated
flash takes no time: on a real one every sector that is erased adds some 45 ms to a save.
"""

import re

from bulkhead_host.bench.images import BOARD, Images, built
from bulkhead_host.emulator.board import EmulatedBoard
from bulkhead_host.errors import BulkheadError
from bulkhead_host.image.application import system_files
from bulkhead_host.paths import source_root

_APPLICATION = "firmware/bench/stored"


def measure(_images: Images) -> dict[str, float]:
    """Return store_put_ms and store_save_ms."""
    application = source_root() / _APPLICATION
    image = built(system_files(application, board=BOARD))
    with EmulatedBoard(image=image.path, seed=0) as board:
        log = board.run_until(b"save_us=", timeout_ms=10_000)
        board.run_for(ms=20)
        log += board.read()
    found = re.search(rb"put_us=(\d+) save_us=(\d+)", log)
    if found is None:
        raise BulkheadError("the client of the store did not tell how long it waited")
    return {"store_put_ms": int(found[1]) / 1000, "store_save_ms": int(found[2]) / 1000}
