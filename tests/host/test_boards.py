"""Boards as data: each file is right, each way to be wrong is found, and builds keep to them."""

import re
from pathlib import Path

import pytest

from bulkhead_host.checks.data import check_boards
from bulkhead_host.commands.build import BOARDS_OWN, BuildOptions, build
from bulkhead_host.errors import UsageError
from bulkhead_host.image.application import system_files
from bulkhead_host.image.build import stock_image
from bulkhead_host.image.official import OfficialImage
from bulkhead_host.image.uf2 import RP2040_FAMILY
from bulkhead_host.paths import source_root
from bulkhead_host.scaffold.application import new_application
from bulkhead_host.system.boards import TIERS, board_named, board_names
from bulkhead_host.system.generate import board_module

README = source_root() / "board_configs" / "README.md"
PICO = (source_root() / "board_configs" / "pico" / "board.toml").read_text()
ESP32 = (source_root() / "board_configs" / "esp32" / "board.toml").read_text()
BUILT_HERE = ("pico", "pico_ppp", "pico2")

# A key that is missing is reported at its table.
MISSING_AT = {
    "board.needs is missing": "[board]",
    "flash.uf2_family is missing": "[flash]",
    "flash.offset is missing": "[flash]",
    "image.why_not is missing": "[image]",
    "buses.i2c0.sda is missing": "i2c0 = ",
}
# Each row: the board, what stands there, what takes its place, and what must be said.
WRONG = (
    ("pico", 'name = "pico"', 'name = "pica"', "board.name is not that of its folder, pico"),
    ("pico", 'tier = "emulated"', 'tier = "fine"', 'board.tier is "fine", and must be one of'),
    ("pico", 'tier = "emulated"', 'tier = "described"', "board.needs is missing"),
    ("pico", 'port = "rp2"', 'port = "rp3"', "there is no firmware/port/rp3.py"),
    ("pico", 'chip = "rp2040"', "speed = 1", "unknown key board.speed"),
    ("pico", "ram_bytes = 270_336", "ram_bytes = 0", "memory.ram_bytes is 0"),
    ("pico", "1_441_792 ", "2_097_153 ", "the file system is larger than the flash"),
    ("pico", 'method = "uf2"', 'method = "dfu"', 'flash.method is "dfu", and must be one of'),
    ("pico", "uf2_family = 0xE48BFF56", "", "flash.uf2_family is missing"),
    ("pico", "built_here = true", "built_here = 1", "image.built_here is 1, and must be true"),
    ("pico", "built_here = true", "built_here = false", "image.why_not is missing"),
    ("pico", 'led = "gp25"', 'led = "gp24"', "there is no pin gp24"),
    ("pico", 'led = "gp25"', 'gp1 = "gp25"', "gp1 is no name for a pin, or taken"),
    ("pico", "gp1 = { gpio = 1,", "gp1 = { gpio = 0,", "gp1 and gp0 are both GPIO 0"),
    ("pico", "gp1 = { gpio = 1,", "gp1 = { gpio = 64,", "pins.gp1.gpio is 64, and must be"),
    ("pico", '"adc0"', '"adc"', '"adc" is no function of a pin'),
    ("pico", 'i2c0 = { sda = "gp4"', 'i2c0 = { sda = "gp6"', "gp6 cannot be i2c0.sda"),
    ("pico", 'i2c0 = { sda = "gp4", ', "i2c0 = { ", "buses.i2c0.sda is missing"),
    ("pico", "i2c0 = {", "can0 = {", "can0 is no bus"),
    ("esp32", 'spi1 = { sck = "gpio14"', 'spi1 = { sck = "gpio34"', "gpio34 can only be read"),
    ("esp32", 'rx = "gpio3"', 'rx = "gpio33x"', "there is no pin gpio33x"),
    ("esp32", "offset = 0x1000", "", "flash.offset is missing"),
)


def wrong_board(root: Path, board: str, old: str, new: str) -> str:
    """Write a tree with one board that is changed; return the text of its file."""
    given = {"pico": PICO, "esp32": ESP32}[board]
    assert old in given
    text = given.replace(old, new, 1)
    folder = root / "board_configs" / board
    folder.mkdir(parents=True)
    (folder / "board.toml").write_text(text)
    return text


def test_every_board_is_right() -> None:
    assert [str(problem) for problem in check_boards(source_root())] == []


@pytest.mark.parametrize(("board", "old", "new", "words"), WRONG, ids=lambda part: part[:30])
def test_a_board_that_is_wrong_is_found_with_its_line(
    tmp_path: Path, board: str, old: str, new: str, words: str
) -> None:
    text = wrong_board(tmp_path, board, old, new)
    found = [problem for problem in check_boards(tmp_path) if words in problem.text]
    assert len(found) == 1
    assert found[0].path == tmp_path / "board_configs" / board / "board.toml"
    line = text.splitlines()[found[0].line - 1]
    assert line.startswith(MISSING_AT[words]) if words in MISSING_AT else new.strip() in line


def test_a_board_without_sources_is_found(tmp_path: Path) -> None:
    wrong_board(tmp_path, "pico", "sources = [", "sources = []\nlinks = [")
    words = [problem.text for problem in check_boards(tmp_path)]
    assert any("board.sources is []" in text for text in words)


def test_the_readme_lists_the_boards_as_their_files_say() -> None:
    rows = re.findall(r"^\| (\w+) \| (.*) \|$", README.read_text(), re.MULTILINE)
    shown = {name: rest for name, rest in rows if name in board_names()}
    boards = [board_named(name) for name in board_names()]
    assert shown == {
        board.name: f"{board.chip} | {board.port} | {board.flash_bytes >> 20} MiB | "
        f"{board.ram_bytes >> 10} KiB | {board.method} | {board.tier}"
        for board in boards
    }
    assert {name for name, _ in rows} >= {"host", "emulated", "described"} <= set(TIERS)


def test_the_readme_explains_every_table_and_key() -> None:
    text = README.read_text()
    keys = set(re.findall(r"^(\w+) =", PICO.split("[names]")[0] + ESP32.split("[names]")[0], re.M))
    tables = set(re.findall(r"^\[(\w+)\]", PICO + ESP32, re.MULTILINE)) | {"external"}
    assert {key for key in keys if f"`{key}`" not in text} == set()
    assert {table for table in tables if f"`[{table}]`" not in text} == set()


def test_pins_of_the_rp2040_have_the_functions_that_its_rule_gives() -> None:
    """RP2040 datasheet, 1.4.3: the functions repeat along the pins."""
    for name in ("pico", "pico_ppp", "pico_w", "pico2"):
        for pin in board_named(name).pins.values():
            number = pin.gpio
            spi = ("miso", "cs", "sck", "mosi")[number % 4]
            uart = ("tx", "rx", "cts", "rts")[number % 4]
            expected = {
                f"spi{number // 8 % 2}.{spi}",
                f"uart{(number + 4) // 8 % 2}.{uart}",
                f"i2c{number // 2 % 2}.{('sda', 'scl')[number % 2]}",
                f"pwm{number // 2 % 8}.{'ab'[number % 2]}",
            }
            if number >= 26:
                expected.add(f"adc{number - 26}")
            assert set(pin.functions) == expected


def test_the_family_of_the_rp2040_is_that_of_the_uf2_reader() -> None:
    for name in ("pico", "pico_ppp", "pico_w"):
        assert board_named(name).flash["uf2_family"] == RP2040_FAMILY


def test_a_module_of_pins_has_those_that_the_manifests_name() -> None:
    everything: dict[str, object] = {}
    exec(board_module("pico"), everything)
    assert (everything["LED"], everything["GP25"], everything["GP0"]) == (25, 25, 0)
    named: dict[str, object] = {}
    files = system_files(source_root() / "services", board="pico")
    exec(bytes(files["bulkhead_board.py"]), named)
    assert {name: named[name] for name in named if name.isupper()} == {"LED": 25, "BUTTON": 15}


def test_the_led_of_a_pico_w_is_a_name() -> None:
    assert 'LED = const("LED")' in board_module("pico_w").replace("'", '"')


@pytest.mark.parametrize("name", [name for name in board_names() if name not in BUILT_HERE])
def test_a_board_that_no_image_is_built_for_is_refused_with_what_to_do(name: str) -> None:
    with pytest.raises(UsageError, match=f"no image for {name} can be built here: ") as refused:
        build(BuildOptions(board=name))
    assert board_named(name).image.why_not in refused.value.cause
    assert refused.value.next_step.startswith("bulkhead build --board ")


@pytest.mark.parametrize("name", ["unix"])
def test_an_official_image_is_refused_where_bulkhead_does_not_run(name: str) -> None:
    with pytest.raises(UsageError, match=name):
        build(BuildOptions(board=name, official=BOARDS_OWN))


def test_modules_for_a_pico_w_go_beside_its_official_image(tmp_path: Path) -> None:
    options = BuildOptions(
        board="pico_w", official=str(stock_image().path), output=tmp_path / "pico_w.uf2"
    )
    image = build(options)
    assert isinstance(image, OfficialImage)
    assert b"rp2" in (image.modules / "kernel" / "__init__.mpy").read_bytes()
    assert b"LED" in (image.modules / "bulkhead_board.mpy").read_bytes()


@pytest.mark.parametrize("name", ["esp32", "esp32_s3", "esp32_c3"])
def test_modules_for_an_esp32_go_beside_its_official_image(tmp_path: Path, name: str) -> None:
    application, given = tmp_path / "demo", tmp_path / "given.bin"
    new_application(application, board=name)
    given.write_bytes(b"\xe9" + bytes(64) + b"MicroPython v1.26.1 on 2025-09-11; ESP32\0")
    image = build(BuildOptions(application=application, official=str(given)))
    assert isinstance(image, OfficialImage)
    assert image.path == application / "build" / f"demo-{name}.bin"
    assert image.path.read_bytes() == given.read_bytes()
    assert b"esp32" in (image.modules / "kernel" / "__init__.mpy").read_bytes()
    given.write_bytes(b"UF2\n" + given.read_bytes())
    with pytest.raises(UsageError, match="refused: it is none that esptool writes"):
        build(BuildOptions(application=application, official=str(given)))


def test_there_is_no_board_of_another_name() -> None:
    with pytest.raises(UsageError, match='there is no board "picoo"'):
        build(BuildOptions(board="picoo"))
