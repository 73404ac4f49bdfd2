"""Keeps an idle PIO out of the loop that runs for every instruction, and a busy one going.

`execute_batch` calls into every block of `mcu.pio` after each instruction, enabled or not. Leaving
idle blocks out is worth 20 % of the speed with the wheel's core, 50 % with the compiled one.

While the core sleeps, it jumps from alarm to alarm, and a state machine does at most one
instruction for each jump. So a PIO that runs beside a sleeping core gets an alarm of its own.
"""

from collections.abc import Callable
from typing import Any, cast

from rp2040py.peripherals.peripheral import Peripheral
from rp2040py.rp2040 import RP2040

_PIO_BASES = (0x50200, 0x50300)
_IO_BANK0_BASE = 0x40014
_PIO_CTRL = 0x00
_GPIO_CTRL_LAST = 0x0EC
_PIO_FUNCTIONS = (6, 7)
_CYCLE_NS = 8
_FRACTIONS = 256  # rp2040py counts PIO time in 256ths of a cycle
_NEVER_DUE = 1 << 61


class PioSwitch:
    """Has both blocks in `mcu.pio` while a state machine is enabled or a pin is routed to one."""

    def __init__(self, mcu: RP2040) -> None:
        self._mcu = mcu
        self._blocks = list(mcu.pio)
        self._waker = _Waker(mcu, self._blocks)
        self._live: list[Any] = []
        cast(Any, mcu).pio = self._live
        bank = mcu.peripherals[_IO_BANK0_BASE]
        mcu.peripherals[_IO_BANK0_BASE] = _Watched(bank, before=self._pin, after=self._update)
        for base in _PIO_BASES:
            block = mcu.peripherals[base]
            mcu.peripherals[base] = _Watched(block, before=self._control, after=self._update)

    def whole(self) -> "PioSwitch":
        """Return a context in which `mcu.pio` holds both blocks, as a chip reset expects."""
        return self

    def __enter__(self) -> None:
        self._live[:] = [*self._blocks, self._waker]

    def __exit__(self, *_: object) -> None:
        self._update()

    def _pin(self, offset: int, value: int) -> bool:
        is_control = offset <= _GPIO_CTRL_LAST and offset & 4
        if is_control and value & 0x1F in _PIO_FUNCTIONS:
            self._live[:] = [*self._blocks, self._waker]
        return bool(is_control) and bool(self._live)

    def _control(self, offset: int, value: int) -> bool:
        if offset == _PIO_CTRL and value & 0xF:
            self._live[:] = [*self._blocks, self._waker]
        return offset == _PIO_CTRL

    def _update(self) -> None:
        functions = {pin.function_select for pin in self._mcu.gpio}
        used = [
            not block.stopped or function in functions
            for block, function in zip(self._blocks, _PIO_FUNCTIONS, strict=True)
        ]
        # The chip reaches a block by its place in the list, so that the second needs the first.
        count = 2 if used[1] else int(used[0])
        self._live[:] = [*self._blocks[:count], self._waker] if count else []
        self._waker.stopped = all(block.stopped for block in self._blocks)


class _Waker:
    """Stands in `mcu.pio` behind the blocks, and sets an alarm for the next instruction due.

    It is `stopped` while both of them are.
    """

    machines = ()

    def __init__(self, mcu: RP2040, blocks: list[Any]) -> None:
        self._core = mcu.core
        self._blocks = blocks
        self._alarm = mcu.clock.create_alarm(lambda: None)
        self.stopped = True

    def advance(self, _cycles: int) -> None:
        """Look whether the core sleeps; called after the blocks have advanced."""
        if self._core.waiting:
            running = (block for block in self._blocks if not block.stopped)
            due = min((b.next_due_fp - b.cycle_fp for b in running), default=_NEVER_DUE)
            if due < _NEVER_DUE:
                self._alarm.schedule(max(1, -(-due // _FRACTIONS)) * _CYCLE_NS)


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
