"""One emulated RP2040 with its clock: exact stepping, resets, flash commands, boot vector.

The instruction set and the peripherals are `rp2040py`'s. This module owns what a board adds:
device time that a caller advances to the nanosecond, resets that take the path silicon takes,
and flash commands that can be watched, or cut short by a power failure.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, cast

from rp2040py.clock.simulation_clock import SimulationClock
from rp2040py.device.bootrom import BOOTROM_B1
from rp2040py.peripherals.ssi import CMD_BLOCK_ERASE, CMD_PAGE_PROGRAM, CMD_SECTOR_ERASE
from rp2040py.peripherals.vreg_and_chip_reset import HAD_POR, HAD_RUN
from rp2040py.rp2040 import RP2040

from bulkhead_host.emulator.pio_switch import PioSwitch
from bulkhead_host.emulator.sio import have_registers_in_c
from bulkhead_host.emulator.unkind import FlashTimes, empty_when_told
from bulkhead_host.errors import BulkheadError

try:
    from rp2040py.native._quick_core import (  # type: ignore[import-not-found]
        Batch,
        FlashCache,
        SioRegisters,
        execute_batch,
    )
except ImportError:
    from bulkhead_host.emulator.batch import Batch, execute_batch

    SioRegisters = FlashCache = None

CYCLE_NS = 8
"""Length of a cycle: the emulator always runs at 125 MHz, whatever `machine.freq()` says."""

FLASH_SIZE = 2 * 1024 * 1024
FLASH_SECTOR = 4096
FLASH_START = 0x10000000

_FLASH_BLOCK = 0x10000
_FLASH_HEADER_SIZE = 4  # operation and 24-bit address
_BOOTROM_END = 0x4000

_BOOT2_SIZE = 252
_CRC_POLYNOMIAL = 0x04C11DB7

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
        if SioRegisters is not None:
            have_registers_in_c(self.mcu, SioRegisters())
        self.on_reset: list[Callable[[ResetCause], None]] = []
        self.on_bootloader: list[Callable[[], None]] = []
        self.on_flash_write: FlashHook | None = None
        self.lost_page_every = 0
        self.ram_at_power_on: Callable[[int], bytes] = bytes
        self.flash_times: FlashTimes | None = None
        self.flash_cache: Any = None
        self.flash_changed = False
        self.reset_count = 0
        self.in_bootloader = False
        self.activity_pins = 0
        self.is_powered = False
        self._pages_programmed = 0
        self._batch = Batch(clock=self.clock, rp2040=self.mcu)
        self._deadline = self.clock.create_alarm(self._stop)
        self._pio = PioSwitch(self.mcu)
        self._apply_flash_command = self.mcu.ssi._apply_command
        cast(Any, self.mcu.ssi)._apply_command = self._flash_command
        self.mcu.simulator = cast(Any, self._batch)
        self.mcu.watchdog.on_watchdog_trigger = self._watchdog_reset

    def count_flash_cache(self) -> None:
        """Have the core wait for the flash where the cache lacks what it reads, from now on.

        `flash_cache.misses` counts the words read. Raises BulkheadError without a compiled core.
        """
        if FlashCache is None:
            raise BulkheadError(
                "the cache of the flash is counted by the compiled emulator alone",
                "install a C compiler and Python's headers: apt-get install gcc python3-dev",
            )
        self.flash_cache = self._batch.cache = FlashCache()
        empty_when_told(self.mcu, self.flash_cache.flush)

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
        # An idle chip jumps there at once; a jump by less than the clock resolves would not end.
        self._deadline.schedule(max(remaining, 1.0))
        try:
            execute_batch(self._batch)
        finally:
            self._deadline.cancel()

    def interrupt(self) -> None:
        """Make the running `advance_once` return after the current instruction."""
        self._batch.stopped = True

    def stall(self, nanos: float) -> None:
        """Let time pass with the processor standing still, as under a debugger.

        Timers go on and fire; what they interrupt is served when the processor runs again.
        """
        self.clock.tick(nanos)

    def reset(self, cause: ResetCause) -> None:
        """Reset the chip and boot what the flash holds. SRAM survives all but a power-on."""
        with self._pio.whole():
            self.mcu.enter_reset(from_watchdog=cause is ResetCause.WATCHDOG)
        if cause is ResetCause.POWER_ON:
            self.mcu.sram[:] = self.ram_at_power_on(len(self.mcu.sram))
        if cause is not ResetCause.WATCHDOG:
            self.mcu.watchdog.reset()
            self.mcu.watchdog.write_uint32(0, 0)  # CTRL: disarm, as the block's reset does
            flag = HAD_RUN if cause is ResetCause.RUN_PIN else HAD_POR
            self.mcu.vreg_and_chip_reset.record_reset_cause(flag)
        if self.flash_cache is not None:
            self.flash_cache.flush()
        self.in_bootloader = False
        self.is_powered = True
        self.reset_count += 1
        self.mcu.leave_reset()
        self.interrupt()
        for listener in self.on_reset:
            listener(cause)
        if not can_boot(self.flash):
            self._enter_bootloader()

    def power_off(self) -> None:
        """Stop at once; what was not yet in the flash is lost."""
        self.is_powered = False
        self.interrupt()

    def _stop(self) -> None:
        self._batch.stopped = True

    def _watchdog_reset(self) -> None:
        wishes = tuple(self.mcu.watchdog.scratch_data[:2])
        magic, guard, stack, entry = self.mcu.watchdog.scratch_data[4:8]
        has_vector = magic == _BOOT_MAGIC and guard == (entry ^ (-_BOOT_MAGIC & _WORD))
        self.mcu.watchdog.write_uint32(0, 0)
        self.reset(ResetCause.WATCHDOG)
        if not has_vector:
            return
        self.mcu.watchdog.scratch_data[4] = 0
        if entry < _BOOTROM_END:
            # What `reset_to_usb_boot` was told: the pins of an activity LED, and in bit 0 whether
            # to show no drive (datasheet 2.8.3).
            self.activity_pins = wishes[0]
            self._enter_bootloader(shows_drive=not wishes[1] & 1)
        else:
            self.mcu.core.sp = stack
            self.mcu.core.pc = entry & ~1

    def _enter_bootloader(self, *, shows_drive: bool = True) -> None:
        if self.in_bootloader:
            return
        self.in_bootloader = True
        self.interrupt()
        if shows_drive:
            for listener in self.on_bootloader:
                listener()

    def _flash_command(self) -> None:
        write = _decode_flash_command(bytes(self.mcu.ssi._tx_buffer))
        if write is not None:
            if not self.is_powered:
                return
            if self.on_flash_write is not None and self.on_flash_write(write):
                self.power_off()
                return
            if self._loses(write):
                return
            self.flash_changed = True
            if self.flash_times is not None:
                erased = write.size if write.command is FlashCommand.ERASE else 0
                self.flash_times.take(erased_bytes=erased)
        self._apply_flash_command()

    def _loses(self, write: FlashWrite) -> bool:
        """Say whether this is one of the pages that a planted fault keeps from the flash."""
        if not self.lost_page_every or write.command is not FlashCommand.PROGRAM:
            return False
        self._pages_programmed += 1
        return self._pages_programmed % self.lost_page_every == 0


def can_boot(flash: memoryview) -> bool:
    """Say whether the boot ROM would start what the flash holds: its second stage's CRC is right.

    CRC-32/MPEG-2 over the first 252 bytes (RP2040 datasheet 2.8.1.3.1).
    """
    crc = 0xFFFFFFFF
    for byte in flash[:_BOOT2_SIZE]:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (_CRC_POLYNOMIAL if crc & 0x80000000 else 0)) & 0xFFFFFFFF
    return crc == int.from_bytes(flash[_BOOT2_SIZE : _BOOT2_SIZE + 4], "little")


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
