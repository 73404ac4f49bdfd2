"""The desk around one emulated board, and how a file puts things on it."""

import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, TypeVar, runtime_checkable

from bulkhead_host.desk.buses import I2cBus, I2cDevice, SpiBus, SpiDevice
from bulkhead_host.desk.onewire import OneWireBus
from bulkhead_host.emulator.board import EmulatedBoard
from bulkhead_host.emulator.pins import Pin
from bulkhead_host.emulator.serial_peer import SerialPeer
from bulkhead_host.errors import BulkheadError, UsageError
from bulkhead_host.files import read_text, write_text

BUSES = 2
FIRST_ADC_PIN = 26
LAST_ADC_PIN = 29
PICTURES_MS = 500
"""How often, in the board's time, pictures that have changed are written to their files."""

_NS_IN_MS = 1_000_000
_EXAMPLE = "see the page on the emulated desk, or bulkhead_host/desk/__init__.py"

I2cT = TypeVar("I2cT", bound=I2cDevice)
SpiT = TypeVar("SpiT", bound=SpiDevice)
_Thing = TypeVar("_Thing")


class DeskError(BulkheadError):
    """The code of a desk has failed while the board ran."""


@runtime_checkable
class Pictured(Protocol):
    """A thing on the desk that can be looked at."""

    def svg(self) -> str:
        """Return how it looks now, as a drawing."""


class NamedI2cBus:
    """An I2C bus of a desk."""

    def __init__(self, desk: "Desk", bus: I2cBus) -> None:
        self._desk = desk
        self._bus = bus

    def add(self, device: I2cT, *, name: str = "") -> I2cT:
        """Put a chip on the bus and return it; with a name its picture can be looked at."""
        self._bus.add(device)
        return self._desk.named(device, name)


class NamedSpiBus:
    """An SPI bus of a desk."""

    def __init__(self, desk: "Desk", bus: SpiBus) -> None:
        self._desk = desk
        self._bus = bus

    def add(self, device: SpiT, *, select: int, name: str = "") -> SpiT:
        """Put a chip on the bus, its select line on a GPIO, and return it."""
        self._bus.add(device, self._desk.pin(select))
        return self._desk.named(device, name)


class Desk:
    """What a desk's file is given: the board's buses, pins and clock. Times are the board's."""

    def __init__(self, board: EmulatedBoard, *, file: str = "desk.py") -> None:
        self.board = board
        self.file = file
        self._i2c: dict[int, I2cBus] = {}
        self._spi: dict[int, SpiBus] = {}
        self._onewire: dict[int, OneWireBus] = {}
        self._uarts: dict[int, SerialPeer] = {}
        self._named: dict[str, Any] = {}
        self._shown: dict[str, str] = {}

    def i2c(self, number: int) -> NamedI2cBus:
        """Return I2C bus 0 or 1."""
        _check(number, BUSES, "I2C bus")
        block = self.board.chip.mcu.i2c[number]
        return NamedI2cBus(self, self._i2c.setdefault(number, I2cBus(block, self.guarded)))

    def spi(self, number: int) -> NamedSpiBus:
        """Return SPI bus 0 or 1."""
        _check(number, BUSES, "SPI bus")
        block = self.board.chip.mcu.spi[number]
        return NamedSpiBus(self, self._spi.setdefault(number, SpiBus(block, self.guarded)))

    def onewire(self, gpio: int) -> OneWireBus:
        """Return the 1-Wire bus on a GPIO, with its resistor."""
        if gpio not in self._onewire:
            self._onewire[gpio] = OneWireBus(self.pin(gpio), self.guarded, self.at)
        return self._onewire[gpio]

    def uart(self, number: int, *, baudrate: int = 115_200) -> SerialPeer:
        """Return the far end of UART 0 or 1: `send(data)` to it, `got` has what came."""
        _check(number, BUSES, "UART")
        if number not in self._uarts:
            self._uarts[number] = SerialPeer(self.board, number=number, baudrate=baudrate)
        return self._uarts[number]

    def pin(self, number: int) -> Pin:
        """Return a GPIO: `drive(level)`, `release()`, `press()`, `level`, `on_edge(listener)`."""
        return self.board.pin(number)

    def set_volts(self, gpio: int, volts: float) -> None:
        """Put a voltage, 0 to 3.3, on one of the ADC's pins, GP26 to GP29."""
        if not FIRST_ADC_PIN <= gpio <= LAST_ADC_PIN:
            raise UsageError(f"the ADC has no pin GP{gpio}", "use GP26 to GP29")
        self.board.set_adc_volts(gpio - FIRST_ADC_PIN, volts)

    def at(self, ms: float, do: Callable[[], object]) -> None:
        """Call `do` when `ms` have passed from now."""
        alarm = self.board.chip.clock.create_alarm(lambda: self.guarded(do))
        alarm.schedule(ms * _NS_IN_MS)

    def every(self, ms: float, do: Callable[[], object]) -> None:
        """Call `do` every `ms`, from `ms` from now on."""

        def again() -> None:
            self.guarded(do)
            alarm.schedule(ms * _NS_IN_MS)

        alarm = self.board.chip.clock.create_alarm(again)
        alarm.schedule(ms * _NS_IN_MS)

    # Pictures

    def named(self, thing: _Thing, name: str) -> _Thing:
        """Give a thing a name, by which its picture is found; return the thing."""
        if name and name in self._named:
            raise UsageError(f"two things on the desk are called {name!r}", "give one another")
        if name:
            self._named[name] = thing
        return thing

    def pictures(self) -> dict[str, str]:
        """Return the drawing of each thing that has a name and can be looked at."""
        return {name: one.svg() for name, one in self._named.items() if isinstance(one, Pictured)}

    def save_pictures(self, folder: Path) -> None:
        """Keep a file NAME.svg in `folder` for each of them, as it is now and as it changes."""
        self._save_changed(folder)
        self.every(PICTURES_MS, lambda: self._save_changed(folder))

    def _save_changed(self, folder: Path) -> None:
        for name, drawing in self.pictures().items():
            if self._shown.get(name) != drawing:
                self._shown[name] = drawing
                write_text(folder / f"{name}.svg", drawing)

    def guarded(self, do: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Return what code of the desk returns; raise `DeskError` with its line where it fails."""
        try:
            return do(*arguments, **named)
        except BulkheadError:
            raise
        except Exception as error:
            raise DeskError(*_blame(self.file, error)) from error


def furnish(path: Path, board: EmulatedBoard) -> tuple[Desk, Any]:
    """Put what a file says around a board; return the desk, and what its `furnish` returned.

    Raises `UsageError` where the file cannot be read, has no `furnish`, or fails.
    """
    try:
        source = read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the desk {path}: {error}", _EXAMPLE) from error
    return furnish_from(source, str(path), board)


def furnish_from(source: str, file: str, board: EmulatedBoard) -> tuple[Desk, Any]:
    """Do the same with the file's text."""
    module = ModuleType("desk_of_the_board")
    module.__file__ = file
    folder = str(Path(file).resolve().parent)
    sys.path.insert(0, folder)
    try:
        exec(compile(source, file, "exec"), module.__dict__)
        put = getattr(module, "furnish", None)
        if not callable(put):
            raise UsageError(f"{file} has no function furnish(desk)", _EXAMPLE)
        desk = Desk(board, file=file)
        return desk, put(desk)
    except BulkheadError:
        raise
    except Exception as error:
        raise UsageError(*_blame(file, error)) from error
    finally:
        sys.path.remove(folder)


def _blame(file: str, error: Exception) -> tuple[str, str]:
    """Return cause and next step of an error in a desk's code, with the last line of it."""
    if isinstance(error, SyntaxError) and error.filename == file:
        where = error.lineno
    else:
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if frame.filename == file]
        where = lines[-1] if lines else None
    place = f"{file}:{where}" if where else file
    return f"{place}: {type(error).__name__}: {error}", "mend the desk"


def _check(number: int, count: int, what: str) -> None:
    if not 0 <= number < count:
        raise UsageError(f"there is no {what} {number}", f"use 0 to {count - 1}")
