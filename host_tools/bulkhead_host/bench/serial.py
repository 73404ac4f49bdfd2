"""Bytes lost between a serial line at 115,200 baud and the service that reads them.

The application is `firmware/bench/serial`: the uart driver, a listener, and a service that takes
all the time left. The host sends without a pause; the listener tells how many bytes came, and how
many of them were not what was sent.
"""

import re

from bulkhead_host.bench.images import BOARD, Images, built
from bulkhead_host.emulator.board import EmulatedBoard
from bulkhead_host.emulator.serial_peer import SerialPeer
from bulkhead_host.errors import BulkheadError
from bulkhead_host.files import read_text
from bulkhead_host.image.application import system_files
from bulkhead_host.paths import source_root
from bulkhead_host.system.fold import constants_of

APPLICATION = "firmware/bench/serial"
_SPINNING_MS = 200


def measure(_images: Images) -> dict[str, float]:
    """Return uart_rx_loss."""
    application = source_root() / APPLICATION
    image = built(system_files(application, board=BOARD))
    with EmulatedBoard(image=image.path, seed=0) as board:
        loss, _ = lost_bytes(board, SerialPeer(board))
    return {"uart_rx_loss": loss}


def lost_bytes(board: EmulatedBoard, peer: SerialPeer) -> tuple[int, str]:
    """Send the listener what it waits for; return how many bytes it missed, and what it logged."""
    source = source_root() / APPLICATION / "listener/service.py"
    program = constants_of(read_text(source))
    count, modulus = program["BYTES"], program["MODULUS"]
    log = board.run_until(b"listening", timeout_ms=5000)
    board.run_for(ms=_SPINNING_MS)
    peer.send(bytes(number % modulus for number in range(count)))
    log += board.run_until(b"wrong", timeout_ms=5000)
    found = re.search(rb"received: (\d+) bytes, (\d+) wrong", log)
    if found is None:
        raise BulkheadError("the listener did not tell what it received")
    return count - int(found[1]) + int(found[2]), log.decode()
