"""The drivers that MicroPython's own images have, in services and in an unmodified program."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from bulkhead_host.commands.build import BuildOptions, build
from bulkhead_host.desk import Desk, Dht11, Dht22, Ds18b20, OneWireDevice, Ws2812
from bulkhead_host.emulator import EmulatedBoard

APPLICATION = Path(__file__).parents[1] / "cases" / "wires_app"


class Room:
    """A board that has run the application with a guest, and what is connected to it."""

    def __init__(self, board: EmulatedBoard) -> None:
        desk = Desk(board)
        self.strip = Ws2812(desk, pin=2, lights=5)
        self.wide = Ws2812(desk, pin=5, lights=3, has_white=True)
        bus = desk.onewire(3)
        self.outside = bus.add(Ds18b20(celsius=-10.125, serial=0x0101))
        bus.add(Ds18b20(celsius=21.5625, serial=0x0301))
        bus.add(OneWireDevice(family=0x01, serial=7))  # a key
        self.air = Dht22(desk, pin=4, celsius=-3.7, humidity=81.2)
        desk.onewire(6).add(Ds18b20(celsius=85.5))
        Dht11(desk, pin=7, celsius=19.0, humidity=40.0)
        self.guests = Ws2812(desk, pin=8, lights=2)
        output = board.run_until(b"no light 3", timeout_ms=500)
        output += board.run_until(b"C, ", timeout_ms=1000)
        self.air.is_noisy = True
        output += board.run_until(b"spoilt", timeout_ms=1000)
        self.air.is_there = False
        output += board.run_until(b"far", timeout_ms=1000)
        self.outside.is_noisy = True
        output += board.run_until(b"CRC", timeout_ms=1000)
        for device in bus.devices:
            device.is_there = False
        output += board.run_until(b"guest: ", timeout_ms=2000)
        board.run_for(ms=50)
        output += board.read()
        text = output.decode()
        self.said: dict[str, list[str]] = {}
        for name, words in re.findall(r"\w (\w+): ([^\r]*)", text):
            self.said.setdefault(name, []).append(words)
        self.guest = re.findall(r"^guest: ([^\r]*)", text, re.M)


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    image = tmp_path_factory.mktemp("image") / "wires.uf2"
    build(BuildOptions(application=APPLICATION, output=image, guest=APPLICATION / "old_main.py"))
    with EmulatedBoard(image=image) as board:
        yield Room(board)


def test_neopixel_shows_what_was_set(room: Room) -> None:
    assert room.said["strip"] == ["4 (16, 2, 253) (24, 3, 252)", "no light 3"]
    assert room.strip.colours == [*((i * 8, i, 255 - i) for i in range(4)), (0, 0, 0)]
    assert room.wide.colours == [(1, 2, 3, 4), (1, 2, 3, 4), (5, 6, 7, 8)]


def test_thermometers_are_found_asked_and_gone(room: Room) -> None:
    assert room.said["thermo"] == [
        "2 of 3",
        "soon 85.00",  # as after power-on
        "bytearray(b'\\x01\\x01') -10.1250",
        "bytearray(b'\\x01\\x03') 21.5625",
        "rough -10.5000",
        "far",
        "spoilt Exception('CRC error',)",
        "gone OneWireError()",
    ]


def test_a_dht22_is_measured_below_zero_spoilt_and_gone(room: Room) -> None:
    assert room.said["air"] == [
        "-3.7 C, 81.2 %",
        "spoilt Exception('checksum error',)",
        "gone 110",  # ETIMEDOUT
    ]


def test_an_unmodified_program_has_them_as_a_guest(room: Room) -> None:
    assert room.guest == ["[85.5] 19 40"]
    assert room.guests.colours == [(255, 0, 0), (0, 0, 0)]


def test_nothing_has_failed(room: Room) -> None:
    assert "supervisor" not in room.said
