"""Messages by the thousand from the mqtt service to a real mosquitto: what is lost is counted.

`BULKHEAD_MESSAGES=10000` has so many published in the place of 200.
"""

import os
import threading
from pathlib import Path

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from unix_agent import Mosquitto
from unix_network import TIMEOUT_S, NetworkBoard

APPLICATION = Path(__file__).parents[1] / "cases" / "many_app"
MESSAGES = int(os.environ.get("BULKHEAD_MESSAGES", "200"))


def test_every_message_comes_once_and_in_order(micropython: Path, tmp_path: Path) -> None:
    broker = Mosquitto()
    came: list[int] = []
    reader = paho.Client(CallbackAPIVersion.VERSION2)
    reader.on_message = lambda _client, _space, message: came.append(int(message.payload))
    is_subscribed = threading.Event()
    reader.on_subscribe = lambda *_: is_subscribed.set()
    reader.connect("127.0.0.1", broker.port)
    reader.subscribe("many", qos=1)
    reader.loop_start()
    assert is_subscribed.wait(TIMEOUT_S)
    over = tmp_path / "over" / "sender"
    over.mkdir(parents=True)
    manifest = (APPLICATION / "sender" / "service.toml").read_text()
    (over / "service.toml").write_text(manifest.replace("= 200", f"= {MESSAGES}"))
    ports = {1801: broker.port}
    board = NetworkBoard(micropython, APPLICATION, tmp_path, ports, over=over.parent)
    while not any("sender: published" in line for line in board.log):
        board.client.listen(0.1)
    assert any(f"sender: published {MESSAGES}, lost 0" in line for line in board.log)
    while len(came) < MESSAGES and reader.is_connected():
        board.client.listen(0.1)
    assert came == list(range(MESSAGES))
    board.close()
    reader.loop_stop()
    reader.disconnect()
    broker.kill()
