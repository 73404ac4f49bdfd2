"""The link over a broker on the emulated Pico: asked, ordered, updated, with a real mosquitto."""

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from unix_agent import Mosquitto

from bulkhead_host.commands.build import BuildOptions, build
from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.emulator.net.network import Network
from bulkhead_host.link.client import Client
from bulkhead_host.link.network import open_network
from bulkhead_host.link.updater import update_to_itself

APPLICATION = Path(__file__).parents[1] / "cases" / "fleet_app"
SERVICES = Path(__file__).parents[2] / "services"
TIMEOUT_S = 300.0  # of the wall: the board is slow
GATEWAY = "10.0.2.2"


class Desk:
    """A board that goes on in a thread of its own, and its broker."""

    def __init__(self, folder: Path) -> None:
        self.broker = Mosquitto()
        application = folder / "app"
        shutil.copytree(APPLICATION, application)
        system = application / "system.toml"
        text = system.read_text().replace('board = "unix"', 'board = "pico_ppp"')
        system.write_text(text + '\n[resistors]\ngp0 = "up"\n')
        manifest = application / "agent" / "service.toml"
        manifest.write_text(manifest.read_text().replace("127.0.0.1", GATEWAY))
        shutil.copy(SERVICES / "net" / "service.toml", application / "net" / "service.toml")
        built = build(BuildOptions(application=application, output=folder / "board.uf2"))
        self.board = EmulatedBoard(image=built.path, seed=0)
        self.board.start()
        self.network = Network(self.board, forwards={1883: self.broker.port})
        self.board.run_until(b"hosts reach", timeout_ms=20_000)
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self._go_on)
        self.thread.start()

    def _go_on(self) -> None:
        while not self.is_over.is_set():
            self.board.run_for(ms=20)
            self.board.read()

    def client(self) -> Client:
        """Return a host's client, by the broker."""
        url = f"mqtt://127.0.0.1:{self.broker.port}/garden"
        return Client(open_network(url), timeout_s=TIMEOUT_S)

    def close(self) -> None:
        self.is_over.set()
        self.thread.join()
        self.network.close()
        self.board.stop()
        self.broker.kill()


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    desk = Desk(tmp_path_factory.mktemp("agent"))
    yield desk
    desk.close()


def test_a_pico_is_asked_and_updated_over_a_broker_and_no_call_is_lost(desk: Desk) -> None:
    client = desk.client()
    hello = client.hello()
    assert (hello.board, hello.application) == ("pico_ppp", "fleet_app")
    assert client.table().named("agent") is not None
    before = client.call("caller", 1)[1]
    update_to_itself(client, ["soil"], probation_ms=300)
    after = client.call("caller", 1)[1]
    assert isinstance(before, tuple)
    assert isinstance(after, tuple)
    assert after[0] > before[0]
    assert (before[1], after[1]) == (0, 0)
    client.transport.close()
