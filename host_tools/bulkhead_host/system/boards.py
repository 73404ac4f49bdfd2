"""What a board's TOML file says: chip and port, memory, pins, how it is flashed.

`board_configs/README.md` is the schema for people; here it is for programs.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bulkhead_host.errors import UsageError
from bulkhead_host.paths import source_root
from bulkhead_host.problem import Report
from bulkhead_host.system.document import read_document
from bulkhead_host.system.fields import Fields

TIERS = ("emulated", "built", "type-checked", "host", "described")
"""How far a board is tried: every test run, its image alone, types, kernel's cases, not at all."""

METHODS = ("uf2", "esptool", "none")

BUSES = {"i2c": ("sda", "scl"), "spi": ("sck", "mosi", "miso"), "uart": ("tx", "rx")}
"""The signals of each kind of bus, by which its number is followed: i2c0."""

RESET_PULLS = ("none", "up", "down")
"""What pulls a pin from reset to boot, when it is an input."""

INPUTS = ("miso", "rx")
"""Signals that a pin which can only be read is good for."""

FUNCTION = re.compile(
    r"i2c\d\.(sda|scl)|spi\d\.(sck|mosi|miso|cs)|uart\d\.(tx|rx|cts|rts)"
    r"|pwm\d+\.[ab]|adc\d(\.\d)?|dac\d|touch\d+"
)
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_BYTES_MAX = 1 << 30
_GPIO_MAX = 63
_TIMERS_MAX = 1000


@dataclass(frozen=True, kw_only=True)
class Pin:
    """A pin of the chip that the board brings out, and what it can do beside reading a level.

    `pull_at_reset` is what pulls it until the firmware has set it up.
    """

    gpio: int
    functions: tuple[str, ...] = ()
    is_input_only: bool = False
    pull_at_reset: str = "none"


@dataclass(frozen=True, kw_only=True)
class Image:
    """Where a board's firmware comes from; `why_not` says why none is built here, or is empty.

    `micropython_board` is a folder of MicroPython's port, or one beside the board's file.
    `libraries` are what MicroPython is built with that its source package lacks; `in_ram` its C
    files whose code is copied into RAM at boot, `py/vm.c`.
    """

    micropython_board: str = ""
    libraries: tuple[str, ...] = ()
    in_ram: tuple[str, ...] = ()
    why_not: str = ""
    official: str = ""


@dataclass(frozen=True, kw_only=True)
class Board:
    """A board. `pins` has the chip's names, `names` the board's own for some of them.

    `external` are names that `machine.Pin` takes for what is no pin of the chip, such as the LED
    of a Pico W. `timer_lines` are the timers that the port leaves for interrupt lines. `needs`
    says what is missing before Bulkhead runs on it, for a `described` one.
    """

    name: str
    title: str
    chip: str
    port: str
    architecture: str
    tier: str
    needs: str = ""
    flash_bytes: int
    file_system_bytes: int = 0
    ram_bytes: int
    timer_lines: int = 0
    method: str
    flash: Mapping[str, int | str] = field(default_factory=dict)
    image: Image
    pins: Mapping[str, Pin] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    external: Mapping[str, str] = field(default_factory=dict)
    buses: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    sources: tuple[str, ...] = ()

    @property
    def pin_names(self) -> tuple[str, ...]:
        """Every name that a manifest may use for a pin, the board's own first."""
        return (*self.names, *self.external, *self.pins)

    def place(self, name: str) -> int | str | None:
        """Return what `machine.Pin` takes for a pin's name; None if there is none of that name."""
        if name in self.external:
            return self.external[name]
        pin = self.pins.get(self.names.get(name, name))
        return None if pin is None else pin.gpio

    def functions(self, name: str) -> tuple[str, ...]:
        """Return what a pin can do beside reading a level; nothing for what is no pin."""
        pin = self.pins.get(self.names.get(name, name))
        return () if pin is None else pin.functions

    def uart_of(self, rx: str, tx: str) -> int | None:
        """Return the number of the UART that two pins belong to, None if there is none."""
        found = [self.pins.get(self.names.get(name, name)) for name in (rx, tx)]
        for number in range(10):
            wanted = (f"uart{number}.rx", f"uart{number}.tx")
            if all(pin and want in pin.functions for pin, want in zip(found, wanted, strict=True)):
                return number
        return None


def boards_folder() -> Path:
    """Return the folder that has one folder a board."""
    return source_root() / "board_configs"


def board_names(folder: Path | None = None) -> list[str]:
    """Return the names of the boards there are."""
    return sorted(path.parent.name for path in (folder or boards_folder()).glob("*/board.toml"))


def board_named(name: str) -> Board:
    """Return a board; raise UsageError when there is none of that name, or its file is wrong."""
    if name not in board_names():
        known = ", ".join(board_names())
        raise UsageError(f'there is no board "{name}"', f"use one of {known}")
    report = Report()
    board = load_board(boards_folder() / name, report)
    if board is None or report.errors:
        raise UsageError(str(report.errors[0].from_here()), report.errors[0].next_step)
    return board


def load_board(folder: Path, report: Report) -> Board | None:
    """Return the board in `folder`/board.toml, None when it is no TOML."""
    document = read_document(folder / "board.toml", report)
    if document is None:
        return None
    top = Fields(document, report)
    top.only("board", "memory", "flash", "image", "names", "external", "buses", "pins")
    table = top.table("board")
    table.only(
        *(
            "name",
            "title",
            "chip",
            "port",
            "architecture",
            "tier",
            "needs",
            "has_pin_matrix",
            "pull_at_reset",
        ),
        *("sources", "timer_lines", "pull_at_reset"),
    )
    if table.text("name") not in ("", folder.name):
        table.problem("name", f"board.name is not that of its folder, {folder.name}")
    tier = table.choice("tier", TIERS)
    memory = top.table("memory")
    memory.only("flash_bytes", "file_system_bytes", "ram_bytes")
    least = 0 if tier == "host" else 1
    board = Board(
        name=folder.name,
        title=table.text("title"),
        chip=table.text("chip"),
        port=table.text("port"),
        architecture=table.text("architecture"),
        tier=tier,
        needs=table.text("needs") if tier == "described" else "",
        flash_bytes=memory.integer("flash_bytes", low=least, high=_BYTES_MAX),
        file_system_bytes=memory.integer("file_system_bytes", low=0, high=_BYTES_MAX, default=0),
        ram_bytes=memory.integer("ram_bytes", low=1, high=_BYTES_MAX),
        timer_lines=table.integer("timer_lines", low=0, high=_TIMERS_MAX, default=_TIMERS_MAX),
        method=top.table("flash").choice("method", METHODS),
        flash=_flash(top.table("flash")),
        image=_image(top.table("image")),
        pins=_pins(top),
        names=_texts(top, "names"),
        external=_texts(top, "external"),
        buses=_buses(top),
        sources=table.texts("sources"),
    )
    _check(board, top)
    return board


def _flash(table: Fields) -> dict[str, int | str]:
    method = table.values.get("method")
    known = {
        "uf2": ("usb_vid", "usb_pid", "uf2_family"),
        "esptool": ("usb_vid", "usb_pid", "esptool_chip", "offset"),
    }.get(str(method), ())
    table.only("method", *known)
    return {
        key: table.text(key)
        if key == "esptool_chip"
        else table.integer(key, low=0, high=0xFFFFFFFF)
        for key in known
    }


def _image(table: Fields) -> Image:
    table.only("micropython_board", "libraries", "in_ram", "built_here", "why_not", "official")
    built_here = table.boolean("built_here")
    return Image(
        micropython_board=table.text("micropython_board", default=""),
        libraries=table.texts("libraries"),
        in_ram=table.texts("in_ram"),
        why_not="" if built_here else table.text("why_not"),
        official=table.text("official", default=""),
    )


def _pins(top: Fields) -> dict[str, Pin]:
    if "pins" not in top.values:
        return {}
    pins = {}
    of_chip = top.table("board").choice("pull_at_reset", RESET_PULLS, default="none")
    table = top.table("pins")
    for name in table.values:
        row = table.table(name)
        row.only("gpio", "functions", "is_input_only", "pull_at_reset")
        functions = row.texts("functions")
        for function in functions:
            if not FUNCTION.fullmatch(function):
                row.problem("functions", f'"{function}" is no function of a pin')
        pins[name] = Pin(
            gpio=row.integer("gpio", low=0, high=_GPIO_MAX),
            functions=functions,
            is_input_only=row.boolean("is_input_only", default=False),
            pull_at_reset=row.choice("pull_at_reset", RESET_PULLS, default=of_chip),
        )
    return pins


def _texts(top: Fields, key: str) -> dict[str, str]:
    if key not in top.values:
        return {}
    table = top.table(key)
    return {name: table.text(name) for name in table.values}


def _buses(top: Fields) -> dict[str, dict[str, str]]:
    if "buses" not in top.values:
        return {}
    table = top.table("buses")
    buses = {}
    for name in table.values:
        signals = BUSES.get(name.rstrip("0123456789"))
        if signals is None or not name[-1].isdigit():
            table.problem(name, f"{name} is no bus", f"{', '.join(BUSES)}, and a number")
            continue
        bus = table.table(name)
        bus.only(*signals)
        buses[name] = {signal: bus.text(signal) for signal in signals}
    return buses


def _check(board: Board, top: Fields) -> None:
    """Report what does not fit together in a board."""
    table = top.table("board")
    if not board.sources:
        table.wrong("sources", "where its facts are from, an array of addresses")
    has_port = (source_root() / "firmware" / "port" / f"{board.port}.py").is_file()
    if board.tier != "described" and not has_port:
        table.problem("port", f"there is no firmware/port/{board.port}.py", 'tier = "described"')
    if board.flash_bytes < board.file_system_bytes:
        top.table("memory").problem(
            "file_system_bytes", "the file system is larger than the flash"
        )
    _check_pins(board, top)
    for name, bus in board.buses.items():
        for signal, pin in bus.items():
            _check_signal(board, top.table("buses").table(name), signal, pin)


def _check_pins(board: Board, top: Fields) -> None:
    seen: dict[int, str] = {}
    for name, pin in board.pins.items():
        first = seen.setdefault(pin.gpio, name)
        if first != name:
            top.table("pins").problem(name, f"{name} and {first} are both GPIO {pin.gpio}")
    for key in ("names", "external"):
        for name in getattr(board, key):
            if not _NAME.fullmatch(name) or name in board.pins:
                top.table(key).problem(name, f"{name} is no name for a pin, or taken")
    for name, target in board.names.items():
        if target and target not in board.pins:
            top.table("names").problem(name, f"there is no pin {target}")


def _check_signal(board: Board, bus: Fields, signal: str, name: str) -> None:
    pin = board.pins.get(name)
    if pin is None:
        if name:
            bus.problem(signal, f"there is no pin {name}")
    elif bus.document.values["board"].get("has_pin_matrix"):
        if pin.is_input_only and signal not in INPUTS:
            bus.problem(signal, f"{name} can only be read")
    elif f"{bus.keys[-1]}.{signal}" not in pin.functions:
        bus.problem(signal, f"{name} cannot be {bus.keys[-1]}.{signal}")
