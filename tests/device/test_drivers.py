"""The drivers on the emulated Pico, with something at the other end of each pin."""

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from bulkhead_host.commands.build import BuildOptions, build
from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.emulator.chip import CYCLE_NS
from bulkhead_host.link.client import Client
from bulkhead_host.link.emulated import BoardTransport

APPLICATION = Path(__file__).parents[1] / "cases" / "drivers_app"
LED, WIRE, WAVE, BUTTON, INPUT, CHIP_SELECT, LIGHTS, EDGES = 10, 11, 6, 15, 26, 17, 22, 12
EDGES_OPERATION, STORM_EDGES = 5, 50
PWM_OFF, PULSE = 2, 3
ADDRESS = 0x48
REFUSED = "191 None"


class Sensor:
    """A chip on the I2C bus: keeps what is written, and counts up in what is read."""

    def __init__(self, bus: Any) -> None:
        self.written: list[int] = []
        self._next = 0x10
        self._bus = bus
        bus.on_connect = self._connect
        bus.on_write_byte = self._write
        bus.on_read_byte = self._read

    def _connect(self, address: int, mode: object) -> None:
        self._bus.complete_connect(address == ADDRESS)

    def _write(self, value: int) -> None:
        self.written.append(value)
        self._bus.complete_write(True)

    def _read(self, ack: bool) -> None:
        self._bus.complete_read(self._next)
        self._next += 1


class Echo:
    """A chip on the SPI bus: answers each byte by its complement while it is selected."""

    def __init__(self, board: EmulatedBoard) -> None:
        self._bus: Any = board.chip.mcu.spi[0]
        self._select = board.pin(CHIP_SELECT)
        self._bus.on_transmit = self._transmit

    def _transmit(self, value: int) -> None:
        self._bus.complete_transmit(0 if self._select.level else value ^ 0xFF)


class Bench:
    """A board that has run the application, what it logged, and what is connected to it."""

    def __init__(self, image: Path) -> None:
        self.board = EmulatedBoard(image=image)
        self.board.start()
        self.board.pin(LED).wire_to(self.board.pin(WIRE))
        self.board.set_adc_volts(0, 1.65)
        self.sensor = Sensor(self.board.chip.mcu.i2c[0])
        Echo(self.board)
        output = self.board.run_until(b"hand: now", timeout_ms=5000)
        self._push(ms=100)
        output += self.board.run_until(b"hand: now", timeout_ms=5000)
        self.board.run_for(ms=200)
        self._push(ms=900)
        output += self.board.run_until(b"all done", timeout_ms=5000)
        self.said = dict(re.findall(r"tester: ([^:\r]*): ([^\r]*)", output.decode()))

    def _push(self, *, ms: int) -> None:
        """Push the button, whose contact bounces for 8 ms at both ends."""
        pin, now_us = self.board.pin(BUTTON), self.board.clock_us
        for start_ms, ends_down in ((0, True), (ms, False)):
            for bounce in range(9):
                is_down = (bounce % 2 == 0) == ends_down
                cycle = (now_us + 1000 * (start_ms + bounce)) * 1000 // CYCLE_NS
                pin.drive_at(0 if is_down else None, cycle=cycle)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    image = tmp_path_factory.mktemp("image") / "drivers.uf2"
    build(BuildOptions(application=APPLICATION, output=image))
    bench = Bench(image)
    yield bench
    bench.board.stop()


def test_gpio_drives_and_reads_the_pins_of_its_manifest(bench: Bench) -> None:
    said = bench.said
    assert (said["led mode"], said["led on"], said["wire on"]) == ("0 None", "0 None", "0 1")
    assert (said["led toggled"], said["wire off"]) == ("0 0", "0 0")
    assert (said["no pin"], said["no level"]) == ("1 None", REFUSED)
    assert (said["no line"], said["no right"]) == ("2 None", "3 None")
    assert said["no bits"] == REFUSED


def edges_of(client: Client) -> Any:
    """Return how many edges the service has counted, the level, and how many storms."""
    status, answer = client.call("gpio", EDGES_OPERATION, 2)
    assert status == 0
    return answer


def expect_edges(bench: Bench, count: int, *, level: int) -> None:
    """Wait until the service has counted so many edges of its line."""
    client = Client(BoardTransport(bench.board))
    for _ in range(50):
        bench.board.run_for(ms=2)
        found = edges_of(client)
        if found[:2] == (count, level):
            return
    raise AssertionError(found)


def test_gpio_counts_edges_and_contains_a_storm(bench: Bench) -> None:
    client = Client(BoardTransport(bench.board))
    before = client.table().named("gpio")
    pin = bench.board.pin(EDGES)
    first, _, _ = edges_of(client)
    for edge in range(6):  # one comes when the last has been counted: it is not missed
        pin.drive(edge % 2)
        expect_edges(bench, first + edge + 1, level=edge % 2)
    now = bench.board.cycles
    for edge in range(2000):  # 10,000 a second
        pin.drive_at(edge % 2, cycle=now + 100_000 // CYCLE_NS * (edge + 1))
    bench.board.run_for(ms=400)
    count, level, storms = edges_of(client)
    assert level == 1
    assert 2 * STORM_EDGES <= count - first - 6 <= 4 * STORM_EDGES
    assert 2 <= storms <= 4
    pin.drive(0)
    expect_edges(bench, count + 1, level=0)
    after = client.table().named("gpio")
    assert before is not None
    assert after is not None
    assert after.generation == before.generation


def test_pwm_makes_a_wave_of_the_frequency_and_share_asked_for(bench: Bench) -> None:
    said = bench.said
    assert (said["wave"], said["no wave"], said["no wave pin"]) == ("0 None", REFUSED, "1 None")
    edges = list(bench.board.pin(WAVE).edges)
    assert (said["wave ends"], edges[-1].level) == ("0 None", 0)
    rises = [edge.cycle for edge in edges if edge.level][1:-1]
    periods_us = [(after - before) * CYCLE_NS / 1000 for before, after in pairwise(rises)]
    assert periods_us
    assert all(abs(period - 1000) < 1 for period in periods_us)
    highs_us = [
        (after.cycle - before.cycle) * CYCLE_NS / 1000
        for before, after in pairwise(edges)
        if before.level and before.cycle in rises
    ]
    assert all(abs(high - 250) < 1 for high in highs_us)


def test_pwm_makes_the_pulses_of_a_servo(bench: Bench) -> None:
    assert bench.said["no pulse"] == REFUSED
    client = Client(BoardTransport(bench.board))
    pin = bench.board.pin(WAVE)
    pin.clear_edges()
    assert client.call("pwm", PULSE, (0, 50, 1500)) == (0, None)
    bench.board.run_for(ms=70)
    client.call("pwm", PWM_OFF, 0)
    pulses = [pair for pair in pairwise(pin.edges) if pair[0].level][1:-1]
    assert pulses
    assert all(abs((b.cycle - a.cycle) * CYCLE_NS - 1.5e6) < 1000 for a, b in pulses)


def test_adc_reads_the_voltage_of_its_pin(bench: Bench) -> None:
    said = bench.said
    for step in ("volts", "mean"):
        status, reading = map(int, said[step].split())
        assert status == 0
        assert abs(reading - 65535 // 2) < 100
    status, millivolts = map(int, said["millivolts"].split())
    assert status == 0
    assert abs(millivolts - 1650) < 6
    assert (said["no mean"], said["no input"]) == (REFUSED, "1 None")


def test_i2c_finds_writes_and_reads_a_chip(bench: Bench) -> None:
    said = bench.said
    assert said["scan"] == "0 b'H'"
    assert said["i2c write"] == "0 None"
    assert bench.sensor.written[-4:] == [1, 2, 3, 1]
    status, data = said["i2c read"].split(" ", 1)
    assert (status, said["register"][:1]) == ("0", "0")
    read, register = ast.literal_eval(data), ast.literal_eval(said["register"][2:])
    assert (len(read), len(register)) == (3, 2)
    assert register[0] == read[2] + 1
    assert (said["nobody"], said["i2c nonsense"]) == ("1 None", REFUSED)


def test_spi_exchanges_bytes_with_the_chip_that_it_selects(bench: Bench) -> None:
    said = bench.said
    assert said["spi mode"] == "0 None"
    assert said["spi"] == r"0 b'\xff\xfe\x01'"
    assert (said["no chip"], said["too slow"]) == ("1 None", REFUSED)
    assert bench.board.pin(CHIP_SELECT).level == 1


def test_neopixel_sends_green_red_and_blue_of_each_light(bench: Bench) -> None:
    said = bench.said
    assert [said[step] for step in ("fill", "light", "show")] == ["0 None"] * 3
    assert said["no light"] == REFUSED
    edges = list(bench.board.pin(LIGHTS).edges)
    highs_ns = [
        (after.cycle - before.cycle) * CYCLE_NS
        for before, after in pairwise(edges)
        if before.level
    ]
    bits = "".join(str(int(high > 600)) for high in highs_ns)
    assert int(bits, 2).to_bytes(9, "big") == bytes((2, 1, 3, 2, 1, 3, 0, 255, 128))


def test_button_that_bounces_is_pressed_once_and_held_once(bench: Bench) -> None:
    said = bench.said
    assert (said["push"], said["down"]) == ("0 (1, 0)", "0 True")
    assert (said["push again"], said["held"]) == ("0 (2, 0)", "0 (2, 1)")
    assert (said["presses"], said["holds"]) == ("0 2", "0 1")
    assert said["no button"] == REFUSED
