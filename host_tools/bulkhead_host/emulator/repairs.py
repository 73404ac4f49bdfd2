"""Repairs of what rp2040py 0.3.6 leaves out of the chip's blocks, each seen to hurt on the Pico.

- The UART raises its transmit interrupt without end, so that MicroPython's `UART.write` never
  returns. On silicon it is raised when the FIFO drains, and cleared by the firmware.
- The UART raises its receive interrupt for every byte, and has no receive timeout. On silicon it
  is raised at a level of the FIFO, the timeout when bytes wait there and the line is idle.
- What the UART sends leaves at once. A line that takes its time asks for that: `byte_ns`.
- The I2C block's transmit FIFO, flushed when nobody answers, does not say that it is empty:
  MicroPython waits for that until it times out, and takes the next transaction for failed too.
- The ring oscillator's random bit is always 1, so that `os.urandom` gives the same byte for ever.
  Here the bits come from a seeded generator: random enough to test with, the same in every run.
- The flash has no unique id, which MicroPython shows as the board's id and USB serial number.
"""

import random
from collections import deque
from typing import Any, cast

from rp2040py.peripherals.i2c import R_TX_EMPTY
from rp2040py.peripherals.peripheral import BasePeripheral
from rp2040py.peripherals.uart import (
    RPUART,
    UARTDR,
    UARTRXINTR,
    UARTTXINTR,
    IUARTDMAChannels,
)
from rp2040py.rp2040 import RP2040

UNIQUE_ID_SIZE = 8
DEFAULT_UNIQUE_ID = bytes.fromhex("e660b0148b1d0001")

_UARTIFLS = 0x34
_UARTRTINTR = 1 << 6
_FIFO_BYTES = 32
# By bits 0 to 2 of UARTIFLS for what is sent, 3 to 5 for what comes (datasheet, 4.2.8).
_LEVELS = (4, 8, 16, 24, 28)
_BUSY, _TXFF, _TXFE = 1 << 3, 1 << 5, 1 << 7  # of UARTFR
_IDLE_BITS = 32
_ROSC_BASE = 0x40060
_RANDOMBIT = 0x1C
_READ_UNIQUE_ID = 0x4B
_UNIQUE_ID_STARTS_AT = 5  # after the command and four dummy bytes (W25Q080 datasheet, 8.2.32)


def repair(mcu: RP2040, *, unique_id: bytes, seed: int) -> None:
    """Put the repaired blocks into a chip that has not run yet."""
    for index, old in enumerate(mcu.uart):
        uart = Uart(mcu, old.name, old.irq, old.dreq)
        mcu.uart[index] = uart
        for base, peripheral in mcu.peripherals.items():
            if peripheral is old:
                mcu.peripherals[base] = uart
                break
    for bus in mcu.i2c:
        _tell_of_flushing(bus)
    mcu.peripherals[_ROSC_BASE] = RingOscillator(mcu, seed)
    _give_unique_id(mcu, unique_id)


class Uart(RPUART):
    """A UART whose interrupts follow from its FIFOs, and can be cleared (PL011 manual, 2.8).

    `byte_ns` is how long a byte takes to leave: none where nothing is at the other end that has a
    speed.
    """

    byte_ns = 0.0

    def __init__(self, rp2040: RP2040, name: str, irq: int, dreq: IUARTDMAChannels) -> None:
        super().__init__(rp2040, name, irq, dreq)
        self._levels = 0b010010
        self._to_send: deque[int] = deque()
        self._sent = rp2040.clock.create_alarm(self._after_byte)
        self._idle = rp2040.clock.create_alarm(self._after_idle)

    def check_interrupts(self) -> None:
        """Tell the core whether an enabled interrupt is pending."""
        self.rp2040.set_interrupt(self.irq, bool(self._interrupt_status & self._interrupt_mask))

    def feed_byte(self, value: int) -> None:
        """Receive a byte: the line has just become idle after its stop bit."""
        self.rx_fifo.push(value)
        self._follow_level()
        if self._int_divisor:
            self._idle.schedule(_IDLE_BITS * 1e9 / self.baud_rate)

    def read_uint32(self, offset: int) -> int:
        """Read a register; a byte read may bring the FIFO below its level, or empty it."""
        if offset == _UARTIFLS:
            return self._levels
        value = super().read_uint32(offset)
        if offset == UARTDR:
            self._follow_level()
        return value

    def write_uint32(self, offset: int, value: int) -> None:
        """Write a register; a byte that leaves at once drains the FIFO."""
        if offset == _UARTIFLS:
            self._levels = value & 0x3F
            self._follow_level()
            return
        if offset == UARTDR and self.byte_ns:
            self._queue(value & 0xFF)
            return
        super().write_uint32(offset, value)
        if offset == UARTDR:
            self._interrupt_status |= UARTTXINTR
            self.check_interrupts()

    @property
    def flags(self) -> int:
        """Return the flag register."""
        flags = super().flags
        if self._to_send:
            flags = flags & ~_TXFE | _BUSY
        return flags | _TXFF if len(self._to_send) >= _FIFO_BYTES else flags

    def reset(self) -> None:
        """Put the registers and the FIFOs back to power-on."""
        super().reset()
        self._to_send.clear()
        self._sent.cancel()

    def _queue(self, byte: int) -> None:
        """Take a byte to send; a full FIFO loses it."""
        if len(self._to_send) >= _FIFO_BYTES:
            return
        self._to_send.append(byte)
        if len(self._to_send) == 1:
            self._sent.schedule(self.byte_ns)
        if len(self._to_send) > _level(self._levels & 7):
            self._interrupt_status &= ~UARTTXINTR
            self.check_interrupts()

    def _after_byte(self) -> None:
        byte = self._to_send.popleft()
        if self._to_send:
            self._sent.schedule(self.byte_ns)
        if len(self._to_send) == _level(self._levels & 7):
            self._interrupt_status |= UARTTXINTR
            self.check_interrupts()
        if self.on_byte is not None:
            self.on_byte(byte)

    def _follow_level(self) -> None:
        level = _level(self._levels >> 3)
        self._interrupt_status &= ~UARTRXINTR
        if self.rx_fifo.item_count >= level:
            self._interrupt_status |= UARTRXINTR
        if self.rx_fifo.empty:
            self._interrupt_status &= ~_UARTRTINTR
        self.check_interrupts()

    def _after_idle(self) -> None:
        if not self.rx_fifo.empty:
            self._interrupt_status |= _UARTRTINTR
            self.check_interrupts()


def _level(bits: int) -> int:
    return _LEVELS[min(bits, len(_LEVELS) - 1)]


class RingOscillator(BasePeripheral):
    """The ring oscillator's random bit; the other registers read as rp2040py has them."""

    def __init__(self, rp2040: Any, seed: int) -> None:
        super().__init__(rp2040, "ROSC")
        self._random = random.Random(seed)

    def read_uint32(self, offset: int) -> int:
        """Read a register."""
        if offset == _RANDOMBIT:
            return self._random.getrandbits(1)
        return super().read_uint32(offset)


def _tell_of_flushing(bus: Any) -> None:
    """Have an I2C block say that its transmit FIFO is empty after an abort (datasheet, 4.3.7)."""
    abort = bus._abort

    def abort_and_tell(reason: int) -> None:
        abort(reason)
        bus._set_interrupts(R_TX_EMPTY)

    bus._abort = abort_and_tell


def _give_unique_id(mcu: RP2040, unique_id: bytes) -> None:
    ssi = mcu.ssi
    shift_byte = ssi._shift_byte

    def shift(byte_out: int) -> int:
        answer = shift_byte(byte_out)
        index = len(ssi._tx_buffer) - 1 - _UNIQUE_ID_STARTS_AT
        if ssi._tx_buffer[0] == _READ_UNIQUE_ID and 0 <= index < UNIQUE_ID_SIZE:
            return unique_id[index]
        return answer

    cast(Any, ssi)._shift_byte = shift
