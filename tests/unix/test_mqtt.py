"""The mqtt service on the unix port, with a strict broker on loopback that fails on purpose."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from mqtt_broker import Broker
from unix_console import unix_application

from pytest_bulkhead.processes import with_parent

APPLICATION = Path(__file__).parents[1] / "cases" / "mqtt_app"
REFUSED = "191"


class Desk:
    """The broker, and the board's process, whose log is read to its end."""

    def __init__(self, micropython: Path, folder: Path) -> None:
        self.broker = Broker()
        application = folder / "app"
        shutil.copytree(APPLICATION, application)
        manifest = application / "mqtt" / "service.toml"
        manifest.write_text(manifest.read_text().replace("1883", str(self.broker.port)))
        board = folder / "board"
        board.mkdir()
        unix_application(application, board)
        self.log_file = folder / "log"
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                [*with_parent(), micropython, "-X", "heapsize=2M", "main.py"],
                cwd=board,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def said(self) -> dict[str, str]:
        """Return what the sensor has logged."""
        return dict(re.findall(r"sensor: ([^:\r\n]*): (\d+)", self.log_file.read_text()))

    def payloads(self, topic: str) -> list[bytes]:
        """Return what was published with a topic."""
        return [one.payload for one in self.broker.published if one.topic == topic]

    def order(self, payload: bytes, *, number: int = 0) -> None:
        """Publish what the sensor has subscribed to."""
        self.broker.publish("home/a/set", payload, number=number)

    def close(self) -> None:
        """End both."""
        self.process.kill()
        self.process.communicate()
        self.broker.close()


@pytest.fixture(scope="module")
def desk(micropython: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    desk = Desk(micropython, tmp_path_factory.mktemp("mqtt"))
    yield desk
    desk.close()


def test_it_connects_subscribes_and_publishes(desk: Desk) -> None:
    broker = desk.broker
    broker.wait_until(lambda: desk.payloads("home/a/t") == [b"21", b"22"])
    (hello,) = broker.hellos
    assert (hello.client_id, hello.user, hello.password) == ("board", "somebody", "secret")
    assert (hello.keepalive_s, hello.will) == (2, ("home/board", b"gone"))
    assert broker.filters == [("home/+/set", 1)]
    first, second = [one for one in broker.published if one.topic == "home/a/t"]
    assert (first.qos, first.retain, second.qos, second.retain) == (0, False, 1, True)


def test_messages_come_to_the_mailbox_and_are_acknowledged(desk: Desk) -> None:
    broker = desk.broker
    desk.order(b"plain")
    desk.order(b"sure", number=5)
    broker.publish("home/set", b"does not fit")
    broker.publish("home/a/set", bytes(300), number=6)  # more than a message holds: lost
    broker.publish("home/a/set", bytes(3000))  # more than is kept: skipped
    desk.order(b"last", number=7)
    broker.wait_until(lambda: len(desk.payloads("home/echo")) == 3)
    said = [b"home/a/set plain", b"home/a/set sure", b"home/a/set last"]
    assert desk.payloads("home/echo") == said
    assert broker.acknowledged == [5, 6, 7]
    desk.order(b"status")
    broker.wait_until(lambda: desk.payloads("home/status") == [b"(2, 0, 2)"])


def test_what_was_not_acknowledged_is_sent_again_in_order_after_the_broker_went(
    desk: Desk,
) -> None:
    broker = desk.broker
    broker.acks = False
    desk.order(b"fill")
    broker.wait_until(lambda: desk.payloads("home/fill") == [b"0"])
    broker.wait_until(lambda: "full" in desk.said() or broker.pings > 1000)
    broker.acks = True
    broker.cut()
    broker.wait_until(lambda: len(desk.payloads("home/fill")) == 13)
    assert desk.said()["full"] == "12"
    assert desk.payloads("home/fill") == [b"0", *(b"%d" % count for count in range(12))]
    again = [one.dup for one in broker.published if one.topic == "home/fill"]
    assert again == [False, True, *([False] * 11)]
    assert len(broker.hellos) == 2
    assert broker.filters == [("home/+/set", 1)] * 2
    assert broker.wills == [("home/board", b"gone")]


def test_a_broker_that_does_not_answer_pings_is_given_up(desk: Desk) -> None:
    broker = desk.broker
    before = broker.pings
    broker.wait_until(lambda: broker.pings >= before + 2)
    assert len(broker.hellos) == 2  # it answers
    broker.pongs = False
    broker.wait_until(lambda: len(broker.hellos) == 3)
    broker.pongs = True
    broker.wait_until(lambda: len(broker.filters) == 3)


def test_a_broker_that_refuses_is_tried_again_and_again(desk: Desk) -> None:
    broker = desk.broker
    broker.refusals = 3
    broker.cut()
    broker.wait_until(lambda: len(broker.hellos) == 7 and len(broker.filters) == 4)
    assert desk.log_file.read_text().count("the broker refuses: code 3") == 3


def test_nonsense_ends_the_connection_and_harms_nobody(desk: Desk) -> None:
    broker = desk.broker
    for nonsense in (b"\x30\xff\xff\xff\xff\x7f", b"\x36\x00", b"\xf0\x00"):
        expected = [("home/+/set", 1)] * (len(broker.filters) + 1)
        broker.send(nonsense)
        broker.wait_until(partial(broker.has_filters, expected))
    desk.order(b"still there")
    broker.wait_until(lambda: desk.payloads("home/echo")[-1:] == [b"home/a/set still there"])
    assert "faulted" not in desk.log_file.read_text()


def test_a_client_unsubscribes(desk: Desk) -> None:
    count = len(desk.broker.filters)
    desk.order(b"leave")
    desk.broker.wait_until(lambda: len(desk.broker.filters) == count - 1)


def test_arguments_are_checked(desk: Desk) -> None:
    said = desk.said()
    for step in ("a wildcard", "no bytes", "too long", "QoS 2", "no filter"):
        assert said[step] == REFUSED
    assert said["not mine"] == "4"
    assert {said[step] for step in ("subscribed", "early", "there", "late")} == {"0"}


def test_the_will_is_told_when_the_board_dies(desk: Desk) -> None:
    desk.broker.wait_until(lambda: bool(desk.broker.hellos))
    before = len(desk.broker.wills)
    desk.process.kill()
    desk.broker.wait_until(lambda: len(desk.broker.wills) == before + 1)
