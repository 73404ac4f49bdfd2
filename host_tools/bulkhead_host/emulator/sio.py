"""The SIO of a chip whose core has the divider and the spin locks in C.

The compiled core reaches their registers without Python (`quick_registers.pxi`). All other ways to
them, such as a load of a byte or a reset, are rp2040py's, to the same state.
"""

from typing import Any

from rp2040py.rp2040 import RP2040
from rp2040py.sio import RPSIO


def _register(name: str) -> Any:
    def read(sio: "Sio") -> int:
        return int(getattr(sio.rp2040.sio_registers, name))  # type: ignore[attr-defined]

    def write(sio: "Sio", value: float) -> None:
        registers = sio.rp2040.sio_registers  # type: ignore[attr-defined]
        setattr(registers, name, int(value) & 0xFFFFFFFF)

    return property(read, write)


class Sio(RPSIO):
    """An SIO whose divider and spin locks are `rp2040.sio_registers`, as 32 bits each."""

    div_dividend = _register("dividend")
    div_divisor = _register("divisor")
    div_quotient = _register("quotient")
    div_remainder = _register("remainder")
    div_csr = _register("csr")
    spin_lock = _register("spin_lock")


def have_registers_in_c(mcu: RP2040, registers: object) -> None:
    """Give a chip the `SioRegisters` of the compiled core, and an SIO that has no others."""
    mcu.sio_registers = registers  # type: ignore[attr-defined]
    mcu.sio = Sio(mcu)
