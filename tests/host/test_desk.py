"""What stands around an emulated board: chips by their data sheets, things by their pins."""

import struct
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from desk import bulkhead

from bulkhead_host.campaign.plan import load_campaign
from bulkhead_host.commands.campaign import desk_text, prepared
from bulkhead_host.desk import (
    Bme280,
    CoilStepper,
    Desk,
    Hx711,
    I2cDevice,
    Registers,
    RotaryEncoder,
    Sht31,
    SpiDevice,
    Ssd1306,
    Stepper,
)
from bulkhead_host.desk.desk import DeskError, furnish
from bulkhead_host.emulator.board import EmulatedBoard
from bulkhead_host.errors import UsageError

READ, WRITE = 1, 0


@pytest.fixture
def board() -> Iterator[EmulatedBoard]:
    with EmulatedBoard(seed=0) as made:  # it waits in its bootloader: pins and clock go on
        yield made


@pytest.fixture
def desk(board: EmulatedBoard) -> Desk:
    return Desk(board)


class Master:
    """The board's side of an I2C bus, as its block calls the desk."""

    def __init__(self, desk: Desk, number: int = 0) -> None:
        self.block: Any = desk.board.chip.mcu.i2c[number]
        self.said: list[Any] = []
        for name in ("connect", "write", "read"):
            setattr(self.block, f"complete_{name}", self.said.append)
        setattr(self.block, "complete_stop", lambda: None)  # noqa: B010  (a method)

    def write(self, address: int, data: bytes) -> list[bool]:
        self.said.clear()
        self.block.on_connect(address, WRITE)
        for byte in data if self.said[0] else b"":
            self.block.on_write_byte(byte)
        self.block.on_stop()
        return list(self.said)

    def read(self, address: int, count: int) -> bytes:
        self.said.clear()
        self.block.on_connect(address, READ)
        assert self.said.pop()
        for _ in range(count):
            self.block.on_read_byte(True)
        self.block.on_stop()
        return bytes(self.said)


def test_a_chip_answers_at_its_address_while_it_is_there(desk: Desk) -> None:
    chip = desk.i2c(0).add(Sht31())
    other = desk.i2c(1).add(Sht31(address=0x45))
    master = Master(desk)
    assert master.write(0x44, b"\x24\x00") == [True, True, True]
    assert master.write(other.address, b"\x24") == [False]
    chip.is_there = False
    assert master.write(0x44, b"\x24") == [False]


@pytest.mark.parametrize("celsius", [-39.5, 0.0, 21.37, 120.0])
def test_an_sht31_tells_what_the_formula_of_its_data_sheet_reads(
    desk: Desk, celsius: float
) -> None:
    chip = desk.i2c(0).add(Sht31(celsius=celsius, humidity=61.5))
    master = Master(desk)
    raw_t, crc_t, raw_h, _ = struct.unpack(">HBHB", master.read(0x44, 6))
    assert -45 + 175 * raw_t / 65535 == pytest.approx(celsius, abs=0.003)
    assert 100 * raw_h / 65535 == pytest.approx(61.5, abs=0.001)
    chip.is_noisy = True
    assert master.read(0x44, 3)[2] != crc_t


def test_the_checksum_is_that_of_the_data_sheets_example() -> None:
    from bulkhead_host.desk.sht31 import crc8  # noqa: PLC0415  (of this test alone)

    assert crc8(b"\xbe\xef") == 0x92


def compensated(calibration: bytes, rest: bytes, h1: int, data: bytes) -> tuple[int, int, int]:
    """Return hundredths of degrees, 256ths of pascals and 1024ths of percent.

    The 32- and 64-bit integer formulas of BST-BME280-DS002, 4.2.3.
    """
    t1, t2, t3 = struct.unpack("<Hhh", calibration[:6])
    p = struct.unpack("<Hhhhhhhhh", calibration[6:24])
    h2, h3, e4, e5, e6, h6 = struct.unpack("<hBbBbb", rest)
    h4, h5 = e4 << 4 | e5 & 15, e6 << 4 | e5 >> 4
    raw_p, raw_t = (int.from_bytes(data[at : at + 3], "big") >> 4 for at in (0, 3))
    raw_h = int.from_bytes(data[6:8], "big")
    v1 = ((raw_t >> 3) - (t1 << 1)) * t2 >> 11
    v2 = (((raw_t >> 4) - t1) * ((raw_t >> 4) - t1) >> 12) * t3 >> 14
    t = v1 + v2
    a = t - 128000
    b = a * a * p[5] + (a * p[4] << 17) + (p[3] << 35)
    a = (a * a * p[2] >> 8) + (a * p[1] << 12)
    a = ((1 << 47) + a) * p[0] >> 33
    q = ((1048576 - raw_p << 31) - b) * 3125 // a
    q = (q + (p[8] * (q >> 13) * (q >> 13) >> 25) + (p[7] * q >> 19) >> 8) + (p[6] << 4)
    h = t - 76800
    h = ((raw_h << 14) - (h4 << 20) - h5 * h + 16384 >> 15) * (
        ((((h * h6 >> 10) * ((h * h3 >> 11) + 32768) >> 10) + 2097152) * h2 + 8192) >> 14
    )
    h -= ((h >> 15) * (h >> 15) >> 7) * h1 >> 4
    return t * 5 + 128 >> 8, q, h >> 12


@pytest.mark.parametrize(
    ("celsius", "hectopascals", "humidity"), [(22.0, 1013.25, 50.0), (-12.5, 903.0, 88.0)]
)
def test_a_bme280_reads_by_the_integer_formulas_of_its_data_sheet(
    desk: Desk, celsius: float, hectopascals: float, humidity: float
) -> None:
    desk.i2c(0).add(Bme280(celsius=celsius, hectopascals=hectopascals, humidity=humidity))
    master = Master(desk)

    def registers(first: int, count: int) -> bytes:
        master.write(0x76, bytes([first]))
        return master.read(0x76, count)

    assert registers(0xD0, 1) == b"\x60"
    found = compensated(
        registers(0x88, 24), registers(0xE1, 7), registers(0xA1, 1)[0], registers(0xF7, 8)
    )
    assert found[0] / 100 == pytest.approx(celsius, abs=0.02)
    assert found[1] / 25600 == pytest.approx(hectopascals, abs=0.1)
    assert found[2] / 1024 == pytest.approx(humidity, abs=0.1)


def test_registers_are_named_written_and_read_one_after_the_other(desk: Desk) -> None:
    chip = desk.i2c(0).add(Registers(0x20))
    master = Master(desk)
    master.write(0x20, b"\xfe\x01\x02\x03")
    assert (chip.registers[0xFE], chip.registers[0xFF], chip.registers[0]) == (1, 2, 3)
    master.write(0x20, b"\xff")
    assert master.read(0x20, 2) == b"\x02\x03"


def test_registers_may_be_words(desk: Desk) -> None:
    chip = desk.i2c(0).add(Registers(0x48, width=2))
    master = Master(desk)
    master.write(0x48, b"\x07\x01\x02\x03")
    assert chip.registers[2 * 7 : 2 * 8 + 1] == b"\x01\x02\x03"
    master.write(0x48, b"\xff\x04\x05\x06")
    assert chip.registers[0] == 6
    master.write(0x48, b"\x08")
    assert master.read(0x48, 2) == b"\x03\x00"


UPRIGHT = b"\x00\xae\x20\x00\xa8\x3f\xa1\xc8\x8d\x14\xaf"
WHOLE = b"\x00\x21\x00\x7f\x22\x00\x07"


def test_a_display_shows_what_was_drawn_upright_and_as_a_drawing(desk: Desk) -> None:
    display = desk.i2c(0).add(Ssd1306(), name="oled")
    master = Master(desk)
    master.write(0x3C, UPRIGHT)
    master.write(0x3C, WHOLE)
    picture = bytearray(1024)
    picture[0] = 0b11  # the two upper points of the left column
    picture[128 + 127] = 0x80  # the right column's sixteenth
    master.write(0x3C, b"\x40" + bytes(picture))
    lit = {(x, y) for y, row in enumerate(display.rows()) for x in range(128) if row[x] == "#"}
    assert lit == {(0, 0), (0, 1), (127, 15)}
    (drawing,) = desk.pictures().values()
    (path,) = [one for one in ElementTree.fromstring(drawing) if one.tag.endswith("path")]
    assert path.attrib["d"].count("M") == 3
    master.write(0x3C, b"\x00\xa7")
    assert display.rows()[0][:3] == ".##"
    master.write(0x3C, b"\x00\xae")
    assert set("".join(display.rows())) == {"."}


def test_pictures_are_kept_as_they_change(desk: Desk, tmp_path: Path) -> None:
    desk.i2c(0).add(Ssd1306(), name="oled")
    desk.save_pictures(tmp_path)
    before = (tmp_path / "oled.svg").read_text()
    master = Master(desk)
    master.write(0x3C, UPRIGHT)
    master.write(0x3C, b"\x40\xff")
    desk.board.run_for(ms=600)
    assert (tmp_path / "oled.svg").read_text() != before


def test_an_spi_chip_hears_while_its_line_is_low(desk: Desk) -> None:
    class Echo(SpiDevice):
        """Answers with the byte before, and counts its turns."""

        def __init__(self) -> None:
            self.last, self.turns = 0, 0

        def select(self) -> None:
            self.turns += 1

        def exchange(self, byte: int) -> int:
            self.last, before = byte, self.last
            return before

    desk.pin(17).drive(1)
    chip = desk.spi(0).add(Echo(), select=17)
    block: Any = desk.board.chip.mcu.spi[0]
    said: list[int] = []
    block.complete_transmit = said.append
    block.on_transmit(1)
    desk.pin(17).drive(0)
    for byte in (2, 3):
        block.on_transmit(byte)
    assert (said, chip.turns) == ([0xFF, 0, 2], 1)


def read_hx711(desk: Desk, pulses: int = 25) -> int:
    value = 0
    for pulse in range(pulses):
        desk.pin(3).drive(1)
        desk.board.run_for(us=5)
        if pulse < 24:
            value = value << 1 | desk.pin(2).level
        desk.pin(3).drive(0)
        desk.board.run_for(us=5)
    return value - (1 << 24) if value >> 23 else value


def test_an_hx711_is_clocked_out_converts_again_and_takes_its_gain(desk: Desk) -> None:
    desk.pin(3).drive(0)
    scale = Hx711(desk, data=2, clock=3, raw=-4242)
    assert desk.pin(2).level == 1
    desk.board.run_for(ms=450)
    assert desk.pin(2).level == 0
    assert read_hx711(desk) == -4242
    assert desk.pin(2).level == 1
    scale.raw = 70_000
    desk.board.run_for(ms=110)
    assert read_hx711(desk, 27) == 70_000
    assert (scale.readings, scale.gain) == (2, 64)
    desk.board.run_for(ms=110)
    desk.pin(3).drive(1)
    desk.board.run_for(us=100)  # powers it down
    desk.pin(3).drive(0)
    desk.board.run_for(ms=110)
    assert desk.pin(2).level == 1


@pytest.mark.parametrize(("detents", "quarters"), [(3, 12), (-2, -8)])
def test_a_knob_turns_by_quarters(desk: Desk, detents: int, quarters: int) -> None:
    order = [(1, 1), (0, 1), (0, 0), (1, 0)]  # of A and B, clockwise
    knob = RotaryEncoder(desk, a=10, b=11, button=12)
    seen = [(1, 1)]
    desk.pin(10).on_edge(lambda _: seen.append((desk.pin(10).level, desk.pin(11).level)))
    desk.pin(11).on_edge(lambda _: seen.append((desk.pin(10).level, desk.pin(11).level)))
    knob.turn(detents, ms=4)
    desk.board.run_for(ms=20)
    places = [order.index(levels) for levels in seen]
    turned = sum((b - a + 2) % 4 - 2 for a, b in pairwise(places))
    assert turned == quarters
    knob.press(ms=5)
    assert desk.pin(12).level == 0


def test_steppers_count_steps_and_what_comes_too_soon(desk: Desk) -> None:
    motor = Stepper(desk, step=4, direction=5, enable=6, least_us=100)
    desk.pin(6).drive(0)
    for level, steps in ((1, 5), (0, 2)):
        desk.pin(5).drive(level)
        for _ in range(steps):
            desk.pin(4).drive(1)
            desk.pin(4).drive(0)
            desk.board.run_for(us=200)
    desk.pin(4).drive(1)
    desk.pin(4).drive(0)
    desk.pin(4).drive(1)
    desk.pin(4).drive(0)
    assert (motor.position, motor.missed) == (2, 1)
    desk.pin(6).drive(1)
    desk.pin(4).drive(1)
    assert motor.position == 2


def test_four_coils_turn_a_rotor_and_a_jump_does_not(desk: Desk) -> None:
    motor = CoilStepper(desk, coils=(18, 19, 20, 21))

    def coils(word: int) -> None:
        for index in range(4):
            desk.pin(18 + index).drive(word >> index & 1)

    for word in (0b0001, 0b0011, 0b0010, 0b0110, 0b0100):
        coils(word)
    assert motor.position == 4
    coils(0)
    coils(0b0001)  # four half steps away at once
    assert (motor.position, motor.missed) == (4, 1)


def test_things_happen_by_the_boards_clock(desk: Desk) -> None:
    seen: list[int] = []
    desk.at(30, lambda: seen.append(-1))
    desk.every(10, lambda: seen.append(desk.board.clock_us // 1000))
    desk.board.run_for(ms=35)
    assert sorted(seen) == [-1, 10, 20, 30]


# Files


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "desk.py"
    file.write_text(text)
    return file


def test_a_file_furnishes_the_desk_with_modules_beside_it(
    board: EmulatedBoard, tmp_path: Path
) -> None:
    (tmp_path / "scale_of_mine.py").write_text("RAW = 5\n")
    text = "from scale_of_mine import RAW\ndef furnish(desk):\n    return desk.pin(RAW)\n"
    desk, returned = furnish(written(tmp_path, text), board)
    assert returned is desk.pin(5)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("furnish = 1\n", "has no function furnish"),
        ("def furnish(desk):\n    desk.i2c(2)\n", "there is no I2C bus 2"),
        ("def furnish(desk):\n    1 / 0\n", "desk.py:2: ZeroDivisionError"),
        ("def furnish(desk)\n", "desk.py:1: SyntaxError"),
        ("import nothing_of_that_name\n", "desk.py:1: ModuleNotFoundError"),
        ("def furnish(desk):\n    desk.set_volts(5, 1)\n", "the ADC has no pin GP5"),
    ],
)
def test_what_is_wrong_with_a_desk_is_said(
    board: EmulatedBoard, tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        furnish(written(tmp_path, text), board)
    with pytest.raises(UsageError, match="cannot read the desk"):
        furnish(tmp_path / "none.py", board)


def test_two_chips_cannot_have_one_address_nor_two_things_one_name(desk: Desk) -> None:
    desk.i2c(0).add(Sht31(), name="air")
    with pytest.raises(UsageError, match="two chips have the I2C address 0x44"):
        desk.i2c(0).add(Sht31())
    with pytest.raises(UsageError, match="are called 'air'"):
        desk.i2c(1).add(Sht31(), name="air")
    with pytest.raises(UsageError, match="has the I2C address 0x0"):
        desk.i2c(0).add(I2cDevice())


def test_code_of_the_desk_that_fails_while_the_board_runs_is_named(
    board: EmulatedBoard, tmp_path: Path
) -> None:
    text = "def furnish(desk):\n    def late():\n        return {}['x']\n    desk.at(5, late)\n"
    furnish(written(tmp_path, text), board)
    with pytest.raises(DeskError, match=r"desk.py:3: KeyError: 'x'"):
        board.run_for(ms=10)


def test_a_campaigns_boards_boot_with_its_desk_wherever_they_are(tmp_path: Path) -> None:
    written(tmp_path, "def furnish(desk):\n    desk.pin(15).drive(1)\n")
    file = tmp_path / "faults.toml"
    file.write_text('[campaign]\ncount = 1\ndesk = "desk.py"\n[[fault]]\nkind = "crash"\n')
    setup = prepared(load_campaign(file), None, is_emulated=False)
    assert setup.desk == ""  # a real board has one of its own
    assert desk_text(load_campaign(file).desk) == (tmp_path / "desk.py").read_text()
    with pytest.raises(UsageError, match="cannot read the desk"):
        desk_text(tmp_path / "none.py")


def test_a_desk_is_around_an_emulated_board_only(tmp_path: Path) -> None:
    file = written(tmp_path, "def furnish(desk):\n    pass\n")
    done = bulkhead("run", "--desk", str(file), port="/dev/null")
    assert (done.returncode, "--desk is around an emulated board" in done.stderr) == (2, True)
    done = bulkhead("sim", "--pictures", str(tmp_path), "--image", str(file))
    assert done.returncode == 2
