"""What a manifest calls safe: how it is read, and what its stores do to the chip's pins."""

import struct
from pathlib import Path

import pytest
from rp2040py.rp2040 import RP2040
from small_system import application

from bulkhead_host.problem import Report
from bulkhead_host.system.boards import board_named
from bulkhead_host.system.generate import manifest_digest, system_module
from bulkhead_host.system.manifest import load_application, load_service
from bulkhead_host.system.outputs import CHIPS, Ends, outputs_of, stores

FUNCSEL = 0x1F
CTRL, PAD = 0x40014004, 0x4001C004
SIO_OUT, SIO_OE = 0xD0000010, 0xD0000020
PWM, SIO, PIO0 = 4, 5, 6
DMA, DMA_TIMER, RAM = 0x50000000, 0x50000420, 0x20000000
HARD = 'hard = true\n[[line]]\nname = "edge"\nsource = "pin"\npin = "gp15"\ntrigger = "both"\n'
DMA_TIMED, BUSY = 0x3B << 15 | 2 << 2, 1 << 24  # by timer 0, words

LEVELS = {"low": (True, False), "high": (True, True)}
PULLS = {"input": (False, False), "input up": (True, False), "input down": (False, True)}


def words_of(data: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(data) // 4}I", data)


def make(chip: RP2040, data: bytes, *, releases: bool = False) -> None:
    """Make stores as the port does."""
    words = words_of(data)
    assert words[2] == len(words)
    for at in range(3, words[1] if releases else words[2], 2):
        is_control = at >= words[0]
        value = words[at + 1] & FUNCSEL if releases and is_control else words[at + 1]
        chip.write_uint32(words[at], value)


@pytest.mark.parametrize("function", [PWM, SIO, PIO0])
@pytest.mark.parametrize("state", [*LEVELS, *PULLS])
def test_pin_is_safe_whatever_had_it_and_whatever_moves_it(state: str, function: int) -> None:
    chip = RP2040()
    pin = chip.gpio[16]
    chip.write_uint32(CTRL + 8 * 16, function)
    chip.write_uint32(PAD + 4 * 16, 0xFE)  # output disabled, both pulls
    chip.write_uint32(SIO_OE, 0 if state in LEVELS else 0xFFFFFFFF)
    chip.write_uint32(SIO_OUT, 0 if state == "high" else 0xFFFFFFFF)
    make(chip, stores({16: state}))
    for _ in range(2):
        assert pin.output_enable == (state in LEVELS)
        if state in LEVELS:
            assert (pin.output_enable, pin.output_value) == LEVELS[state]
            assert not pin.pad_value & 0x80
        else:
            assert (pin.pullup_enabled, pin.pulldown_enabled) == PULLS[state]
        # What a callback that has outlived its service does.
        chip.write_uint32(SIO_OE, 0 if state in LEVELS else 0xFFFFFFFF)
        chip.write_uint32(SIO_OUT, 0 if state == "high" else 0xFFFFFFFF)
    make(chip, stores({16: state}), releases=True)
    assert pin.ctrl == SIO
    assert pin.output_enable == (state in LEVELS)
    if state in LEVELS:
        assert pin.output_value == LEVELS[state][1]
        chip.write_uint32(SIO_OUT, 0 if state == "high" else 0xFFFFFFFF)
        assert pin.output_value != LEVELS[state][1]


def test_stores_leave_other_pins_alone() -> None:
    chip = RP2040()
    for gpio in (0, 15, 17, 29):
        chip.write_uint32(CTRL + 8 * gpio, SIO)
    chip.write_uint32(SIO_OE, 0x2002_8001)
    chip.write_uint32(SIO_OUT, 0x2002_8001)
    make(chip, stores({1: "low", 16: "high", 28: "input"}))
    assert all(chip.gpio[gpio].output_value for gpio in (0, 15, 17, 29))
    assert all(chip.gpio[gpio].output_enable for gpio in (0, 15, 17, 29))
    assert (chip.gpio[1].output_value, chip.gpio[16].output_value) == (False, True)


def test_pin_does_not_glitch_as_it_is_taken_from_a_wave() -> None:
    chip = RP2040()
    chip.write_uint32(CTRL + 8 * 16, PWM)
    seen = []
    words = words_of(stores({16: "high"}))
    for at in range(3, len(words), 2):
        chip.write_uint32(words[at], words[at + 1])
        if chip.gpio[16].function_select == SIO:
            seen.append((chip.gpio[16].output_enable, chip.gpio[16].output_value))
    assert seen == [(True, True)]


COMPARE = 0x4005000C


@pytest.mark.parametrize(("state", "left"), [("low", 0x1234_0000), ("high", 0x1234_FFFF)])
def test_wave_ends_in_its_own_channel_and_stays_so_when_the_pin_is_given_back(
    state: str, left: int
) -> None:
    chip = RP2040()
    chip.write_uint32(COMPARE + 0x14 * 3, 0x1234_5678)  # gp6 and gp7
    make(chip, stores({6: state}, Ends(waves={6})))
    make(chip, stores({6: state}, Ends(waves={6})), releases=True)
    assert chip.read_uint32(COMPARE + 0x14 * 3) == left
    assert chip.read_uint32(COMPARE) == RP2040().read_uint32(COMPARE)


def test_waves_that_end_with_a_service_are_its_own(tmp_path: Path) -> None:
    manifest = 'modules = ["machine"]\npins = ["gp2", "gp3"]\n[safe]\n"*" = "low"\n'
    other = manifest.replace("gp3", "gp19").replace("gp2", "gp4")
    folder = application(tmp_path, one=manifest, two=other)
    (folder / "one" / "waves.py").write_text("from machine import PWM\n\nMAKER = PWM\n")
    names: dict[str, tuple[tuple[object, ...], ...]] = {}
    exec(system_module(folder, "pico"), names)
    found = {row[0]: row[9] for row in names["SERVICES"]}
    assert found["one"] == stores({2: "low", 3: "low"}, Ends(waves={2}))  # gp3's channel is gp19's
    assert found["two"] == stores({4: "low", 19: "low"})


def test_inversion_of_a_wave_ends_with_its_service(tmp_path: Path) -> None:
    chip = RP2040()
    chip.write_uint32(COMPARE - 0xC + 0x14 * 3, 0xD)  # enabled, both channels inverted
    make(chip, stores({7: "low"}, Ends(waves={7}, inverted={7})))
    assert chip.read_uint32(COMPARE - 0xC + 0x14 * 3) == 0x5
    manifest = 'modules = ["machine"]\npins = ["gp2"]\n[safe]\n"*" = "low"\n'
    folder = application(tmp_path, one=manifest)
    (folder / "one" / "waves.py").write_text("def begin(PWM):\n    PWM(2, invert=True)\n")
    names: dict[str, tuple[tuple[object, ...], ...]] = {}
    exec(system_module(folder, "pico"), names)
    found = {row[0]: row[9] for row in names["SERVICES"]}
    assert found["one"] == stores({2: "low"}, Ends(waves={2}, inverted={2}))


def test_a_package_makes_a_services_waves_and_state_machines(tmp_path: Path) -> None:
    manifest = 'modules = ["machine", "servo"]\npins = ["gp2"]\n[safe]\n"*" = "low"\n'
    other = 'modules = ["machine"]\npins = ["gp6"]\n[safe]\n"*" = "low"\n'
    folder = application(tmp_path, one=manifest, two=other)
    (folder / "lib").mkdir()
    (folder / "lib" / "servo.py").write_text(
        "from machine import PWM\nfrom rp2 import StateMachine\nA, B = PWM(2), StateMachine(5)\n"
    )
    system = folder / "system.toml"
    system.write_text(system.read_text() + 'packages = ["servo"]\n')
    names: dict[str, tuple[tuple[object, ...], ...]] = {}
    exec(system_module(folder, "pico"), names)
    found = {row[0]: row[9] for row in names["SERVICES"]}
    assert found["one"] == stores({2: "low"}, Ends(waves={2}, machines={5}))
    assert found["two"] == stores({6: "low"})


def test_state_machines_of_a_service_end_and_are_not_begun_by_its_release() -> None:
    words = words_of(stores({16: "low"}, Ends(waves={16}, machines={1, 3, 6})))
    waves = words_of(stores({16: "low"}, Ends(waves={16})))
    # CTRL of both PIOs by the alias that clears bits, after all that a release looks at.
    ends = (0x5020_3000, 0b1010, 0x5030_3000, 0b0100)
    assert words == (*waves[:2], waves[2] + len(ends), *waves[3:], *ends)


@pytest.mark.parametrize(
    ("one", "two", "expected"),
    [
        ("StateMachine(5, f)", "", {5}),
        ("rp2.StateMachine(5, f); StateMachine(0)", "StateMachine(0, f)", {5}),
        ("StateMachine(number, f)", "StateMachine(7, f)", set(range(7))),
        ("[StateMachine(n, f) for n in (1, 6)]", "", {1, 6}),
        ("rp2.PIO(at).state_machine(2, f)", "", {2, 6}),
        ("from rp2 import StateMachine as Made\n    Made(3, f)", "", {3}),
        ("number(rp2.StateMachine)", "", set(range(8))),
        ("StateMachine(2)", "rp2.StateMachine(at, f)", set()),
        ("StateMachine", "", set(range(8))),
        ("active", "", set()),
    ],
)
def test_state_machines_that_end_with_a_service_are_its_own(
    one: str, two: str, expected: set[int], tmp_path: Path
) -> None:
    manifest = 'modules = ["machine", "rp2"]\npins = ["gp2"]\n[safe]\n"*" = "low"\n'
    folder = application(tmp_path, one=manifest, two=manifest.replace("gp2", "gp4"))
    for name, text in (("one", one), ("two", two)):
        (folder / name / "pio.py").write_text(f"def begin(rp2, f, at, number):\n    {text or 0}\n")
    names: dict[str, tuple[tuple[object, ...], ...]] = {}
    exec(system_module(folder, "pico"), names)
    found = {row[0]: row[9] for row in names["SERVICES"]}
    assert found["one"] == stores({2: "low"}, Ends(machines=expected))


def test_channels_of_dma_end_with_a_service_though_they_start_each_other() -> None:
    chip = RP2040()
    chip.write_uint32(DMA_TIMER, 1 << 16 | 125)
    for channel, other in ((0, 1), (1, 0), (2, 2)):  # two for ever, and one that is very long
        base = DMA + 0x40 * channel
        for register, value in ((0, RAM), (4, RAM + 4), (8, 1000)):
            chip.write_uint32(base + register, value)
        chip.write_uint32(base + 0x10, DMA_TIMED | other << 11 | 1)
    for channel in (0, 2):
        chip.write_uint32(DMA + 0x40 * channel + 0xC, chip.read_uint32(DMA + 0x40 * channel + 0xC))
    assert [bool(chip.read_uint32(DMA + 0x40 * n + 0x10) & BUSY) for n in range(3)] == [
        *(True, False, True)
    ]
    make(chip, stores({16: "low"}, Ends(dma=True)))
    assert not any(chip.read_uint32(DMA + 0x40 * n + 0x10) & (BUSY | 1) for n in range(12))
    chip.write_uint32(RAM, 0x1234)
    chip.clock.tick(10_000_000)
    assert chip.read_uint32(RAM + 4) == 0
    words = words_of(stores({16: "low"}, Ends(dma=True), registers=CHIPS["rp2350"]))
    assert words[-2:] == (0x50000464, 0xFFFF)
    assert words[-34:-2:2] == tuple(range(0x50003010, 0x50003410, 0x40))


@pytest.mark.parametrize(
    ("one", "two", "more", "ends"),
    [
        ("rp2.DMA()", "machine.SPI(at)", "", True),
        ("machine.SPI(at)", "rp2.DMA()", "", False),
        ("rp2.DMA()", "rp2.DMA()", "", False),
        ("rp2.DMA()", "machine.I2S(0)", "", False),
        ("rp2.DMA()", "", HARD, False),
    ],
)
def test_dma_ends_with_a_service_that_alone_has_it(
    one: str, two: str, more: str, ends: bool, tmp_path: Path
) -> None:
    manifest = 'modules = ["machine", "rp2"]\npins = ["gp2"]\n[safe]\n"*" = "low"\n'
    other = manifest.replace("gp2", "gp4")
    folder = application(tmp_path, one=more[:12] + manifest + more[12:], two=other)
    for name, text in (("one", one), ("two", two)):
        (folder / name / "moves.py").write_text(f"def begin(rp2, machine, at):\n    {text or 0}\n")
    names: dict[str, tuple[tuple[object, ...], ...]] = {}
    exec(system_module(folder, "pico"), names)
    found = {row[0]: row[9] for row in names["SERVICES"]}
    assert found["one"] == stores({2: "low"}, Ends(dma=ends))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('gp2 = "low"', 'gp2 = "high"'),
        ('pins = ["gp2"]', 'pins = ["gp2", "gp3"]'),
        ("yield", "from machine import PWM\n    yield"),
    ],
)
def test_update_that_takes_other_stores_has_another_digest_so_a_board_refuses_it(
    old: str, new: str, tmp_path: Path
) -> None:
    manifest = 'modules = ["machine"]\npins = ["gp2"]\n[safe]\n"*" = "low"\ngp2 = "low"\n'
    folder = application(tmp_path, one=manifest)
    found = []
    for _ in range(2):
        loaded = load_application(folder, shipped=folder, report=Report())
        assert loaded is not None
        found.append(manifest_digest(loaded, board_named("pico"), "one"))
        for file in (folder / "one").iterdir():
            file.write_text(file.read_text().replace(old, new))
    assert found[0] != found[1]


def test_row_has_the_stores_of_all_pins_but_those_that_may_be_kept(tmp_path: Path) -> None:
    manifest = 'modules = ["machine"]\npins = ["gp2", "gp3", "gp4"]\n[safe]\n'
    manifest += '"*" = "low"\ngp3 = "keep"\ngp4 = "input up"\n'
    names: dict[str, tuple[tuple[object, ...], ...]] = {}
    exec(system_module(application(tmp_path, one=manifest), "pico"), names)
    rows = {row[0]: row[9] for row in names["SERVICES"]}
    assert rows == {"one": stores({2: "low", 4: "input up"}), "supervisor": b""}


def test_ports_without_registers_get_pins() -> None:
    assert outputs_of({5: "input down", 2: "high"}, board_named("esp32")) == (2, 1, 5, 4)


def test_unknown_safe_state_is_reported_with_its_line(tmp_path: Path) -> None:
    application(tmp_path, one='pins = ["gp2"]\n[safe]\ngp2 = "off"')
    report = Report()
    load_service(tmp_path / "one", report)
    (problem,) = report.errors
    assert 'safe.gp2 is "off", and must be one of low, high, input' in problem.text
    assert problem.line == 6


def test_manifest_for_a_driver_that_ships_has_the_drivers_own_states(tmp_path: Path) -> None:
    shipped = Path(__file__).parents[2] / "services"
    (tmp_path / "pwm").mkdir()
    text = '[service]\nname = "pwm"\npriority = 3\npins = ["gp2", "gp3"]\n'
    (tmp_path / "pwm" / "service.toml").write_text(text + '[safe]\ngp3 = "input"\n')
    report = Report()
    service = load_service(tmp_path / "pwm", report, shipped=shipped)
    assert service is not None and not report.errors
    assert {pin: service.safe_state(pin) for pin in service.driven_pins} == {
        "gp2": "low",
        "gp3": "input",
    }


def test_every_driver_and_example_that_ships_says_what_is_safe() -> None:
    root = Path(__file__).parents[2] / "services"
    report = Report()
    manifests = [path.parent for path in root.glob("*/service.toml")]
    services = [load_service(folder, report, shipped=root) for folder in manifests]
    for example in (root / "examples").glob("*/system.toml"):
        found = load_application(example.parent, shipped=root, report=report)
        services += found.services if found else ()
    assert not report.errors
    unsaid = [
        (service.name, pin)
        for service in services
        if service
        for pin in service.driven_pins
        if not service.safe_state(pin)
    ]
    assert unsaid == []
