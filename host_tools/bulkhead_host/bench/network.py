"""What the network takes: static RAM, heap, and the time until a broker has a message.

The application is `firmware/bench/networked`, built with fewer and more of its services, on the
board pico_ppp; the gateway and the broker are in this process, so the figures are the same in each
run. The heap of `net` is with its link up and no socket, that of `mqtt` with its connection; that
of PPP is what MicroPython's own objects take at the prompt of the same board, link up, with as
large buffers, and is part of that of `net`. The line has 115,200 baud.
"""

import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bulkhead_host.bench.images import Images
from bulkhead_host.emulator.board import EmulatedBoard
from bulkhead_host.emulator.net.network import Network
from bulkhead_host.emulator.net.tcp import Connection, FarEnd
from bulkhead_host.emulator.repl import execute, wait_for_prompt
from bulkhead_host.errors import BulkheadError
from bulkhead_host.files import read_text, write_text
from bulkhead_host.image.application import system_files
from bulkhead_host.image.build import Image, build_image
from bulkhead_host.paths import source_root

BOARD = "pico_ppp"
PORT = 1883
"""The broker's, at the gateway."""

SERVICES = ("net", "mqtt", "publisher", "agent", "echo", "gauge")
"""Those of the application that a measurement takes or leaves."""

_APPLICATION = "firmware/bench/networked"
_CONNECT, _PUBLISH, _PUBLISH_ONCE_AT_LEAST, _PING = 0x10, 0x30, 0x32, 0xC0
_SUBSCRIBE = 0x82
_MORE = 0x80  # of a byte of a length: another follows (2.2.3)
_TIMEOUT_MS = 30_000
_STATIC = (".data", ".bss")
# As `net` has it (`services/net/ppp.py`). A timer asks it for what has come.
_PLAIN = """
import gc, machine, network, time
gc.collect()
_before = gc.mem_alloc()
port = machine.UART(0, 115200, rxbuf=4096, txbuf=4096)
ppp = network.PPP(port)
ppp.connect()
while not ppp.isconnected():
    ppp.poll()
    time.sleep_ms(5)
ppp.poll()
gc.collect()
print("heap=%d" % (gc.mem_alloc() - _before))
_timer = machine.Timer(period=5, callback=lambda _: ppp.poll())
"""


class Broker:
    """As much of an MQTT broker as one board needs that connects to it (3.1 to 3.13).

    What the board publishes goes to `on_message`, by topic and payload.
    """

    def __init__(self, on_message: Callable[[bytes, bytes], None] = lambda *_: None) -> None:
        self._on_message = on_message
        self.has_subscriber = False

    def open(self, connection: Connection) -> None:
        """Take the board."""
        self._connection = connection
        self._data = b""
        connection.accept()

    def receive(self, data: bytes) -> None:
        """Answer what has come whole."""
        self._data += data
        while (found := _packet(self._data)) is not None:
            kind, body, size = found
            self._data = self._data[size:]
            self._answer(kind, body)

    def publish(self, topic: bytes, payload: bytes) -> None:
        """Send a message to the board, at QoS 0."""
        body = len(topic).to_bytes(2, "big") + topic + payload
        self._connection.send(bytes((_PUBLISH,)) + _length(len(body)) + body)

    def room(self) -> int:
        """Return how many bytes it takes."""
        return 4096

    def finish(self) -> None:
        """End it too."""
        self._connection.close()

    def lose(self) -> None:
        """Do nothing."""

    def _answer(self, kind: int, body: bytes) -> None:
        if kind == _CONNECT:
            self._connection.send(b"\x20\x02\x00\x00")
        elif kind == _SUBSCRIBE:
            self._connection.send(b"\x90\x03" + body[:2] + b"\x00")
            self.has_subscriber = True
        elif kind & 0xF0 == _PUBLISH:
            at = 2 + int.from_bytes(body[:2], "big")
            topic = body[2:at]
            if kind & ~8 & ~1 == _PUBLISH_ONCE_AT_LEAST:
                self._connection.send(b"\x40\x02" + body[at : at + 2])
                at += 2
            self._on_message(topic, body[at:])
        elif kind == _PING:
            self._connection.send(b"\xd0\x00")


def _packet(data: bytes) -> tuple[int, bytes, int] | None:
    """Return the first packet's kind, body and size (2.2.3); None while it is not whole."""
    size = shift = 0
    for at, byte in enumerate(data[1:5], start=2):
        size |= (byte & ~_MORE) << shift
        shift += 7
        if not byte & _MORE:
            whole = at + size
            return (data[0], data[at:whole], whole) if len(data) >= whole else None
    return None


def _length(size: int) -> bytes:
    """Return a remaining length of two bytes at most."""
    return bytes((size,)) if size < _MORE else bytes((size % _MORE | _MORE, size // _MORE))


def measure(images: Images) -> dict[str, float]:
    """Return network_static_bytes, the heap of net, PPP and mqtt, and mqtt_publish_ms."""
    without, _ = _logged("free", "gauge")
    with_net, image = _logged("free", "gauge", "net")
    with_mqtt, _ = _logged("free", "gauge", "net", "mqtt")
    published, _ = _logged("publish_us", "net", "mqtt", "publisher")
    with plain_board() as (_, ppp_bytes):
        pass
    static = [sum(of.sections[name] for name in _STATIC) for of in (image, images.default)]
    return {
        "network_static_bytes": static[0] - static[1],
        "net_heap_bytes": without - with_net,
        "ppp_heap_bytes": ppp_bytes,
        "mqtt_heap_bytes": with_net - with_mqtt,
        "mqtt_publish_ms": published / 1000,
    }


def networked(*services: str) -> Image:
    """Return the application with these of `SERVICES`, and what each application has."""
    with tempfile.TemporaryDirectory() as folder:
        application = Path(folder) / "networked"
        shutil.copytree(source_root() / _APPLICATION, application)
        system = application / "system.toml"
        text = read_text(system)
        for name in SERVICES:
            if name not in services:
                text = text.replace(f'"{name}", ', "")
        write_text(system, text)
        return build_image(board=BOARD, files=system_files(application, board=BOARD))


def logged(
    image: Image, names: tuple[str, ...], tcp: Mapping[int, Callable[[], FarEnd]]
) -> list[int]:
    """Return numbers that an application logs together, by their names."""
    with EmulatedBoard(image=image.path, seed=0) as board:
        network = Network(board, tcp=tcp, reaches_host=False)
        log = board.run_until(f"{names[0]}=".encode(), timeout_ms=_TIMEOUT_MS)
        board.run_for(ms=20)
        log += board.read()
        network.close()
    found = [re.search(rf"{name}=(\d+)".encode(), log) for name in names]
    numbers = [int(one[1]) for one in found if one is not None]
    if len(numbers) < len(names):
        raise BulkheadError(f"the application did not tell {', '.join(names)}")
    return numbers


@contextmanager
def plain_board(
    tcp: Mapping[int, Callable[[], FarEnd]] | None = None,
) -> Iterator[tuple[EmulatedBoard, int]]:
    """Give a board at MicroPython's prompt, connected, and the bytes of heap that PPP takes."""
    image = build_image(board=BOARD, files={"nothing.py": b""})
    with EmulatedBoard(image=image.path, seed=0) as board:
        network = Network(board, tcp=tcp or {}, reaches_host=False)
        wait_for_prompt(board)
        said = execute(board, _PLAIN, timeout_ms=_TIMEOUT_MS)
        yield board, int(said.partition("heap=")[2])
        network.close()


def _logged(name: str, *services: str) -> tuple[int, Image]:
    """Return a number that the application with these services has logged, and its image."""
    image = networked(*services)
    return logged(image, (name,), {PORT: Broker})[0], image
