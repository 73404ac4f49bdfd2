"""Times that a chip takes and the emulator alone does not: boards made within `unkind()`.

    with unkind():
        board = EmulatedBoard(image=image)

- The flash is busy after a command that changes it, 45 ms for a sector of 4 KiB, 150 ms for a
  block of 64 KiB, 0.4 ms for a page (W25Q16JV data sheet, revision M, 9.6: tSE, tBE2 and tPP,
  typical). The boot ROM waits for that with interrupts off and nothing read from the flash
  (RP2040 datasheet, 2.8.3.1.3), so the board stands still.
- A packet on the bus takes 52.6 us each way: a full-speed frame of 1 ms has room for 19 packets
  of 64 bytes (USB 2.0, table 5-9).
- At power-on the RAM holds anything and not zeros, as static RAM does.
- What the core reads of the flash comes from a cache of 16 KB, and costs 40 cycles a word where
  that lacks it (`flash_cache.pxi`). Reads by DMA are not counted.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, cast

from rp2040py.peripherals.ssi import CMD_READ_STATUS_1
from rp2040py.peripherals.xip_ctrl import FLUSH

SECTOR_ERASE_NS = 45_000_000
BLOCK_ERASE_NS = 150_000_000
PAGE_PROGRAM_NS = 400_000
PACKET_US = 52.6

_BUSY = 1  # of status register 1 (W25Q16JV, 7.1.1)
_BLOCK_BYTES = 0x10000
_is_unkind = ContextVar("_is_unkind", default=False)


@contextmanager
def unkind() -> Iterator[None]:
    """Have the boards that are made meanwhile take the times of a chip."""
    token = _is_unkind.set(True)
    try:
        yield
    finally:
        _is_unkind.reset(token)


def is_unkind() -> bool:
    """Tell whether a board that is made now is to take them."""
    return _is_unkind.get()


class FlashTimes:
    """Keeps a flash busy: its status register says so until the time is over."""

    def __init__(self, mcu: Any) -> None:
        self._clock = mcu.clock
        self._busy_until_ns = 0.0
        self.busy_ns = 0.0
        shift_byte = mcu.ssi._shift_byte

        def shift(byte_out: int) -> int:
            answer = cast(int, shift_byte(byte_out))
            sent = mcu.ssi._tx_buffer
            if sent[0] == CMD_READ_STATUS_1 and len(sent) > 1:
                answer |= _BUSY * (self._clock.nanos < self._busy_until_ns)
            return answer

        mcu.ssi._shift_byte = shift

    def take(self, *, erased_bytes: int) -> None:
        """Begin an erasure of so many bytes; 0 stands for a page that is programmed."""
        took = {0: PAGE_PROGRAM_NS, _BLOCK_BYTES: BLOCK_ERASE_NS}.get(
            erased_bytes, SECTOR_ERASE_NS
        )
        self._busy_until_ns = self._clock.nanos + took
        self.busy_ns += took


def slow_the_bus(usb: Any) -> None:
    """Have a USB controller's packets take their time."""
    usb.read_delay_microseconds = usb.write_delay_microseconds = PACKET_US


def empty_when_told(mcu: Any, flush: Callable[[], None]) -> None:
    """Have a flush of the cache, which follows each change of the flash, empty it.

    Register FLUSH of XIP_CTRL; it takes a little more than 1,024 cycles (RP2040 datasheet,
    2.6.3.2), in which the core waits for nothing here.
    """
    write = mcu.xip_ctrl.write_uint32

    def written(offset: int, value: int) -> None:
        if offset == FLUSH and value & 1:
            flush()
        write(offset, value)

    mcu.xip_ctrl.write_uint32 = written
