"""`bulkhead check` on safe states: what has to be said, and what cannot hold."""

from pathlib import Path

import pytest
from small_system import application

from bulkhead_host.system.examine import examine

MACHINE = 'modules = ["machine", "rp2"]\n'
SERVICE = "from machine import ADC, I2C, PWM, SPI, UART, Pin\nfrom micropython import const\n"
MAIN = "def main(task):\n    {code}\n    yield task.recv()\n"
PROGRAM = """import rp2
ROW = (rp2.PIO.OUT_LOW,) * 3
@rp2.asm_pio(set_init=(rp2.PIO.OUT_LOW, rp2.PIO.OUT_LOW), out_init=ROW, sideset_init=1)
def two():
    pass
"""
UNSAID = "is driven, and nothing says what is safe when one ends"


def found(
    folder: Path, manifest: str, code: str = "pass", *, top: str = "", board: str | None = None
) -> list[tuple[bool, str, str, int, str]]:
    """Return what is wrong: whether a warning, text, file, line and next step."""
    application(folder, one=manifest)
    module, _, body = code.rpartition("\n")
    text = (SERVICE if MACHINE in manifest else "") + module + "\n\n\n" + MAIN.format(code=body)
    (folder / "one" / "service.py").write_text(text)
    system = folder / "system.toml"
    system.write_text(system.read_text() + top)
    return [
        (one.is_warning, one.text, one.path.name, one.line, one.next_step)
        for one in examine(folder, board=board).problems
    ]


def texts(rows: list[tuple[bool, str, str, int, str]]) -> list[str]:
    return [text for _, text, *_ in rows]


def test_pin_that_is_listed_and_not_said_to_be_safe_is_an_error_with_the_line_to_add(
    tmp_path: Path,
) -> None:
    (row,) = found(tmp_path, MACHINE + 'pins = ["gp2"]\n')
    assert row == (
        False,
        f"pin gp2 {UNSAID}",
        "service.toml",
        5,
        'add to one/service.toml under [safe]: gp2 = "low"; or high, input, keep',
    )


def test_nothing_more_is_said_of_a_pin_that_the_board_has_not(tmp_path: Path) -> None:
    (row,) = found(tmp_path, MACHINE + 'pins = ["gp61"]\n')
    assert row[1] == "board pico has no pin gp61"


@pytest.mark.parametrize("state", ["low", "input", "keep"])
def test_pin_of_which_something_is_said_is_right(tmp_path: Path, state: str) -> None:
    manifest = MACHINE + f'pins = ["gp2"]\n[safe]\ngp2 = "{state}"\n'
    assert found(tmp_path, manifest, "Pin(2, Pin.OUT)") == []


def test_pin_of_a_service_that_cannot_drive_needs_nothing(tmp_path: Path) -> None:
    assert found(tmp_path, 'modules = ["machine.ADC"]\npins = ["gp26"]\n') == []


def test_tx_of_a_uart_line_is_driven(tmp_path: Path) -> None:
    line = '[[line]]\nname = "in"\nsource = "uart"\ntx = "gp0"\nrx = "gp1"\n'
    (row,) = found(tmp_path, line)
    assert row[1] == f"pin gp0 {UNSAID}"
    assert row[3] == 7


@pytest.mark.parametrize(
    ("code", "pins"),
    [
        ("Pin(2, Pin.OUT)", ["gp2"]),
        ("Pin(2, mode=Pin.OUT)", ["gp2"]),
        ("Pin(2, value=1)", ["gp2"]),
        ("Pin(2, Pin.OPEN_DRAIN)", ["gp2"]),
        ("_HEAT = const(2)\nPin(_HEAT, Pin.OUT)", ["gp2"]),
        ("HEAT = 2\nPWM(Pin(HEAT), freq=50)", ["gp2"]),
        ("from bulkhead_board import GP2\nPWM(Pin(GP2))", ["gp2"]),
        ("pin = Pin(2); pin.init(Pin.OUT)", ["gp2"]),
        ("pin = Pin(2); pin.on()", ["gp2"]),
        ("pin = Pin(2); pin.value(1)", ["gp2"]),
        ("pin = Pin(2); wave = PWM(pin)", ["gp2"]),
        ("I2C(0, sda=Pin(4), scl=Pin(5))", ["gp4", "gp5"]),
        ("I2C(0)", ["gp4", "gp5"]),
        ("SPI(0)", ["gp18", "gp19"]),
        ("UART(0, 9600, tx=Pin(0), rx=Pin(1))", ["gp0"]),
        # What a bus takes when it is not given it, whatever else it is given.
        ("I2C()", ["gp4", "gp5"]),
        ("I2C(1, freq=400_000)", ["gp6", "gp7"]),
        ("I2C(0, 400_000, scl=Pin(5))", ["gp4", "gp5"]),
        ("I2C(0, sda=None)", ["gp4", "gp5"]),
        ("SPI(0, 1_000_000)", ["gp18", "gp19"]),
        ("SPI(baudrate=1_000_000, id=1)", ["gp10", "gp11"]),
        ("SPI(0, sck=Pin(2), miso=None)", ["gp19", "gp2"]),
        ("BUS = 1\nSPI(BUS, 9600)", ["gp10", "gp11"]),
        ("for n in (0, 1): I2C(n)", ["gp4", "gp5", "gp6", "gp7"]),
        ("UART(0, 9600)", ["gp0"]),
        ("uart = UART(1, baudrate=9600); uart.init(9600, tx=8)", ["gp4", "gp8"]),
        ("from machine import I2CTarget\nI2CTarget(0, 66)", ["gp4", "gp5"]),
        # Numbers and names do for a pin.
        ("I2C(0, sda=4, scl=5)", ["gp4", "gp5"]),
        ('I2C(0, sda="GP4", scl="GP5")', ["gp4", "gp5"]),
        ("UART(0, 9600, tx=0, rx=1)", ["gp0"]),
        ("from machine import SoftI2C\nSoftI2C(5, 4)", ["gp4", "gp5"]),
        ("from machine import Signal\nSignal(2, Pin.OUT, invert=True)", ["gp2"]),
        ('Pin("GP2", Pin.OUT)', ["gp2"]),
        ("Pin(Pin.board.GP2, Pin.OUT)", ["gp2"]),
        ("Pin.board.GP2.on()", ["gp2"]),
        ("Pin(2, 1)", ["gp2"]),
        ("OUT = Pin.OUT\nPin(2, OUT)", ["gp2"]),
        ("MAKE = Pin\nMAKE(2, Pin.OUT)", ["gp2"]),
        ("import machine as m\nm.Pin(2, m.Pin.OUT)", ["gp2"]),
        ("from machine import Pin as P\nP(2, P.OUT)", ["gp2"]),
        ("Pin(2).on()", ["gp2"]),
        ("pin = Pin(2); on = pin.on; on()", ["gp2"]),
        ("pin = Pin(2); say = pin.value; say(1)", ["gp2"]),
        ("pin = Pin(2); pin(1)", ["gp2"]),
        ("task.heat = Pin(2); task.heat.toggle()", ["gp2"]),
        # Several in one place.
        ("for n in (2, 3): Pin(n, Pin.OUT)", ["gp2", "gp3"]),
        ("for n in range(2, 5): Pin(n, Pin.OUT)", ["gp2", "gp3", "gp4"]),
        ("[Pin(n, Pin.OUT) for n in (2, 3)]", ["gp2", "gp3"]),
        ("FIRST = const(2)\nfor n in range(2): Pin(FIRST + n, Pin.OUT)", ["gp2", "gp3"]),
        ("ROW = (2, 3)\nfor n in ROW: Pin(n, Pin.OUT)", ["gp2", "gp3"]),
        ("ROW = (2, 3)\nPin(ROW[1], Pin.OUT)", ["gp3"]),
        ("for at, n in enumerate([2, 3]): Pin(n, Pin.OUT, value=at)", ["gp2", "gp3"]),
        ("for n, level in ((2, 0), (3, 1)): Pin(n, value=level)", ["gp2", "gp3"]),
        ("for n in {'a': 2, 'b': 3}.values(): Pin(n, Pin.OUT)", ["gp2", "gp3"]),
        ("pins = [Pin(n) for n in (2, 3)]; pins[0].on()", ["gp2", "gp3"]),
        ("for pin in (Pin(2), Pin(3)): pin.init(Pin.OUT)", ["gp2", "gp3"]),
        ("def led(n):\n    return Pin(n, Pin.OUT)\nled(2); led(n=3)", ["gp2", "gp3"]),
        ("def led(n=2):\n    Pin(n, Pin.OUT)\nled()", ["gp2"]),
        ("class L:\n    def __init__(self, n):\n        self.n = Pin(n)\nL(2).n.on()", ["gp2"]),
        ("n = 2 if task.arg else 3; Pin(n, Pin.OUT)", ["gp2", "gp3"]),
        ("task.pio.state_machine(1, task, set_base=Pin(2), in_base=Pin(3))", ["gp2"]),
        ("import rp2\nrp2.StateMachine(0, task.program, set_base=2)", ["gp2"]),
        (f"{PROGRAM}\nrp2.StateMachine(0, two, set_base=Pin(2))", ["gp2", "gp3"]),
        (f"{PROGRAM}\nrp2.StateMachine(0, two, out_base=Pin(6))", ["gp6", "gp7", "gp8"]),
        (f"{PROGRAM}\nrp2.StateMachine(0, two, sideset_base=2)", ["gp2"]),
        # What is only read.
        ("Pin(2, Pin.IN)", []),
        ("Pin(2).value()", []),
        ("pin = Pin(2); pin.value()", []),
        ("ADC(Pin(26))", []),
        ("Pin(2, Pin.IN, Pin.PULL_UP)", []),
        ("Pin(2, 0)", []),
        ("for n in (2, 3): Pin(n, Pin.IN)", []),
        ("pins = [Pin(n) for n in (2, 3)]; pins[0]()", []),
        ("def key(n):\n    return Pin(n).value()\nkey(2)", []),
    ],
)
def test_pins_that_the_code_drives_are_errors_unless_the_manifest_says_what_is_safe(
    tmp_path: Path, code: str, pins: list[str]
) -> None:
    # Of a pin that is only read it is said that it is not the service's own.
    others = ("is not its own", "has no pins")
    rows = found(tmp_path, MACHINE, code)
    rows = [row for row in rows if not any(words in row[1] for words in others)]
    assert sorted(texts(rows)) == [f"pin {pin} {UNSAID}" for pin in pins]
    assert {name for _, _, name, *_ in rows} <= {"service.py"}


@pytest.mark.parametrize(
    ("code", "taken"),
    [
        ("SPI(0, 1_000_000)", [16]),
        ("SPI(0, 1_000_000, miso=None)", []),
        ("SPI(0, miso=20)", [20]),
        ("UART(0, 9600)", [1]),
        ("UART(0, 9600, rx=Pin(17))", [17]),
    ],
)
def test_pin_that_a_bus_takes_to_read_has_to_be_its_own(
    tmp_path: Path, code: str, taken: list[int]
) -> None:
    drives = "".join(f'{pin} = "low"\n' for pin in ("gp0", "gp18", "gp19"))
    rows = found(tmp_path, f"{MACHINE}[safe]\n{drives}", code)
    texts_ = [f"pin {pin} is not its own: name it under pins in service.toml" for pin in taken]
    assert texts(rows) == texts_


@pytest.mark.parametrize("code", ["SPI(0)", "UART(1)", "I2C(0, freq=400_000)"])
def test_a_bus_that_is_given_its_number_alone_has_no_pins_after_a_restart(
    tmp_path: Path, code: str
) -> None:
    pins = ("gp0", "gp1", "gp4", "gp5", "gp16", "gp18", "gp19")
    safe = "".join(f'{pin} = "input"\n' for pin in pins)
    rows = found(tmp_path, f"{MACHINE}pins = {list(pins)}\n[safe]\n{safe}", code)
    is_bare = "," not in code
    text = f"after a restart {code[:-3]} has no pins: MicroPython sets up once what has a number"
    assert [row[:2] for row in rows] == [(False, text)] * is_bare


@pytest.mark.parametrize(
    ("code", "is_early"),
    [
        ("Pin(2, Pin.OUT)\npass", True),
        ("class Lamp:\n    PIN = Pin(2, Pin.OUT)\npass", True),
        ("PIN = Pin(2)\nPIN.on()", False),
        ("def lamp():\n    return Pin(2, Pin.OUT)\nlamp()", False),
    ],
)
def test_pin_that_is_driven_as_a_module_loads_is_a_warning(
    tmp_path: Path, code: str, *, is_early: bool
) -> None:
    manifest = MACHINE + 'pins = ["gp2"]\n[safe]\ngp2 = "low"\n'
    text = "a pin is driven as the module loads, by an update beside the code that runs"
    assert [row[:2] for row in found(tmp_path, manifest, code)] == [(True, text)] * is_early


def test_pin_that_another_module_of_the_service_names_is_followed(tmp_path: Path) -> None:
    manifest = MACHINE + 'pins = ["gp4"]\n[safe]\ngp4 = "low"\n'
    rows = found(tmp_path, manifest)
    assert rows == []
    (tmp_path / "one" / "api.py").write_text("HEAT = const(2)\nLIGHTS = 3\n")
    service = tmp_path / "one" / "service.py"
    text = "from services.one.api import HEAT, LIGHTS as L\n" + service.read_text()
    service.write_text(text.replace("pass", "Pin(HEAT, Pin.OUT); Pin(L, Pin.OUT)"))
    names = [one.text for one in examine(tmp_path).problems if UNSAID in one.text]
    assert names == [f"pin gp2 {UNSAID}", f"pin gp3 {UNSAID}"]


PACKAGE = """from machine import PWM, Pin
from micropython import const
_HEAT = const(2)


def heat():
    return Pin(_HEAT, Pin.OUT)


def light(pin=3):
    PWM(Pin(pin), freq=50)


def key():
    return Pin(4, Pin.IN).value()


class Lamp:
    def __init__(self, *, pin=5):
        self.pin = Pin(pin)

    def show(self):
        self.pin.on()

    def test(self):
        Pin(6, Pin.OUT)
"""


@pytest.mark.parametrize(
    ("code", "pins"),
    [
        ("", []),
        ("import desk\ndesk.heat()", [2]),
        ("from desk import heat\nheat()", [2]),
        ("from desk import heat as warm\nwarm()", [2]),
        ("import desk\ndesk.light()", [3]),
        ("import desk\ndesk.light(7)", [7]),
        ("import desk\ndesk.light(pin=7); desk.light(*task.arg)", [7]),
        ("import desk\ndesk.light(task.arg)", []),
        ("import desk\nROW = (7, 8)\n[desk.light(pin) for pin in ROW]", [7, 8]),
        ("import desk\ndesk.key()", []),
        ("import desk\ndesk.Lamp().show()", [5]),
        ("import desk\ndesk.Lamp(pin=7).show()", [7]),
        ("import desk\ndesk.Lamp()", []),
        ("import desk\ndesk.Lamp(pin=7).test()", [6]),
        # Of a folder, whose modules have constants of one another.
        ("from desk.far import far\nfar()", [8]),
    ],
)
@pytest.mark.parametrize("is_said", [False, True])
def test_pins_that_a_package_drives_as_the_service_uses_it_are_errors_too(
    tmp_path: Path, code: str, pins: list[int], *, is_said: bool
) -> None:
    is_folder = "desk.far" in code
    library = tmp_path / "lib"
    (library / "desk").mkdir(parents=True) if is_folder else library.mkdir()
    home = library / "desk" / "__init__.py" if is_folder else library / "desk.py"
    home.write_text(PACKAGE)
    if is_folder:
        (library / "desk" / "rows.py").write_text("FAR = 8\n")
        far = "from machine import Pin\nfrom desk.rows import FAR\n"
        (library / "desk" / "far.py").write_text(f"{far}def far():\n    Pin(FAR, Pin.OUT)\n")
    application(tmp_path, one='modules = ["desk"]\n' + safe_lines(pins if is_said else []))
    system = tmp_path / "system.toml"
    system.write_text(system.read_text() + 'packages = ["desk"]\n')
    head, _, body = code.rpartition("\n")
    service = f"{head}\n\n\n{MAIN.format(code=body or 'pass')}"
    (tmp_path / "one" / "service.py").write_text(service)
    rows = examine(tmp_path).problems
    assert [one.text for one in rows] == [f"pin gp{pin} {UNSAID}" for pin in pins if not is_said]
    for one in rows:
        assert one.path == (library / "desk" / "far.py" if is_folder else home)
        assert one.line > 0
        assert one.next_step.startswith("add to one/service.toml under [safe]: gp")


def safe_lines(pins: list[int]) -> str:
    return "[safe]\n" + "".join(f'gp{pin} = "low"\n' for pin in pins) if pins else ""


def test_a_pin_of_a_shared_package_is_safe_where_one_of_its_services_says_so(
    tmp_path: Path,
) -> None:
    shared = 'modules = ["desk"]\n'
    application(tmp_path, one=shared, two=f'{shared}[safe]\ngp2 = "low"\n')
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "desk.py").write_text(PACKAGE)
    system = tmp_path / "system.toml"
    system.write_text(system.read_text() + 'packages = ["desk"]\n')
    code = "import desk\n\n\n" + MAIN.format(code="desk.heat()")
    for name in ("one", "two"):
        (tmp_path / name / "service.py").write_text(code)
    assert examine(tmp_path).problems == []


def test_pins_that_nobody_can_tell_are_a_warning(tmp_path: Path) -> None:
    (row,) = found(tmp_path, MACHINE, "Pin(task.arg, Pin.OUT)")
    assert row[0]
    assert "its manifest does not say which" in row[1]


def test_a_pin_that_is_safe_for_two_services_has_two_owners(tmp_path: Path) -> None:
    application(
        tmp_path, one='[safe]\ngp2 = "low"\n', two=MACHINE + 'pins = ["gp2"]\n[safe]\ngp2 = "low"'
    )
    assert [one.text for one in examine(tmp_path).problems] == [
        "pin gp2 belongs to one and to two"
    ]


def test_keep_in_a_group_is_a_warning(tmp_path: Path) -> None:
    group = '[[group]]\nname = "g"\nstrategy = "one_for_all"\nservices = ["one", "supervisor"]\n'
    rows = found(tmp_path, MACHINE + 'pins = ["gp2"]\n[safe]\ngp2 = "keep"\n', top=group)
    (row,) = (row for row in rows if row[0])
    assert row[:2] == (True, "pin gp2 keeps its level when one ends, which is in a group")
    assert row[3] == 7


def test_keep_of_a_hard_driver_is_a_warning(tmp_path: Path) -> None:
    line = '[[line]]\nname = "in"\nsource = "pin"\npin = "gp3"\ntrigger = "falling"\n'
    manifest = MACHINE + 'hard = true\npins = ["gp2"]\n[safe]\ngp2 = "keep"\n' + line
    rows = [row for row in found(tmp_path, manifest) if row[0]]
    assert texts(rows) == ["pin gp2 keeps its level when one ends, which is a hard driver"]


@pytest.mark.parametrize(
    ("state", "board", "pull"),
    [
        ("high", "pico", "pulled down"),
        ("input up", "pico", "pulled down"),
        ("low", "pico", ""),
        ("input", "pico", ""),
        ("keep", "pico", ""),
        ("low", "esp32", "not pulled"),
        ("high", "esp32", "not pulled"),
    ],
)
def test_a_pull_that_contradicts_from_reset_to_boot_is_a_warning(
    tmp_path: Path, state: str, board: str, pull: str
) -> None:
    pin = "gp2" if board == "pico" else "gpio4"
    manifest = MACHINE + f'pins = ["{pin}"]\n[safe]\n{pin} = "{state}"\n'
    rows = found(tmp_path, manifest, board=board)
    if not pull:
        assert rows == []
        return
    (row,) = rows
    what = f"pin {pin} is safe when {state}, and from reset to boot is an input, {pull}"
    assert row[:2] == (True, what)
    assert row[4].startswith("between reset and boot this pin floats: add a resistor")


def test_a_resistor_that_is_there_ends_the_warning(tmp_path: Path) -> None:
    manifest = MACHINE + 'pins = ["gp2"]\n[safe]\ngp2 = "high"\n'
    assert found(tmp_path, manifest, top='[resistors]\ngp2 = "up"\n') == []


def test_a_pin_behind_another_chip_is_a_warning(tmp_path: Path) -> None:
    manifest = MACHINE + 'pins = ["led"]\n[safe]\nled = "low"\n'
    (row,) = found(tmp_path, manifest, board="pico_w")
    assert row[:2] == (True, "pin led of pico_w is no pin of the chip: nothing makes it safe")


def test_a_pin_that_can_only_be_read_cannot_be_low(tmp_path: Path) -> None:
    manifest = MACHINE + 'pins = ["gpio34"]\n[safe]\ngpio34 = "low"\n'
    rows = found(tmp_path, manifest, board="esp32")
    assert (False, "pin gpio34 of esp32 can only be read, and low is what is safe") in [
        row[:2] for row in rows
    ]


def test_a_resistor_at_a_pin_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    manifest = MACHINE + 'pins = ["gp2"]\n[safe]\ngp2 = "low"\n'
    (row,) = found(tmp_path, manifest, top='[resistors]\ngp2 = "down"\ngp77 = "up"\n')
    assert row[:4] == (False, "board pico has no pin gp77 of its chip", "system.toml", 7)


@pytest.mark.parametrize(("state", "is_wrong"), [("low", True), ("high", True), ("input", False)])
def test_a_line_that_is_to_be_driven_when_its_service_ends_is_a_warning(
    state: str, is_wrong: bool, tmp_path: Path
) -> None:
    line = '[[line]]\nname = "in"\nsource = "pin"\npin = "gp3"\ntrigger = "falling"\n'
    rows = found(tmp_path, f'{line}[safe]\ngp3 = "{state}"\n', top='[resistors]\ngp3 = "up"\n')
    text = f"pin gp3 is a line's input, and an output, {state}, when one ends"
    assert [row[:2] for row in rows if "line's" in row[1]] == [(True, text)] * is_wrong


@pytest.mark.parametrize("word", ["disable_irq", "lightsleep", "deepsleep"])
def test_who_may_stop_the_board_while_outputs_are_driven_is_warned_of(
    tmp_path: Path, word: str
) -> None:
    manifest = f'modules = ["machine", "machine.{word}"]\npins = ["gp2", "gp3"]\n'
    (row,) = found(tmp_path, manifest + '[safe]\ngp2 = "low"\ngp3 = "low"\n')
    assert row[0] is True
    assert row[1].endswith("meanwhile nobody sees to the safe state of gp2 of one, nor of 1 more")
    assert (row[2], row[3]) == ("service.toml", 4)
    assert row[4].startswith(f"leave machine.{word} out")


@pytest.mark.parametrize("safe", ["", 'pins = ["gp2"]\n[safe]\ngp2 = "keep"\n'])
def test_who_may_stop_a_board_without_outputs_is_not_warned_of(tmp_path: Path, safe: str) -> None:
    assert not [
        text
        for text in texts(found(tmp_path, f'modules = ["machine.disable_irq"]\n{safe}'))
        if "interrupts off" in text
    ]
