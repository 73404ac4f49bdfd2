"""The emulated board: an RP2040 that runs a real image, with everything a desk has around it.

    with EmulatedBoard(image=Path("bulkhead-pico.uf2")) as board:
        board.run_until(b">>> ", timeout_ms=3000)
        board.write(b"print(1+1)\\r")
        print(board.run_until(b">>> ", timeout_ms=1000))
        board.pin(15).press(ms=30)

Time is the board's own. Nothing happens between two calls; `run_for` and `run_until` advance the
device, and with a `seed` the same calls give the same cycles in every run. To serve the board to
other programs on a serial port, see `server.BoardServer`, a layer on top.
"""

import random
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal, Self

from bulkhead_host.emulator.bootloader import BootloaderDrive, report_on_stderr
from bulkhead_host.emulator.chip import CYCLE_NS, Chip, FlashHook, ResetCause
from bulkhead_host.emulator.flash import FlashFile, digest, load_image, program
from bulkhead_host.emulator.pace import Pacer
from bulkhead_host.emulator.pins import Pin, PinBank
from bulkhead_host.emulator.planted import Planted
from bulkhead_host.emulator.repairs import DEFAULT_UNIQUE_ID, UNIQUE_ID_SIZE, repair
from bulkhead_host.emulator.unkind import FlashTimes, is_unkind, slow_the_bus
from bulkhead_host.emulator.usb_host import FRAME_NS, UsbHost, attach_controller
from bulkhead_host.errors import DeviceTimeout, UsageError
from bulkhead_host.link.key import device_key

Pace = Literal["full", "real"]

_ADC_REFERENCE_V = 3.3
_ADC_MAX = 4095
_TEMPERATURE_CHANNEL = 4
_NS_PER_US = 1000
_NS_PER_MS = 1_000_000
_PACE_SLEEP_S = 0.002
NO_FAULTS = Planted()


class EmulatedBoard:
    """A Raspberry Pi Pico. Not safe to use from two threads at once.

    `image` is a UF2. It is programmed when the board is first started; with `flash`, a file that
    keeps the flash memory between runs, only when that is new or the image has changed since.
    `key` is the device key that it gets, this user's where none is given.
    Without an image the board starts what its flash holds, and with an empty flash it waits in
    its bootloader. `drive` is the folder that stands for the bootloader's drive (default: a new
    one among the temporary files). `pace="real"` keeps device time from running ahead of the
    wall clock. `report` takes messages for a person. `unique_id` is the 8 bytes of
    `machine.unique_id()`. `seed` decides what `os.urandom` returns, for runs that are to be the
    same each time: without one it is different each time, as on silicon. `hold_idle_out=False`
    brings back the interrupt storm of rp2040py's own USB host, to measure what it costs. `faults`
    are planted in it.

    Raises UsageError for a bad image, flash file or folder, DeviceBusy for a flash file in use.
    """

    def __init__(  # noqa: PLR0913  (all by keyword)
        self,
        *,
        image: Path | None = None,
        flash: Path | None = None,
        drive: Path | None = None,
        pace: Pace = "full",
        report: Callable[[str], None] = report_on_stderr,
        unique_id: bytes = DEFAULT_UNIQUE_ID,
        seed: int | None = None,
        key: bytes | None = None,
        hold_idle_out: bool = True,
        faults: Planted = NO_FAULTS,
    ) -> None:
        self._image = load_image(image, key=key or device_key()) if image is not None else None
        self._flash_path = flash
        self._flash_file: FlashFile | None = None
        self._programmed_digest = ""
        if len(unique_id) != UNIQUE_ID_SIZE:
            raise UsageError(f"a board's id has {UNIQUE_ID_SIZE} bytes, not {len(unique_id)}")
        self.chip = Chip()
        drawn = secrets.randbits(64) if seed is None else seed
        repair(self.chip.mcu, unique_id=unique_id, seed=drawn)
        self.usb = attach_controller(self.chip.mcu)
        self.console = UsbHost(self.usb, hold_idle_out=hold_idle_out)
        self._pins = PinBank(self.chip)
        if is_unkind():
            self.chip.flash_times = FlashTimes(self.chip.mcu)
            self.chip.count_flash_cache()
            slow_the_bus(self.usb)
            self.chip.ram_at_power_on = random.Random(drawn).randbytes
        self.rate = 1 + faults.clock_error
        self._faults = faults
        self._plant(faults)
        self._pacer = Pacer(self.chip, rate=self.rate) if pace == "real" else None
        self._drive = BootloaderDrive(drive, report=report)
        self.chip.on_bootloader.append(self._drive.mount)
        self.chip.on_reset.append(lambda _cause: self._drive.unmount())
        self.set_temperature_c(27.0)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # Power

    def start(self) -> None:
        """Switch the power on; does nothing when it is on."""
        if self.chip.is_powered:
            return
        self._load_flash()
        self.chip.reset(ResetCause.POWER_ON)

    def stop(self) -> None:
        """Switch the power off and save the flash; does nothing when it is off.

        `start` boots again, with the flash as it is now.
        """
        self.chip.power_off()
        self._drive.unmount()
        self.save_flash()
        if self._flash_file is not None:
            self._flash_file.close()
            self._flash_file = None

    def reset(self) -> None:
        """Press and release the reset button (RUN)."""
        self.chip.reset(ResetCause.RUN_PIN)

    @property
    def is_powered(self) -> bool:
        """False before `start`, after `stop`, and after a power cut."""
        return self.chip.is_powered

    @property
    def drive(self) -> Path | None:
        """The bootloader's folder while the board is in its bootloader, else None."""
        return self._drive.folder

    @property
    def holds(self) -> str:
        """What the board has that a copy of it would not have."""
        if self._flash_path is not None:
            return "its flash in a file"
        if self._pacer is not None:
            return "the pace of the wall clock"
        if self.chip.flash_times is not None:
            return "the times of a chip"
        if self._faults != NO_FAULTS:
            return "faults that were planted"
        return "its drive shown" if self._drive.folder is not None else ""

    def save_flash(self) -> None:
        """Write the flash to its file if it has changed; does nothing without a file."""
        if self._flash_file is not None and self.chip.flash_changed:
            self._flash_file.save(self.chip.flash, programmed_digest=self._programmed_digest)
            self.chip.flash_changed = False

    def _plant(self, faults: Planted) -> None:
        self.chip.lost_page_every = faults.lost_page_every
        self.usb.frame_ns = FRAME_NS * self.rate
        for number in faults.deaf_pins:
            self._pins[number].is_deaf = True

    def _load_flash(self) -> None:
        is_new = not self._programmed_digest
        if self._flash_path is not None and self._flash_file is None:
            self._flash_file = FlashFile(self._flash_path)
            content = self._flash_file.load()
            if content is not None:
                self.chip.flash[:] = content
                self._programmed_digest = self._flash_file.programmed_digest
                is_new = False
        if self._image is None or (not is_new and self._programmed_digest == digest(self._image)):
            return
        program(self.chip.flash, self._image)
        self._programmed_digest = digest(self._image)
        self.chip.flash_changed = True

    # Time

    @property
    def clock_us(self) -> int:
        """Microseconds of device time since the board was made; resets do not turn it back."""
        return int(self.chip.nanos // _NS_PER_US)

    @property
    def desk_s(self) -> float:
        """Seconds since the board was made by the desk's clock, which its own may differ from."""
        return self.chip.nanos / 1e9 / self.rate

    @property
    def cycles(self) -> int:
        """Cycles of 8 ns since the board was made, idle ones included."""
        return int(self.chip.nanos // CYCLE_NS)

    def run_for(self, *, ms: float = 0, us: float = 0, cycles: int = 0) -> None:
        """Advance the device by a time; an instruction under way is finished."""
        nanos = ms * _NS_PER_MS + us * _NS_PER_US + cycles * CYCLE_NS
        self._advance(self.chip.nanos + nanos)

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
            self._advance(min(deadline, self.chip.nanos + step_ms * _NS_PER_MS))

    def advance_once(self, target_ns: float) -> None:
        """Run towards `target_ns` for about 5 ms of host time at most; see `server`."""
        self.chip.advance_once(target_ns)
        blocks = self._drive.poll() if self.chip.in_bootloader else None
        if blocks is not None:
            blocks.program(self.chip.flash)
            self.chip.flash_changed = True
            self.chip.reset(ResetCause.WATCHDOG)  # as the boot ROM leaves its bootloader

    def _advance(self, target_ns: float) -> None:
        while self.chip.is_powered and self.chip.nanos < target_ns:
            limit_ns = target_ns
            if self._pacer is not None:
                limit_ns = min(target_ns, self._pacer.allowed_ns())
                if limit_ns <= self.chip.nanos:
                    time.sleep(_PACE_SLEEP_S)
                    continue
            self.advance_once(limit_ns)

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
