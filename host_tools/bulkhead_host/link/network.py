"""Lines to a board over a network: by an MQTT broker, or straight to its agent.

    mqtt://[USER:PASSWORD@]HOST[:PORT]/BOARD    mqtts:// with TLS to the broker
    tcp://HOST:PORT/BOARD                       on a local network, where the agent listens

Nothing on the way is trusted: the board has to show that it is BOARD, and everything that it is
asked, reading included, goes in orders of a session (`firmware/bulkhead/session.py`). What is read
on the way is not secret.
"""

import contextlib
import queue
import re
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any
from urllib.parse import unquote, urlsplit

from bulkhead_host.errors import DeviceNotFound, UsageError
from bulkhead_host.link.transport import LinkLost, Transport

SCHEMES = ("mqtt", "mqtts", "tcp")
BOARD_NAME = re.compile(r"[A-Za-z0-9._-]{1,32}")
ROOT = "bulkhead"
"""The first level of every topic; the second is the board's name."""

PORT, TLS_PORT = 1883, 8883
CONNECT_S = 10.0
_KEEPALIVE_S = 60
_READ_BYTES = 4096
_FORM = "mqtt://BROKER/BOARD or tcp://HOST:PORT/BOARD"


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a board is in a network; `board` is empty where all of a broker's are meant."""

    scheme: str
    host: str
    port: int
    board: str = ""
    user: str = ""
    password: str = ""

    @property
    def name(self) -> str:
        """The URL without a password."""
        return f"{self.scheme}://{self.host}:{self.port}/{self.board}"


def parse_place(url: str, *, needs_board: bool = True) -> Place:
    """Return the place that a URL names. Raises `UsageError` where it names none."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    board = parts.path.removeprefix("/")
    default = {"mqtt": PORT, "mqtts": TLS_PORT}.get(parts.scheme)
    is_board = BOARD_NAME.fullmatch(board) or not (needs_board or board)
    if parts.scheme not in SCHEMES or not parts.hostname or not (port or default) or not is_board:
        raise UsageError(f"{_without_password(url)} names no board in a network", f"give {_FORM}")
    return Place(
        scheme=parts.scheme,
        host=parts.hostname,
        port=port or default or 0,
        board=board,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )


def _without_password(url: str) -> str:
    return re.sub(r"(?<=://)[^@/]*@", "", url)


def is_network(url: str) -> bool:
    """Tell whether a URL is one of these."""
    return url.partition("://")[0] in SCHEMES and "://" in url


def open_network(url: str) -> Transport:
    """Open a line. Raises `DeviceNotFound` when the broker, or the board, does not answer."""
    place = parse_place(url)
    return TcpTransport(place) if place.scheme == "tcp" else MqttTransport(place)


class NetworkLine:
    """What lines have in common that others can read and write; see `Transport`.

    The board has to show that `board_name` is its own.
    """

    pace_min = 1.0

    def __init__(self, place: Place) -> None:
        self.board_name = place.board
        self.name = place.name

    def clock_s(self) -> float:
        """Return the computer's monotonic clock."""
        return time.monotonic()


class TcpTransport(NetworkLine):
    """A connection to an agent that listens."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        try:
            self._socket = socket.create_connection((place.host, place.port), CONNECT_S)
        except OSError as error:
            raise _nobody(place, str(error.strerror or error)) from error

    def read(self, timeout_s: float) -> bytes:
        """Return what has come; wait up to `timeout_s` for something."""
        self._socket.settimeout(max(timeout_s, 0.0))
        try:
            data = self._socket.recv(_READ_BYTES)
        except (TimeoutError, BlockingIOError):
            return b""
        except OSError as error:
            raise _lost(self.name) from error
        if not data:
            raise _lost(self.name)
        return data

    def write(self, data: bytes) -> None:
        """Send a frame."""
        self._socket.settimeout(CONNECT_S)
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise _lost(self.name) from error

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


class MqttTransport(NetworkLine):
    """A line by a broker."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._arrived: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._broker = BrokerLine(
            place,
            [f"{ROOT}/{place.board}/from"],
            lambda _topic, payload: self._arrived.put(payload),
        )

    def read(self, timeout_s: float) -> bytes:
        """Return what has come; wait up to `timeout_s` for something."""
        try:
            data = self._arrived.get(timeout=max(timeout_s, 0.0)) if timeout_s > 0 else b""
        except queue.Empty:
            data = b""
        with contextlib.suppress(queue.Empty):
            while True:
                data += self._arrived.get_nowait()
        if not data and self._broker.is_lost:
            raise _lost(self.name)
        return data

    def write(self, data: bytes) -> None:
        """Send a frame."""
        if self._broker.is_lost:
            raise _lost(self.name)
        self._broker.publish(f"{ROOT}/{self.board_name}/to", data)

    def close(self) -> None:
        """Leave the broker."""
        self._broker.close()


class BrokerLine:
    """A connection to a broker, for one thread: what comes is handed on in another.

    It serves once it is made, with all of `topics` subscribed to. Raises `DeviceNotFound`.
    """

    def __init__(
        self, place: Place, topics: list[str], on_message: Callable[[str, bytes], None]
    ) -> None:
        mqtt = _paho()
        self.is_lost = False
        self._answers: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._client = client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        if place.user:
            client.username_pw_set(place.user, place.password or None)
        if place.scheme == "mqtts":
            client.tls_set()
        client.on_connect = self._connected
        client.on_disconnect = self._disconnected
        client.on_subscribe = lambda *_: self._answers.put("")
        client.on_message = lambda _client, _data, found: on_message(found.topic, found.payload)
        try:
            client.connect(place.host, place.port, _KEEPALIVE_S)
        except (OSError, ValueError) as error:
            raise _nobody(place, str(getattr(error, "strerror", "") or error)) from error
        client.loop_start()
        self._await(place)
        if topics:
            client.subscribe([(topic, 1) for topic in topics])
            self._await(place)

    def publish(self, topic: str, payload: bytes, *, is_retained: bool = False) -> None:
        """Publish a message."""
        self._client.publish(topic, payload, qos=0, retain=is_retained)

    def close(self) -> None:
        """Leave the broker."""
        self._client.disconnect()
        self._client.loop_stop()

    def _await(self, place: Place) -> None:
        try:
            problem = self._answers.get(timeout=CONNECT_S)
        except queue.Empty:
            problem = "it does not answer"
        if problem:
            self.close()
            raise _nobody(place, problem)

    def _connected(self, *given: Any) -> None:
        reason = given[3]
        self._answers.put(f"it refuses: {reason}" if reason.is_failure else "")

    def _disconnected(self, *_: Any) -> None:
        self.is_lost = True
        self._answers.put("it has hung up")


def _paho() -> ModuleType:
    try:
        import paho.mqtt.client  # noqa: PLC0415  (an extra: most people have a cable)
    except ImportError as error:
        raise UsageError(
            "the link over a broker takes paho-mqtt, which is not installed",
            "pip install 'bulkhead-kernel[mqtt]'",
        ) from error
    return paho.mqtt.client


def _nobody(place: Place, why: str) -> DeviceNotFound:
    whom = "the board's agent" if place.scheme == "tcp" else "the broker"
    return DeviceNotFound(f"{whom} at {place.host}:{place.port} does not serve: {why}", _NEXT)


def _lost(name: str) -> LinkLost:
    return LinkLost(f"the connection to {name} is lost", _NEXT)


_NEXT = "see that it runs and that this machine reaches it"
