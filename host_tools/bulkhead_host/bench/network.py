"""What the network takes: static RAM, heap, and the time until a broker has a message.

The application is `firmware/bench/networked`, built with fewer and more of its services, on the
board pico_ppp; the gateway and the broker are in this process, so the figures are the same in each
run. The heap of `net` is with its link up and no socket, that of `mqtt` with its connection. The
line has 115,200 baud.
"""

import re
import shutil
import tempfile
from pathlib import Path

from bulkhead_host.bench.images import Images
from bulkhead_host.emulator.board import EmulatedBoard
from bulkhead_host.emulator.net.network import Network
from bulkhead_host.emulator.net.tcp import Connection
from bulkhead_host.errors import BulkheadError
from bulkhead_host.files import read_text, write_text
from bulkhead_host.image.application import system_files
from bulkhead_host.image.build import Image, build_image
from bulkhead_host.paths import source_root

BOARD = "pico_ppp"
_APPLICATION = "firmware/bench/networked"
_PORT = 1883
_CONNECT, _PUBLISH_ONCE_AT_LEAST, _PING = 0x10, 0x32, 0xC0
_TIMEOUT_MS = 20_000
_STATIC = (".data", ".bss")


class _Broker:
    """As much of an MQTT broker as acknowledges (3.2, 3.4, 3.13)."""

    def open(self, connection: Connection) -> None:
        """Take the board."""
        self._connection = connection
        self._data = b""
        connection.accept()

    def receive(self, data: bytes) -> None:
        """Answer what has come whole."""
        self._data += data
        while len(self._data) > 1 and len(self._data) >= self._data[1] + 2:
            packet, self._data = self._data[: self._data[1] + 2], self._data[self._data[1] + 2 :]
            self._answer(packet)

    def room(self) -> int:
        """Return how many bytes it takes."""
        return 4096

    def finish(self) -> None:
        """End it too."""
        self._connection.close()

    def lose(self) -> None:
        """Do nothing."""

    def _answer(self, packet: bytes) -> None:
        if packet[0] == _CONNECT:
            self._connection.send(b"\x20\x02\x00\x00")
        elif packet[0] & ~8 == _PUBLISH_ONCE_AT_LEAST:
            at = 4 + int.from_bytes(packet[2:4], "big")
            self._connection.send(b"\x40\x02" + packet[at : at + 2])
        elif packet[0] == _PING:
            self._connection.send(b"\xd0\x00")


def measure(images: Images) -> dict[str, float]:
    """Return network_static_bytes, net_heap_bytes, mqtt_heap_bytes and mqtt_publish_ms."""
    without, _ = _run(without=("net", "mqtt", "publisher"))
    with_net, image = _run(without=("mqtt", "publisher"))
    with_mqtt, _ = _run(without=("publisher",))
    published, _ = _run(wanted="publish_us")
    static = [sum(of.sections[name] for name in _STATIC) for of in (image, images.default)]
    return {
        "network_static_bytes": static[0] - static[1],
        "net_heap_bytes": without - with_net,
        "mqtt_heap_bytes": with_net - with_mqtt,
        "mqtt_publish_ms": published / 1000,
    }


def _run(*, without: tuple[str, ...] = (), wanted: str = "free") -> tuple[int, Image]:
    """Return a number that the application has logged, and its image."""
    with tempfile.TemporaryDirectory() as folder:
        application = Path(folder) / "networked"
        shutil.copytree(source_root() / _APPLICATION, application)
        system = application / "system.toml"
        text = read_text(system)
        for name in without:
            text = text.replace(f'"{name}", ', "")
        write_text(system, text)
        image = build_image(board=BOARD, files=system_files(application, board=BOARD))
    with EmulatedBoard(image=image.path, seed=0) as board:
        network = Network(board, tcp={_PORT: _Broker}, reaches_host=False)
        log = board.run_until(f"{wanted}=".encode(), timeout_ms=_TIMEOUT_MS)
        board.run_for(ms=20)
        log += board.read()
        network.close()
    found = re.search(rf"{wanted}=(\d+)".encode(), log)
    if found is None:
        raise BulkheadError(f"the application did not tell {wanted}")
    return int(found[1]), image
