"""The emulated board: an RP2040 that runs a real image, with everything a desk has around it.

    with EmulatedBoard(image=Path("bulkhead-pico.uf2")) as board:
        board.run_until(b">>> ", timeout_ms=3000)
        board.write(b"print(1+1)\\r")
        print(board.run_until(b">>> ", timeout_ms=1000))
        board.pin(15).press(ms=30)

Time is the board's own. Nothing happens between two calls; `run_for` and `run_until` advance the
device, and the same calls give the same cycles in every run. To serve the board to other programs
on a serial port, see `server.BoardServer`, a layer on top.
"""

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from bulkhead_host.emulator.chip import CYCLE_NS, FLASH_SECTOR, Chip, FlashHook, ResetCause
from bulkhead_host.emulator.pins import Pin, PinBank
from bulkhead_host.emulator.uf2 import Uf2Program, read_image
from bulkhead_host.emulator.usb_host import UsbHost, attach_controller
from bulkhead_host.errors import DeviceTimeout, UsageError

_ADC_REFERENCE_V = 3.3
_ADC_MAX = 4095
_TEMPERATURE_CHANNEL = 4
_NS_PER_US = 1000
_NS_PER_MS = 1_000_000


class EmulatedBoard:
    """A Raspberry Pi Pico. Not safe to use from two threads at once."""

    def __init__(self, *, image: Path, hold_idle_out: bool = True) -> None:
        self._program = read_image(image)
        self.chip = Chip()
        self.console = UsbHost(attach_controller(self.chip.mcu), hold_idle_out=hold_idle_out)
        self._pins = PinBank(self.chip)
        self.set_temperature_c(27.0)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Switch the power on; does nothing when it is on."""
        if not self.chip.is_powered:
            program_flash(self.chip.flash, self._program)
            self.chip.reset(ResetCause.POWER_ON)

    def stop(self) -> None:
        """Switch the power off."""
        self.chip.power_off()

    def reset(self) -> None:
        """Press and release the reset button (RUN)."""
        self.chip.reset(ResetCause.RUN_PIN)

    # Time

    @property
    def clock_us(self) -> int:
        """Microseconds of device time since the board was made; resets do not turn it back."""
        return int(self.chip.nanos // _NS_PER_US)

    @property
    def cycles(self) -> int:
        """Cycles of 8 ns since the board was made, idle ones included."""
        return int(self.chip.nanos // CYCLE_NS)

    def run_for(self, *, ms: float = 0, us: float = 0, cycles: int = 0) -> None:
        """Advance the device by a time; an instruction under way is finished."""
        self.chip.advance(self.chip.nanos + ms * _NS_PER_MS + us * _NS_PER_US + cycles * CYCLE_NS)

    def run_until(
        self,
        condition: bytes | str | Callable[[], bool],
        *,
        timeout_ms: float,
        step_ms: float = 1,
    ) -> bytes:
        """Advance until the console says `condition`, or until it, called, is true.

        A text is looked for in what the board has written and `read` has not yet returned. The
        output up to and including it is returned and consumed. A function is called every
        `step_ms` of device time, and the return value is empty. Raise DeviceTimeout with the
        output so far after `timeout_ms` of device time.
        """
        deadline = self.chip.nanos + timeout_ms * _NS_PER_MS
        text = condition.encode() if isinstance(condition, str) else condition
        while True:
            if isinstance(text, bytes):
                found = self.console.take_through(text)
                if found is not None:
                    return found
            elif text():
                return b""
            if self.chip.nanos >= deadline or not self.chip.is_powered:
                raise DeviceTimeout(self._why_not(condition, timeout_ms))
            self.chip.advance(min(deadline, self.chip.nanos + step_ms * _NS_PER_MS))

    def _why_not(self, condition: object, timeout_ms: float) -> str:
        if not self.chip.is_powered:
            return f"the board has no power; waited for {condition!r}"
        tail = bytes(self.console.received[-300:])
        return (
            f"no {condition!r} within {timeout_ms:g} ms of device time; "
            f"the console ends with {tail!r}"
        )

    # Console

    def write(self, data: bytes) -> None:
        """Type `data` into the board's USB serial console."""
        self.console.write(data)

    def read(self) -> bytes:
        """Return what the board has written since the last call; it does not advance time."""
        return self.console.read()

    # The outside world

    def pin(self, number: int) -> Pin:
        """Return a GPIO by its number."""
        return self._pins[number]

    def set_adc_volts(self, channel: int, volts: float) -> None:
        """Put a voltage on an ADC channel: 0 to 3 are GP26 to GP29, 4 the temperature sensor."""
        if not 0 <= channel <= _TEMPERATURE_CHANNEL:
            raise UsageError(f"there is no ADC channel {channel}", "use 0 to 4")
        value = round(volts / _ADC_REFERENCE_V * _ADC_MAX)
        self.chip.mcu.adc.channel_values[channel] = min(max(value, 0), _ADC_MAX)

    def set_temperature_c(self, celsius: float) -> None:
        """Set the chip's temperature, by the formula of the RP2040 datasheet, 4.9.5."""
        self.set_adc_volts(_TEMPERATURE_CHANNEL, 0.706 - (celsius - 27) * 0.001721)

    def on_flash_write(self, hook: FlashHook | None) -> None:
        """Call `hook` before each erase and program; where it returns True the power fails."""
        self.chip.on_flash_write = hook


def program_flash(flash: memoryview, program: Uf2Program) -> None:
    """Erase the sectors that `program` touches and write its pages; the rest stays."""
    for sector in {offset // FLASH_SECTOR for offset in program.pages}:
        flash[sector * FLASH_SECTOR : (sector + 1) * FLASH_SECTOR] = b"\xff" * FLASH_SECTOR
    for offset, page in program.pages.items():
        flash[offset : offset + len(page)] = page
