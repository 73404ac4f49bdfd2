"""The far end of an emulated board's network, without a board: frames, packets, a lossy TCP."""

import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from bulkhead_host.emulator.net.conditions import Conditions, parse_conditions, parse_forward
from bulkhead_host.emulator.net.events import Events
from bulkhead_host.emulator.net.gateway import BOARD, HOST, Gateway
from bulkhead_host.emulator.net.hdlc import Deframer, framed
from bulkhead_host.emulator.net.packets import (
    ACK,
    FIN,
    RST,
    SYN,
    TCP,
    UDP,
    Datagram,
    Packet,
    Segment,
    read_datagram,
    read_packet,
    read_segment,
)
from bulkhead_host.emulator.net.ppp import packed, unpacked
from bulkhead_host.emulator.net.tcp import Connection
from bulkhead_host.errors import UsageError


class Alarm:
    """An alarm of the clock below."""

    def __init__(self, clock: "Clock", action: Callable[[], None]) -> None:
        self._clock = clock
        self._action = action
        self.due: float | None = None

    def schedule(self, delay_ns: float) -> None:
        self.due = self._clock.nanos + delay_ns

    def cancel(self) -> None:
        self.due = None

    def fire(self) -> None:
        self.due = None
        self._action()


class Clock:
    """The emulator's clock, moved by hand."""

    def __init__(self) -> None:
        self.nanos = 0.0
        self.alarms: list[Alarm] = []

    def create_alarm(self, action: Callable[[], None]) -> Alarm:
        self.alarms.append(Alarm(self, action))
        return self.alarms[-1]

    def run(self, ms: float) -> None:
        end = self.nanos + ms * 1e6
        while due := [one for one in self.alarms if one.due is not None and one.due <= end]:
            first = min(due, key=lambda one: one.due or 0)
            self.nanos = max(self.nanos, first.due or 0)
            first.fire()
        self.nanos = end


class Far:
    """A far end that keeps what it gets."""

    def __init__(self) -> None:
        self.got = bytearray()
        self.space = 8192
        self.is_finished = self.is_lost = False

    def open(self, connection: Connection) -> None:
        self.connection = connection
        connection.accept()

    def receive(self, data: bytes) -> None:
        self.got += data

    def room(self) -> int:
        return self.space

    def finish(self) -> None:
        self.is_finished = True
        self.connection.close()

    def lose(self) -> None:
        self.is_lost = True


class Desk:
    """A gateway with one far end at port 7, and the packets that it has sent."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.far = Far()
        self.sent: list[bytes] = []
        self.gateway = Gateway(
            Events(self.clock),
            self.sent.append,
            tcp={7: lambda: self.far},
            udp={},
            names={},
            forwards={},
            epoch_s=lambda: 1000.5,
            reaches_host=False,
        )

    def take(self, segment: Segment) -> list[Segment]:
        """Give the gateway a segment; return what it has sent since."""
        payload = segment.packed(BOARD, HOST)
        self.gateway.take(
            Packet(protocol=TCP, source=BOARD, target=HOST, payload=payload).packed()
        )
        return self.answers()

    def answers(self) -> list[Segment]:
        sent, self.sent[:] = list(self.sent), []
        found = [read_segment(packet) for data in sent if (packet := read_packet(data))]
        assert None not in found
        return [one for one in found if one is not None]

    def ask(self, port: int, data: bytes) -> bytes:
        payload = Datagram(source=9, target=port, data=data).packed(BOARD, HOST)
        self.gateway.take(
            Packet(protocol=UDP, source=BOARD, target=HOST, payload=payload).packed()
        )
        packet = read_packet(self.sent.pop())
        assert packet is not None
        datagram = read_datagram(packet)
        assert datagram is not None
        return datagram.data


def segment(sequence: int, flags: int, *, acknowledged: int = 0, data: bytes = b"") -> Segment:
    return Segment(
        source=5000,
        target=7,
        sequence=sequence,
        acknowledged=acknowledged,
        flags=flags,
        window=6400,
        data=data,
    )


def opened(desk: Desk) -> Segment:
    """Open a connection from sequence 100; return what is to be acknowledged and sent next."""
    (answer,) = desk.take(segment(100, SYN))
    assert (answer.flags, answer.acknowledged) == (SYN | ACK, 101)
    begun = segment(101, ACK, acknowledged=answer.sequence + 1)
    assert desk.take(begun) == []
    return begun


def test_a_frame_comes_back_through_every_byte_and_a_damaged_one_does_not() -> None:
    frames: list[bytes] = []
    deframer = Deframer(frames.append)
    data = bytes(range(256))
    for byte in framed(data) + framed(data, escaped=0):
        deframer.feed(byte)
    assert frames == [data, data]
    for at, byte in enumerate(framed(data)):
        deframer.feed(byte ^ (at == 40))
    assert (len(frames), deframer.damaged) == (2, 1)


def test_options_that_are_cut_are_none() -> None:
    options = {1: b"ab", 5: b"wxyz"}
    data = packed(options)
    assert unpacked(data) == options
    whole = {0, 4, len(data)}
    assert {at for at in range(len(data) + 1) if unpacked(data[:at]) is not None} == whole


def test_no_bytes_make_the_gateway_fail() -> None:
    desk = Desk()
    drawn = random.Random(1)
    good = Packet(
        protocol=TCP,
        source=BOARD,
        target=HOST,
        payload=segment(100, SYN).packed(BOARD, HOST),
    ).packed()
    for _ in range(2000):
        data = bytearray(good)
        for _ in range(drawn.randrange(1, 6)):
            data[drawn.randrange(len(data))] = drawn.randrange(256)
        desk.gateway.take(bytes(data[: drawn.randrange(len(data) + 1)]))
    assert desk.answers() == []  # checksums let none of it through


def test_bytes_out_of_order_are_not_taken_and_those_that_come_again_not_twice() -> None:
    desk = Desk()
    begun = opened(desk)
    ahead = replace(begun, sequence=103, data=b"cd")
    assert desk.take(ahead)[0].acknowledged == 101
    assert desk.take(replace(begun, data=b"ab"))[0].acknowledged == 103
    assert desk.take(replace(begun, data=b"abc"))[0].acknowledged == 104
    assert bytes(desk.far.got) == b"abc"


def test_what_is_not_acknowledged_is_sent_again_and_given_up_in_the_end() -> None:
    desk = Desk()
    opened(desk)
    desk.far.connection.send(b"hello")
    assert [one.data for one in desk.answers()] == [b"hello"]
    desk.clock.run(1001)
    assert [one.data for one in desk.answers()] == [b"hello"]
    desk.clock.run(60_000)
    assert desk.answers()[-1].flags & RST
    assert desk.far.is_lost


def test_a_window_that_is_closed_is_asked_about() -> None:
    desk = Desk()
    begun = opened(desk)
    desk.take(replace(begun, window=0))
    desk.far.connection.send(b"hello")
    assert desk.answers() == []
    desk.clock.run(1001)
    (probe,) = desk.answers()
    assert probe.data == b"h"
    more = desk.take(replace(begun, acknowledged=begun.acknowledged + 1))
    assert [one.data for one in more] == [b"ello"]


def test_a_far_end_without_room_closes_its_window_and_takes_nothing() -> None:
    desk = Desk()
    begun = opened(desk)
    desk.far.space = 1
    (answer,) = desk.take(replace(begun, data=b"ab"))
    assert (answer.acknowledged, answer.window, bytes(desk.far.got)) == (101, 1, b"")


def test_both_ends_close() -> None:
    desk = Desk()
    begun = opened(desk)
    answers = desk.take(replace(begun, flags=ACK | FIN))
    assert desk.far.is_finished
    assert answers[-1].acknowledged == 102
    assert any(one.flags & FIN for one in answers)
    last = replace(begun, sequence=102, acknowledged=begun.acknowledged + 1)
    desk.take(last)
    assert desk.take(last)[0].flags & RST  # forgotten


def test_nobody_is_at_another_port_or_address() -> None:
    desk = Desk()
    (answer,) = desk.take(replace(segment(100, SYN), target=8))
    assert answer.flags == RST | ACK
    elsewhere = bytes((192, 0, 2, 1))
    payload = segment(100, SYN).packed(BOARD, elsewhere)
    packet = Packet(protocol=TCP, source=BOARD, target=elsewhere, payload=payload)
    desk.gateway.take(packet.packed())
    assert read_packet(desk.sent[-1]) is not None
    assert desk.far.got == b""


def test_a_name_and_the_time_are_told() -> None:
    desk = Desk()
    question = b"\x12\x34\x01\x00\x00\x01" + bytes(6) + b"\x07gateway\0\0\x01\0\x01"
    assert desk.ask(53, question).endswith(HOST)
    unknown = question.replace(b"gateway", b"another")
    assert desk.ask(53, unknown)[3] & 15 == 3
    answer = desk.ask(123, b"\x1b" + bytes(47))
    assert int.from_bytes(answer[40:44], "big") == 2_208_988_800 + 1000
    assert answer[44:48] == b"\x80\0\0\0"


def test_conditions_are_read() -> None:
    text = "loss=0.05, delay_ms=80,jitter_ms=40,cut=5000:2000,cut=9000:1,seed=3"
    cuts = ((5000.0, 2000.0), (9000.0, 1.0))
    expected = Conditions(loss=0.05, delay_ms=80, jitter_ms=40, cuts=cuts, seed=3)
    assert parse_conditions(text) == expected


@pytest.mark.parametrize("text", ["", "loss", "loss=x", "loss=-1", "loss=2", "cut=5", "los=1"])
def test_conditions_that_cannot_be_read_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_conditions(text)


def test_a_forward_is_read_and_nonsense_is_refused() -> None:
    assert parse_forward("1883:18831") == (1883, 18831)
    for text in ("", "1883", "1883:", "0:1", "1:65536", "1:2:3", "a:b", "1:-1"):
        with pytest.raises(UsageError, match="is no pair of ports"):
            parse_forward(text)
